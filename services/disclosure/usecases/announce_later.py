"""Publishes in the public feed, bit by bit, what was too much for one transaction (Art. 15, decision 17)."""

from collections.abc import Sequence
from typing import Final

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from services.disclosure.context import BeingFilled, DisclosureContext
from services.disclosure.projections.public_changes import PublicChanges

_JOB: Final = "job.announce"


class Announcer:
    """Looks again and again for what is still to be published."""

    def __init__(self, ctx: DisclosureContext, quarantine: Quarantine | None = None, seconds: float = 5) -> None:
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle_job(_JOB, self._announce)
        self._task = PeriodicTask("announcer", self._announce_all, seconds, first_after=seconds)

    def start(self) -> None:
        """Begins in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends after the announcement in hand."""
        self._task.stop()

    def round(self) -> bool:
        """Publishes some of what is waiting and not set aside. Returns False when there is nothing."""
        aside = self._quarantine.names(_JOB)
        waiting = self._ctx.store.feed.to_tell(self._ctx.store.generation, len(aside) + 1)
        if not (left := [number for number in waiting if number not in aside]):
            return False
        self._quarantine.settle(_JOB, left[:1], self._announce)
        return True

    def _announce(self, numbers: Sequence[str]) -> None:
        store, today = self._ctx.pinned().store, self._ctx.clock.today().isoformat()

        def work(unit: UnitOfWork) -> None:
            announced = PublicChanges(unit, today)
            for number in numbers:
                if (announcement := store.feed.announcement(number, unit)) is not None:
                    announced.told_later(store, announcement)
            announced.publish()

        store.transact(work)

    def _announce_all(self) -> None:
        # Nothing is published of a generation that is not answered from yet.
        while not (self._task.stopping or isinstance(self._ctx.store, BeingFilled)) and self.round():
            pass
