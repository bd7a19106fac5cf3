"""Passwords: argon2id, few at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.domain.clients_and_officers import SIGN_IN_BUSY

_AT_ONCE: Final = 2
# More than these are turned away at once: whoever waits holds one of the edge's threads.
_WAITING: Final = 12
_PATIENCE: Final = 5.0


class Passwords:
    """Hashes and checks passwords.

    19 MiB and two passes is OWASP's profile for argon2id; a crowd of sign-ins waits its turn, so that it takes neither
    the memory nor both cores.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._door = threading.BoundedSemaphore(_WAITING)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        # For user names that do not exist: checking takes as long as for those that do.
        self._nobody = self._hasher.hash("nobody's password")

    def hash(self, password: str) -> str:
        """The argon2id hash to store."""
        return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether it is the password of this hash; None is the hash of nobody. Raises SIGN_IN_BUSY."""
        with self._waiting():
            try:
                self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        if not self._door.acquire(blocking=False):
            raise SIGN_IN_BUSY(retry_after=_PATIENCE)
        try:
            if not self._turn.acquire(timeout=_PATIENCE):
                raise SIGN_IN_BUSY(retry_after=_PATIENCE)
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._door.release()
