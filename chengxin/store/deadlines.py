"""How long the store may take to answer, by kind of call (decision 23).

Every operation of every client has `OPERATION_SECONDS`: a request that meets a store that does not answer is told so by
its first operation. Work that may take longer says so by `within`, and is bounded by that instead.
"""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, ParamSpec, Protocol, TypeVar

import pymongo

from chengxin.errors import STORE_UNAVAILABLE

# One operation, and the wait for the turn of a transaction. Together with the way through the gateway less than 5 s.
OPERATION_SECONDS: Final = 4.0
# Whether the store answers at all. `/readyz` and the watch of the stores ask that.
PING_SECONDS: Final = 2.0
# A store that did not answer somebody is asked whether it does again.
ASKED_AGAIN_SECONDS: Final = 0.7
# A whole transaction that nobody waits for with a short patience: a batch of a delivery, a change of a feed.
BULK_SECONDS: Final = 20.0
# What a service does before it serves: indexes of a full store, a directory read whole.
START_SECONDS: Final = 600.0

P = ParamSpec("P")
T = TypeVar("T")

_until: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What the block asks of stores ends within so many seconds in all, in place of `OPERATION_SECONDS` for each operation.
    Inside another such block the earlier end counts."""
    end = time.monotonic() + seconds
    outer = _until.get()
    token = _until.set(end if outer is None else min(outer, end))
    try:
        with pymongo.timeout(seconds):
            yield
    finally:
        _until.reset(token)


class Turn(Protocol):
    """A lock of either kind."""

    def acquire(self, blocking: bool = ..., timeout: float = ...) -> bool: ...
    def release(self) -> None: ...


def in_time(use_case: Callable[P, T]) -> Callable[P, T]:
    """A use case whose caller waits for its answer: all that it asks for ends within `OPERATION_SECONDS` together. With a
    deadline for each operation alone a search whose turn came late waited for the store twice."""

    @functools.wraps(use_case)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> T:
        with within(OPERATION_SECONDS):
            return use_case(*args, **kwargs)

    return bounded


@contextmanager
def in_turn(turn: Turn) -> Iterator[None]:
    """Holds a lock, unless whoever has it waits for a store for longer than the caller may be kept waiting. Raises
    STORE_UNAVAILABLE."""
    if not turn.acquire(timeout=patience()):
        raise STORE_UNAVAILABLE(retry_after=1)
    try:
        yield
    finally:
        turn.release()


def patience() -> float:
    """For how many seconds the caller may still be kept waiting for the store; never below 0."""
    end = _until.get()
    return OPERATION_SECONDS if end is None else max(0.0, end - time.monotonic())
