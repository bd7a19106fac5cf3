"""Long calls at the gRPC edge: a call ends when the token with which it began is revoked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chengxin.auth.access_tokens import Verifier
from chengxin.errors import Problem


class OpenStreams:
    """The streams at the gRPC edge, each with its token."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._calls: dict[int, tuple[str, Any]] = {}
        self._revoked: set[int] = set()
        self._lock = threading.Lock()

    @contextmanager
    def lasting(self, token: str, upstream: Any) -> Iterator[None]:
        """Tracks a call while it goes on. Raises the refusal of the token when a revocation ended the call."""
        with self._lock:
            self._calls[id(upstream)] = (token, upstream)
        try:
            yield
        except Exception:
            with self._lock:
                was_revoked = id(upstream) in self._revoked
            if was_revoked:
                # This raises the reason why the token is refused.
                self._verifier.verify(token)
            raise
        finally:
            with self._lock:
                self._calls.pop(id(upstream), None)
                self._revoked.discard(id(upstream))

    def end_revoked(self) -> None:
        """Cancels the calls whose tokens were revoked after the calls began."""
        with self._lock:
            calls = list(self._calls.items())
        for key, (token, upstream) in calls:
            if self._is_revoked(token):
                with self._lock:
                    self._revoked.add(key)
                upstream.cancel()

    def _is_revoked(self, token: str) -> bool:
        try:
            return self._verifier.is_revoked(token)
        # The verifier no longer remembers the token, and the token is expired: nothing can show whether it was revoked.
        except Problem:
            return True
