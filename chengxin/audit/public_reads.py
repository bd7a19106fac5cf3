"""Reads by callers who have not proven who they are: each on record, until they are too many; then counted.

Anybody may read what is public, at any rate, and an event stays for ever. So a caller without proof has so many events
of its own; beyond them one event a minute stands for the rest, and is durable before the first of them is answered. The
one after it says how many it stood for, and of which subjects (decision 37).
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cachetools import LRUCache
from prometheus_client import Counter

from chengxin.audit.event import AuditEvent
from chengxin.bounds import bound
from chengxin.concurrency.budgets import Budget
from chengxin.concurrency.shares import Claimant
from chengxin.errors import AUDIT_UNAVAILABLE

# Kinds of reads, by caller, that are being counted: a caller has some ten.
_COUNTED: Final = bound(
    __name__,
    "LRUCache",
    resource="Events of a caller without proof",
    total=1000,
    share=2000,
    seconds=60,
    why="Twenty a second, and 2,000 at once; then one a minute for each kind stands for all. The total is of the kinds "
    "that are being counted, by caller",
    test="tests/chengxin/audit/test_public_reads.py::test_a_flood_of_reads_adds_one_event_a_minute_of_each_kind",
)
_RATE: Final = 20
_SECONDS: Final = 60
_LONGEST_WAIT: Final = 3.0
# An event names so many subjects.
_MOST_REFERENCES: Final = 500

_counted = Counter(
    "chengxin_public_reads_counted", "Reads by callers without proof that are counted, not told one by one"
)

_Kind = tuple[Claimant, str, str, str]


@dataclass
class _Count:
    """How many reads an event stands for besides its own, until when, and of which subjects."""

    event: AuditEvent
    ends: float
    reads: int = 0
    subject_refs: dict[str, None] = field(default_factory=dict)

    def add(self, event: AuditEvent) -> None:
        """Counts a read."""
        self.reads += 1
        if len(self.subject_refs) < _MOST_REFERENCES:
            self.subject_refs |= dict.fromkeys(event.subject_refs)


class PublicReads:
    """Puts reads by callers without proof on record, one by one or counted."""

    def __init__(self, now: Callable[[], float] = time.monotonic, burst: float = 2000) -> None:
        self._now = now
        self._budget = Budget(_RATE, burst, now)
        self._counts: LRUCache[_Kind, _Count] = LRUCache(_COUNTED.total)
        self._lock = threading.Lock()

    def record(self, event: AuditEvent, append: Callable[[AuditEvent], None]) -> AuditEvent:
        """Returns the event that stands for a read: its own, or one that counts. It is durable then.

        `append` makes an event durable. Raises what it raises, and AUDIT_UNAVAILABLE.
        """
        kind = (event.actor.claimant, str(event.act), event.outcome, str(event.details.get("code", "")))
        if not self._budget.take(event.actor.claimant):
            event = self._telling(kind, event)
            append(event)
            return event
        # Whoever waits for the event that counts cannot wait longer than for an event of its own.
        if not self._lock.acquire(timeout=_LONGEST_WAIT):
            raise AUDIT_UNAVAILABLE(retry_after=1)
        try:
            count = self._counts.get(kind)
            if count is None or count.ends <= self._now():
                event = _with(event, count, counted_seconds=_SECONDS)
                append(event)
                count = self._counts[kind] = _Count(event, self._now() + _SECONDS)
                return event
            count.add(event)
        finally:
            self._lock.release()
        _counted.inc()
        return count.event

    def _telling(self, kind: _Kind, event: AuditEvent) -> AuditEvent:
        """The event, which says how many the one stood for that counted before it."""
        if kind not in self._counts:
            return event
        with self._lock:
            count = self._counts.get(kind)
            if count is None or count.ends > self._now():
                return event
            del self._counts[kind]
        return _with(event, count)


def _with(event: AuditEvent, before: _Count | None, **details: int) -> AuditEvent:
    refs: Sequence[str] = event.subject_refs
    if before is not None and before.reads:
        details |= {"counted": before.reads}
        refs = [*dict.fromkeys((*refs, *before.subject_refs))][:_MOST_REFERENCES]
    return replace(event, subject_refs=refs, details=event.details | details)
