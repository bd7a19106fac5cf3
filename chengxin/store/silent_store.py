"""Detects a silent store: its first callers wait for a whole deadline, and later callers do not (decision 23).

A face has some sixteen threads. With a deadline for each request alone, the hundredth caller of a silent store waited
until those threads had run into six deadlines, one after the other.
"""

import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.deadlines import RECHECK_SECONDS, within


class StoreSilence:
    """Whether the store of this process is silent.

    This is in doubt when the store has not answered one caller, perhaps for a reason of that call alone (a conflict, a
    lost connection). It is certain when the store does not answer `ask` either.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        """`ask` raises `PyMongoError` while the store does not answer."""
        self._ask = ask
        self._in_doubt = False
        self._certain = False
        self._asking = threading.Lock()

    def suspect(self) -> None:
        """Notes that the store has not answered a caller."""
        self._in_doubt = True

    def must_be_over(self) -> None:
        """Raises STORE_UNAVAILABLE while the store is silent.

        One caller at a time asks the store; the others wait for that answer, or fail at once when silence is certain.
        """
        if not self._in_doubt:
            return
        was_certain = self._certain
        if not self._asking.acquire(timeout=0 if was_certain else RECHECK_SECONDS):
            raise STORE_UNAVAILABLE(retry_after=1)
        try:
            if self._certain and not was_certain:
                # The caller for which this one waited has found the store silent.
                raise STORE_UNAVAILABLE(retry_after=1)
            if self._in_doubt:
                self._ask_store()
        finally:
            self._asking.release()

    def _ask_store(self) -> None:
        try:
            with within(RECHECK_SECONDS):
                self._ask()
        except PyMongoError:
            self._certain = True
            raise STORE_UNAVAILABLE(retry_after=1) from None
        self._in_doubt = self._certain = False
