"""Takes out of the outbox what nobody needs any more: audit events that have long been on the log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.store.database import Store
from chengxin.values.clock import Clock

# An audit log that is put back to a backup gets the events since then from here: the relay's position is put back, too.
_EVENTS_KEPT: Final = timedelta(days=30)
_ROUND_SECONDS: Final = 600.0


class OutboxTrimmer(PeriodicTask):
    """Cuts delivered events out of the outbox, and deletes the rows before the first change (decision 39)."""

    def __init__(self, store: Store, clock: Clock, delivered: Callable[[], int]) -> None:
        """`delivered` says up to which position the events are on the log."""
        super().__init__("outbox-trimmer", self.trim, _ROUND_SECONDS, first_after=_ROUND_SECONDS)
        self._store = store
        self._clock = clock
        self._delivered = delivered

    def trim(self) -> None:
        """Trims all that is due, some rows in each transaction."""
        delivered, before = self._delivered(), self._clock.now() - _EVENTS_KEPT
        while not self.stopping and self._store.transact(lambda unit: self._store.outbox.trim(unit, delivered, before)):
            pass
