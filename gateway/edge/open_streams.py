"""Long calls at the gRPC edge: a call ends when the token with which it began is revoked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from chengxin.auth.access_tokens import Verifier
from chengxin.errors import Problem


@dataclass(eq=False)
class _OpenCall:
    """A call that goes on. It holds itself whether a revocation ended it, so nothing of it is left when it is over."""

    token: str
    upstream: Any
    was_revoked: bool = False


class OpenStreams:
    """The streams at the gRPC edge, each with its token."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._calls: set[_OpenCall] = set()
        self._lock = Lock()

    @contextmanager
    def lasting(self, token: str, upstream: Any) -> Iterator[None]:
        """Tracks a call while it goes on. Raises the refusal of the token when a revocation ended the call."""
        call = _OpenCall(token, upstream)
        with self._lock:
            self._calls.add(call)
        try:
            yield
        except Exception:
            if call.was_revoked:
                # This raises the reason why the token is refused.
                self._verifier.verify(token)
            raise
        finally:
            with self._lock:
                self._calls.discard(call)

    def end_revoked(self) -> None:
        """Cancels the calls whose tokens were revoked after the calls began."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            if self._is_revoked(call.token):
                call.was_revoked = True
                call.upstream.cancel()

    def _is_revoked(self, token: str) -> bool:
        try:
            return self._verifier.is_revoked(token)
        # The verifier no longer remembers the token, and the token is expired: nothing can show whether it was revoked.
        except Problem:
            return True
