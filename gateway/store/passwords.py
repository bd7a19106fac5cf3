"""Hashes and checks passwords with argon2id, a few at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chengxin.bounds import bound
from gateway.domain.clients_and_officers import SIGN_IN_BUSY

_MAX_CONCURRENT: Final = 2
# More checks than these are refused at once, because each check that waits holds one of the edge's threads.
_MAX_ADMITTED: Final = 12
_TURN_SECONDS: Final = 5.0

bound(
    __name__,
    "BoundedSemaphore",
    "BoundedSemaphore",
    resource="Passwords that are checked, or wait for it",
    total=_MAX_ADMITTED,
    share="none yet",
    seconds=_TURN_SECONDS,
    why="Two at a time: each takes 19 MiB",
    test="tests/gateway/test_clients_and_officers.py::test_the_lock_grows_and_has_an_end",
)


class Passwords:
    """Hashes and checks passwords.

    The parameters, 19 MiB and two passes, are OWASP's profile for argon2id. Sign-ins wait for their turn, so that a
    crowd of them takes neither the memory nor both cores.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._admitted = threading.BoundedSemaphore(_MAX_ADMITTED)
        self._running = threading.BoundedSemaphore(_MAX_CONCURRENT)
        # The check of an unknown user name uses this hash, so that it takes as long as that of a known one.
        self._unknown_user_hash = self._hasher.hash("nobody's password")

    def hash(self, password: str) -> str:
        """Returns the argon2id hash to store."""
        return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Returns whether `password` has the hash `stored`; False when `stored` is None. Raises SIGN_IN_BUSY."""
        with self._take_turn():
            try:
                self._hasher.verify(stored or self._unknown_user_hash, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    @contextmanager
    def _take_turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise SIGN_IN_BUSY(retry_after=_TURN_SECONDS)
        try:
            if not self._running.acquire(timeout=_TURN_SECONDS):
                raise SIGN_IN_BUSY(retry_after=_TURN_SECONDS)
            try:
                yield
            finally:
                self._running.release()
        finally:
            self._admitted.release()
