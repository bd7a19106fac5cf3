"""Deadlines are counted again when the calendar of a year changes (Art. 24 to 27, 29)."""

from collections.abc import Sequence
from typing import Any, Final

import structlog

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import Problem
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from services.objection.context import OWN, ObjectionContext, only_itself
from services.objection.domain.cases import Case
from services.objection.domain.deadlines import DEADLINE_UNKNOWN

log = structlog.get_logger()

_AT_ONCE: Final = 100
_JOB: Final = "job.recount"


@command(Act.DEADLINE_RECOUNTED, roles={Role.SERVICE}, articles=("24", "25", "26", "27", "29"), when=(only_itself,))
def recount(ctx: ObjectionContext, caller: Principal, objection_no: str, year: int) -> None:
    """Counts the running period of a case again by the present calendar; past periods stay as they were."""

    def work(unit: UnitOfWork) -> None:
        before = ctx.store.case(objection_no, unit)
        if before is None or not before.open:
            unit.without_event("nothing changes")
            return
        try:
            after = before.rescheduled(ctx.store.timetable_of(before, unit))
        except Problem as e:
            if e.type is not DEADLINE_UNKNOWN:
                raise
            # More days off moved the due date into a year that is unknown yet. It is counted again when the year comes.
            log.warning("deadline not recounted", objection_no=objection_no, year=year)
            unit.without_event("nothing changes")
            return
        if after is not before:
            ctx.store.save(after, before, unit)
            ctx.put_on_record(unit, Act.DEADLINE_RECOUNTED, caller, after, year=year, **_moved(before, after))
        else:
            unit.without_event("nothing changes")

    ctx.store.store.transact(work)


class DeadlineRecounter(PeriodicTask):
    """Counts deadlines again in the background, each case in a transaction of its own: a year may touch many cases.

    The years that are still to be counted are stored with the calendar, so a process that ends early goes on later.
    """

    def __init__(self, ctx: ObjectionContext, seconds: float = 0.5, quarantine: Quarantine | None = None) -> None:
        super().__init__("recounter", self._recount_years, seconds)
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle_job(_JOB, self._count)

    def _recount_years(self) -> None:
        for year, mark in self._ctx.store.years_to_recount():
            self._recount(year, mark)

    def _count(self, names: Sequence[str]) -> None:
        for name in names:
            objection_no, _, year = name.rpartition(" ")
            recount(self._ctx, OWN, objection_no, int(year))

    def _recount(self, year: int, mark: str) -> None:
        after = ""
        while found := self._ctx.store.running_through(year, after, _AT_ONCE):
            for objection_no in found:
                if self.stopping:
                    return
                self._quarantine.settle(_JOB, [f"{objection_no} {year}"], self._count)
            after = found[-1]
        self._ctx.store.recounted(year, mark)


def _moved(before: Case, after: Case) -> dict[str, Any]:
    old, new = before.periods[-1], after.periods[-1]
    return {
        "step": new.step.value,
        "from": old.due.isoformat(),
        "to": new.due.isoformat(),
        "provisional": new.provisional,
    }
