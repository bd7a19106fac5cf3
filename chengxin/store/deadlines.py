"""How long the store may take to answer, by kind of call (decision 23).

Every operation of every client has `OPERATION_SECONDS`: when the store does not answer, a request fails at its first
operation. Work that may take longer runs inside `within` and has that limit instead.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, ParamSpec, Protocol, TypeVar

import pymongo

from chengxin.errors import STORE_UNAVAILABLE

# For one operation, and for a transaction's wait for its turn. With the way through the gateway it is less than 5 s.
OPERATION_SECONDS: Final = 4.0
# For the question whether the store answers at all, which `/readyz` and the watch of the stores ask.
PING_SECONDS: Final = 2.0
# For the question whether a store answers again after it did not answer.
RECHECK_SECONDS: Final = 0.7
# For a whole transaction that no caller awaits with a short patience: a batch of a delivery, a change of a feed.
BULK_SECONDS: Final = 20.0
# For the work before a service serves: it creates the indexes of a full store, or reads a whole directory.
START_SECONDS: Final = 600.0

P = ParamSpec("P")
T = TypeVar("T")

_until: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limits all store operations of the block to `seconds` together, in place of `OPERATION_SECONDS` for each.

    Inside another such block the earlier end counts.
    """
    end = time.monotonic() + seconds
    outer = _until.get()
    token = _until.set(end if outer is None else min(outer, end))
    try:
        with pymongo.timeout(seconds):
            yield
    finally:
        _until.reset(token)


class AnyLock(Protocol):
    """A lock of either kind."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...


def in_time(use_case: Callable[P, T]) -> Callable[P, T]:
    """Limits all store operations of a use case to `OPERATION_SECONDS` together: its caller waits for the answer.

    With a deadline for each operation alone, a search whose turn came late waited for the store twice.
    """

    @functools.wraps(use_case)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> T:
        with within(OPERATION_SECONDS):
            return use_case(*args, **kwargs)

    return bounded


@contextmanager
def in_turn(turn: AnyLock) -> Iterator[None]:
    """Holds a lock during the block.

    Raises STORE_UNAVAILABLE when the lock's holder waits for a store for longer than the caller may wait.
    """
    if not turn.acquire(timeout=patience()):
        raise STORE_UNAVAILABLE(retry_after=1)
    try:
        yield
    finally:
        turn.release()


def patience() -> float:
    """How many seconds the caller may still wait for the store; never below 0."""
    end = _until.get()
    return OPERATION_SECONDS if end is None else max(0.0, end - time.monotonic())
