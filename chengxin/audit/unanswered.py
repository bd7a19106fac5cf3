"""Queries that nobody got an answer to, although their events may be on the log as `ok` (docs/audit-event.md)."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter

from chengxin.audit.event import AuditEvent
from chengxin.bounds import own
from chengxin.values.clock import Clock, rfc3339

# How many of their events wait for the next event, some megabyte.
_MOST: Final = 1_000
# So many of them travel with a group.
_A_GROUP: Final = 100

own(
    __name__,
    "deque",
    resource="Queries whose events were sent and not answered for",
    total=_MOST,
    why="The oldest fall out: the running log has told of them",
)


class UnansweredQueries:
    """The events that say so, until the next event of the service takes them along. Any thread may use it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: deque[bytes] = deque(maxlen=_MOST)

    def add(self, event: AuditEvent) -> None:
        """Remembers that nobody got an answer to the query of an event."""
        self._events.append(event.unanswered(rfc3339(self._clock.now())).encode())
        _UNANSWERED.inc()

    def take(self) -> list[bytes]:
        """Takes out the oldest, as many as travel with a group."""
        taken: list[bytes] = []
        while len(taken) < _A_GROUP:
            try:
                taken.append(self._events.popleft())
            except IndexError:
                break
        return taken

    def put_back(self, events: Sequence[bytes]) -> None:
        """Puts back what was taken and did not come on the log."""
        self._events.extendleft(reversed(events[: _MOST - len(self._events)]))


_UNANSWERED = Counter(
    "chengxin_audit_unanswered_total",
    "Queries that were refused after their event was sent: it may be on the log as ok",
)
