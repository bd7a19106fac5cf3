"""What costs much the same for one as for many is done once for all who ask for it at the same time (decision 29)."""

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final, Generic, TypeVar, cast

Asked = TypeVar("Asked")
Told = TypeVar("Told")

# What is left to whoever has no time left: the driver takes 0 for as long as it likes.
_LEAST_SECONDS: Final = 0.001


class _Call(Generic[Asked, Told]):
    """One caller, and what becomes of what it asked."""

    __slots__ = ("asked", "end", "error", "leads", "told", "woken")

    def __init__(self, asked: Asked, end: float) -> None:
        self.asked = asked
        # Until when it waits.
        self.end = end
        self.told: Told | None = None
        # Until it is answered: whoever is woken by a group that was left has no answer.
        self.error: Exception | None = RuntimeError("the group was left without an answer")
        self.leads = False
        # Held until its caller is to go on. A lock is woken in a tenth of the time that a Future takes.
        self.woken = threading.Lock()
        self.woken.acquire()


class Coalescer(Generic[Asked, Told]):
    """Groups callers: one of them does the work of all who wait, while the next ones gather.

    Who is alone goes at once. Where the group before was of several, the one that leads waits a moment for as many again:
    callers who came at the same time mostly come back at the same time.
    """

    def __init__(self, work: Callable[[Sequence[Asked], float], Sequence[Told]], most: int, company: float) -> None:
        """`work(group, seconds)` answers each of at most `most`, within so many seconds; `company` are the seconds that a
        group waits at most for as many as there were before."""
        self._work = work
        self._most = most
        self._company = company
        self._waiting: list[_Call[Asked, Told]] = []
        self._led = False
        self._before = 1
        self._lock = threading.Lock()
        # Told when so many wait as are waited for; with nobody waiting for company, none are.
        self._enough = threading.Condition(self._lock)
        self._wanted = most

    def ask(self, asked: Asked, seconds: float) -> Told:
        """What the work answers to this. Raises what the work raised, and `TimeoutError`: then it may be done or not."""
        call: _Call[Asked, Told] = _Call(asked, time.monotonic() + seconds)
        with self._lock:
            self._waiting.append(call)
            call.leads, self._led = not self._led, True
            if len(self._waiting) >= self._wanted:
                self._enough.notify()
        if not call.leads and not call.woken.acquire(timeout=max(seconds, 0)):
            self._give_up(call)
        if call.leads:
            self._lead(call)
        if call.error is not None:
            raise call.error
        return cast(Told, call.told)

    def _give_up(self, call: _Call[Asked, Told]) -> None:
        with self._lock:
            # Unless it was called upon to lead at this very moment.
            if not call.leads:
                if call in self._waiting:
                    self._waiting.remove(call)
                raise TimeoutError

    def _lead(self, leader: _Call[Asked, Told]) -> None:
        group = self._gather(leader)
        try:
            # In a context of its own: it is not the work of any one request.
            left = max(max(call.end for call in group) - time.monotonic(), _LEAST_SECONDS)
            told = Context().run(self._work, [call.asked for call in group], left)
            for call, answer in zip(group, told, strict=True):
                call.told, call.error = answer, None
        except Exception as e:
            for call in group:
                call.error = e
        finally:
            self._go_on(leader, group)

    def _gather(self, leader: _Call[Asked, Told]) -> list[_Call[Asked, Told]]:
        with self._lock:
            if self._before > 1:
                self._wanted = self._before
                self._enough.wait_for(lambda: len(self._waiting) >= self._before, self._company)
                self._wanted = self._most
            self._waiting.remove(leader)
            group = [leader, *self._waiting[: self._most - 1]]
            del self._waiting[: self._most - 1]
            self._before = len(group)
            return group

    def _go_on(self, leader: _Call[Asked, Told], group: list[_Call[Asked, Told]]) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._waiting:
                # Whoever has the most time left leads the next group: the group has as much.
                following = max(self._waiting, key=lambda call: call.end)
                following.leads = True
                following.woken.release()
        for call in group:
            if call is not leader:
                call.woken.release()
