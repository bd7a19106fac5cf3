"""Does work once for all simultaneous callers when it costs much the same for one as for many (decision 29)."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar, cast

Request = TypeVar("Request")
Answer = TypeVar("Answer")

# The time for a caller that has none left: the driver takes 0 to mean no limit.
_LEAST_SECONDS: Final = 0.001
# More callers than this wait only when nothing is answered; then the next one is told so at once.
_MOST_WAITING: Final = 4_096


class Unanswered(TimeoutError):
    """The work on a request began, and its caller waited no longer: it may be done or not."""


class _Call(Generic[Request, Answer]):
    """One caller's request, and its answer."""

    __slots__ = ("answer", "begun", "deadline", "error", "leads", "request", "woken")

    def __init__(self, request: Request, deadline: float) -> None:
        self.request = request
        # Until when the caller waits, in seconds of the monotonic clock.
        self.deadline = deadline
        # Whether the work on it has begun.
        self.begun = False
        self.answer: Answer | None = None
        # Stays until the answer comes: a caller that wakes after its leader left the group has none.
        self.error: Exception | None = RuntimeError("the group was left without an answer")
        self.leads = False
        # Held until the caller may go on. A lock wakes it in a tenth of the time that a Future takes.
        self.woken = threading.Lock()
        self.woken.acquire()


class Coalescer(Generic[Request, Answer]):
    """Groups callers: one of them does the work for all that wait, while the next group gathers.

    A single caller goes on at once. When the previous group had several callers, the leader waits a moment for as
    many again: callers that came at the same time mostly come back at the same time.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Request], float], Sequence[Answer]],
        most: int,
        company: float,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """Sets the work and its bounds.

        `work(group, seconds)` answers each of at most `most` requests within `seconds`. `company` is the longest time,
        in seconds, that a leader waits for a group as large as the previous one. At most `most_waiting` callers wait.
        """
        self._work = work
        self._most = most
        self._company = company
        self._most_waiting = most_waiting
        self._waiting: list[_Call[Request, Answer]] = []
        self._led = False
        self._previous_size = 1
        self._lock = threading.Lock()
        # Notified when `_wanted` callers wait: as many as a leader waits for, and `most` when no leader waits.
        self._enough = threading.Condition(self._lock)
        self._wanted = most

    def ask(self, asked: Request, seconds: float) -> Answer:
        """The answer of the work.

        Raises what the work raised; `TimeoutError` when the work on the request was not begun in time and is not done,
        or when too many wait; `Unanswered` when it was begun.
        """
        call: _Call[Request, Answer] = _Call(asked, time.monotonic() + seconds)
        with self._lock:
            if len(self._waiting) >= self._most_waiting:
                raise TimeoutError
            self._waiting.append(call)
            # Whoever is alone is not made to wait, and has at least tried.
            call.leads = call.begun = not self._led
            self._led = True
            if len(self._waiting) >= self._wanted:
                self._enough.notify()
        if not call.leads and not call.woken.acquire(timeout=max(seconds, 0)):
            self._give_up(call)
        if call.leads:
            self._lead(call)
        if call.error is not None:
            raise call.error
        return cast(Answer, call.answer)

    def _give_up(self, call: _Call[Request, Answer]) -> None:
        with self._lock:
            # Unless this caller became the leader at this very moment.
            if not call.leads:
                if call.begun:
                    raise Unanswered
                self._waiting.remove(call)
                raise TimeoutError

    def _lead(self, leader: _Call[Request, Answer]) -> None:
        group = self._gather(leader)
        if not leader.begun:
            leader.error = TimeoutError()
        try:
            if not group:
                return
            # The work runs in a context of its own, because it belongs to no single request.
            seconds_left = max(max(call.deadline for call in group) - time.monotonic(), _LEAST_SECONDS)
            answers = Context().run(self._work, [call.request for call in group], seconds_left)
            for call, answer in zip(group, answers, strict=True):
                call.answer, call.error = answer, None
        except Exception as e:
            for call in group:
                call.error = e
        finally:
            self._hand_over(leader, group)

    def _gather(self, leader: _Call[Request, Answer]) -> list[_Call[Request, Answer]]:
        with self._lock:
            if self._previous_size > 1:
                self._wanted = self._previous_size
                self._enough.wait_for(lambda: len(self._waiting) >= self._previous_size, self._company)
                self._wanted = self._most
            self._waiting.remove(leader)
            now = time.monotonic()
            # What its caller has given up, or is about to, is not begun: that caller takes it away when it wakes.
            alive = (call for call in (leader, *self._waiting) if call.begun or call.deadline > now)
            group = list(itertools.islice(alive, self._most))
            for call in group:
                call.begun = True
            self._waiting = [call for call in self._waiting if not call.begun]
            self._previous_size = len(group)
            return group

    def _hand_over(self, leader: _Call[Request, Answer], group: list[_Call[Request, Answer]]) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._waiting:
                # The caller with the most time left leads the next group, because the whole group gets that time.
                next_leader = max(self._waiting, key=lambda call: call.deadline)
                next_leader.leads = True
                next_leader.woken.release()
        for call in group:
            if call is not leader:
                call.woken.release()
