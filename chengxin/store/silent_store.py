"""A store that does not answer: those who met it waited for a whole deadline, and nobody after them does (decision 23).

A face has some sixteen threads. With a deadline for each request alone, the hundredth caller of a silent store waited for
the sixth turn of it.
"""

import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.deadlines import ASKED_AGAIN_SECONDS, within


class StoreSilence:
    """Whether the store of this process is silent: in doubt when it has not answered somebody, which may have been that
    one's alone (a conflict, a lost connection), and certain when it does not answer the question either."""

    def __init__(self, ask: Callable[[], object]) -> None:
        """`ask` raises `PyMongoError` while the store does not answer."""
        self._ask = ask
        self._in_doubt = False
        self._certain = False
        self._asking = threading.Lock()

    def suspect(self) -> None:
        """The store has not answered somebody."""
        self._in_doubt = True

    def must_be_over(self) -> None:
        """Raises STORE_UNAVAILABLE while the store is silent. One caller at a time asks it; the others wait for that
        answer, and where silence is certain they are told at once."""
        if not self._in_doubt:
            return
        before = self._certain
        if not self._asking.acquire(timeout=0 if before else ASKED_AGAIN_SECONDS):
            raise STORE_UNAVAILABLE(retry_after=1)
        try:
            if self._certain and not before:
                # The one that was waited for has found it so.
                raise STORE_UNAVAILABLE(retry_after=1)
            if self._in_doubt:
                self._find_out()
        finally:
            self._asking.release()

    def _find_out(self) -> None:
        try:
            with within(ASKED_AGAIN_SECONDS):
                self._ask()
        except PyMongoError:
            self._certain = True
            raise STORE_UNAVAILABLE(retry_after=1) from None
        self._in_doubt = self._certain = False
