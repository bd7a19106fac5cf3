"""The times that callers have at the gRPC edge: for the first message, between two messages, for taking an answer.

gRPC has none of them: a caller who opens a call and says nothing, or takes nothing, holds a thread until it hangs up.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog

from chengxin.concurrency.periodic_task import PeriodicTask

log = structlog.get_logger()

_LOOK_SECONDS: Final = 0.25


class TimedCall:
    """One call. Whoever waits for its caller says until when; the look at all calls ends it when that is over.

    Messages are read in another thread than answers are sent in.
    """

    def __init__(self, context: Any, requests: Iterator[Any], first_due: float, idle_seconds: float) -> None:
        self._context = context
        self._requests = requests
        self._first_due = first_due
        self._idle_seconds = idle_seconds
        # Until when the caller has to say something, and to take something (monotonic clock).
        self._saying_due = self._taking_due = math.inf

    def __iter__(self) -> "TimedCall":
        return self

    def __next__(self) -> Any:
        """Returns the caller's next message."""
        self._saying_due = min(self._first_due, time.monotonic() + self._idle_seconds)
        self._first_due = math.inf
        try:
            return next(self._requests)
        finally:
            # A caller that has said all may wait for its answer.
            self._saying_due = math.inf

    def sending(self, answers: Iterator[Any]) -> Iterator[Any]:
        """Yields answers, and gives the caller a time to take each of them."""
        for answer in answers:
            self.await_taking()
            yield answer
            self._taking_due = math.inf

    def await_taking(self) -> None:
        """Gives the caller a time to take an answer."""
        self._taking_due = time.monotonic() + self._idle_seconds

    def is_overdue(self, now: float) -> bool:
        """Returns whether the caller has had its time."""
        return now > min(self._saying_due, self._taking_due)

    def end(self) -> None:
        """Cancels the call."""
        self._context.cancel()


class CallTimes:
    """All calls at the edge, and the look at their times."""

    def __init__(self, first_seconds: float, idle_seconds: float, most_seconds: float = math.inf) -> None:
        """`first_seconds` are the time for a first message, `idle_seconds` that between two, and for an answer.

        A call ends after `most_seconds`, whatever its caller does.
        """
        self._first_seconds = first_seconds
        self._idle_seconds = idle_seconds
        self._most_seconds = most_seconds
        # Each with the time at which it ends.
        self._calls: dict[TimedCall, float] = {}
        self._lock = threading.Lock()
        self._task = PeriodicTask("call-times", self._end_overdue, _LOOK_SECONDS)

    def start(self) -> None:
        """Starts to look, in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends the looking."""
        self._task.stop()

    @contextmanager
    def of(self, context: Any, requests: Iterator[Any]) -> Iterator[TimedCall]:
        """Counts the time of a call during the block; iterating over what it gives is reading the caller's messages."""
        began = time.monotonic()
        call = TimedCall(context, requests, began + self._first_seconds, self._idle_seconds)
        with self._lock:
            self._calls[call] = began + self._most_seconds
        try:
            yield call
        finally:
            with self._lock:
                del self._calls[call]

    def _end_overdue(self) -> None:
        now = time.monotonic()
        with self._lock:
            overdue = [call for call, ends in self._calls.items() if now > ends or call.is_overdue(now)]
        for call in overdue:
            log.info("a call was silent for too long")
            call.end()
