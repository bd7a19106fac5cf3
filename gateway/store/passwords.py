"""Hashes and checks passwords with argon2id, a few at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chengxin.bounds import bound
from chengxin.concurrency.shares import Claimant, Shares
from gateway.domain.clients_and_officers import SIGN_IN_BUSY

_MAX_CONCURRENT: Final = 2
_TURN_SECONDS: Final = 5.0

HASHES: Final = bound(
    __name__,
    "BoundedSemaphore",
    resource="Passwords that are checked, or wait for it",
    total=16,
    share=6,
    strangers=12,
    seconds=_TURN_SECONDS,
    why="Two at a time, 19 MiB and a processor each; the others wait. Who signs in from where the officer has signed in "
    "before is no stranger",
    test="tests/gateway/test_sign_in_floods.py::test_sign_ins_of_one_address_keep_nobody_else_out",
)


class Passwords:
    """Hashes and checks passwords.

    The parameters, 19 MiB and two passes, are OWASP's profile for argon2id. Sign-ins wait for their turn, so that a
    crowd of them takes neither the memory nor both cores; and an origin has a share of those that wait, so that a crowd
    from one place leaves turns to the others.
    """

    def __init__(self, admitted: Shares) -> None:
        """`admitted` are the places of those whose passwords are checked, or who wait for it."""
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._admitted = admitted
        self._running = threading.BoundedSemaphore(_MAX_CONCURRENT)
        # The check of an unknown user name uses this hash, so that it takes as long as that of a known one.
        self._unknown_user_hash = self._hasher.hash("nobody's password")

    def hash(self, password: str) -> str:
        """Returns the argon2id hash to store. Raises SIGN_IN_BUSY."""
        with self._turn():
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str, origin: Claimant) -> bool:
        """Returns whether `password` has the hash `stored`; False when `stored` is None. Raises SIGN_IN_BUSY."""
        held = self._admitted.take(origin)
        if held is None:
            raise SIGN_IN_BUSY(retry_after=_TURN_SECONDS)
        with held, self._turn():
            try:
                self._hasher.verify(stored or self._unknown_user_hash, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._running.acquire(timeout=_TURN_SECONDS):
            raise SIGN_IN_BUSY(retry_after=_TURN_SECONDS)
        try:
            yield
        finally:
            self._running.release()
