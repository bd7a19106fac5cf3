"""Tells the public feed, bit by bit, what was too much for one transaction (Art. 15, decision 17)."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from chengxin.failures import reason_of
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from services.disclosure.context import BeingFilled, DisclosureContext
from services.disclosure.projections.public_changes import PublicChanges

log = structlog.get_logger()

_JOB: Final = "job.announce"


class Announcer:
    """Looks every so often for what is still to be told."""

    def __init__(self, ctx: DisclosureContext, quarantine: Quarantine | None = None, seconds: float = 5) -> None:
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle_job(_JOB, self._announce)
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is in hand."""
        self._stopped.set()

    def round(self) -> bool:
        """Tells some of what is to be told and not set aside; False when there is nothing."""
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

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            # Nothing is told of what is not answered yet.
            if isinstance(self._ctx.store, BeingFilled):
                continue
            try:
                while not self._stopped.is_set() and self.round():
                    pass
            # The store is away. The next round tells it.
            except Exception as e:
                log.warning("announcing failed", reason=reason_of(e))
