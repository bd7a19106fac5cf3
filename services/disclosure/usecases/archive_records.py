"""A record whose disclosure ends is archived (Art. 18): it is kept, only its subject sees it, and an event says so."""

from collections.abc import Collection, Sequence
from typing import Final

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import ROLE_NOT_ALLOWED, Problem
from chengxin.feeds.quarantine import Quarantine
from chengxin.store import on_record
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from services.disclosure.context import OWN, DisclosureContext
from services.disclosure.domain.disclosure_period import is_over
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.records import RecordProjection, TooMuchAtOnce
from services.disclosure.store.generations import Generations, archived_before

_AT_ONCE: Final = 100
# Lists of which nothing is due any more that one round drops.
_LISTS: Final = 100
# Records and subjects that one audit event names.
_NAMED: Final = 200
_JOB: Final = "job.archive"


class NotArchived(Exception):
    """A record that was to be archived is still due."""


def only_itself(ctx: DisclosureContext, caller: Principal, *_: object, **__: object) -> Problem | None:
    """Only disclosure, for what it does on its own."""
    return None if caller.sub == OWN.sub else ROLE_NOT_ALLOWED(roles=caller.sub, required=OWN.sub)


@command(Act.RECORD_ARCHIVED, roles={Role.SERVICE}, articles=("18",), when=(only_itself,))
def archive(ctx: DisclosureContext, caller: Principal, named: Sequence[str] | None = None) -> int:
    """Archives some records whose disclosure period is over, those that are named or any. Returns how many. Queries do
    not wait for it: they look at the day."""
    today = ctx.clock.today().isoformat()
    due = _due(ctx, today)[0] if named is None else list(named)
    if not due:
        on_record.enter_nothing_new()
        return 0

    def work(unit: UnitOfWork) -> int:
        change = RecordProjection(ctx.store, ctx.keys, unit, today)
        change.load(some)
        done = [record_id for record_id in some if change.archive(record_id)]
        announced = PublicChanges(unit, today)
        for record_id in done:
            announced.end(change, record_id)
        change.settle()
        change.save()
        announced.move(ctx.store, change.restricted)
        announced.publish()
        # What an earlier generation archived is on record already.
        before = archived_before(ctx.store.store, Generations(ctx.store.store).current()["previous"], done)
        named = [record_id for record_id in done if record_id not in before]
        for start in range(0, len(named), _NAMED):
            unit.record(_event(ctx, caller, change, named[start : start + _NAMED], today))
        if not named:
            unit.without_event("what is archived, if anything, was put on record in the generation before")
        return len(done)

    archived = 0
    while some := due[:_AT_ONCE]:
        try:
            archived += ctx.store.transact(work)
        except TooMuchAtOnce:
            some = some[: len(some) // 2]
            archived += ctx.store.transact(work)
        due = due[len(some) :]
    return archived


def _due(ctx: DisclosureContext, today: str, aside: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """Returns records that are to be archived and not set aside, and the lists before them that are done."""
    done: list[str] = []
    for number, records in ctx.store.due(today):
        places = ctx.store.locations(list(dict.fromkeys(records)))
        due = [i for i, where in places.items() if where.due and where.due < today]
        if some := [record_id for record_id in due if record_id not in aside]:
            return some, done
        if not due:
            done.append(number)
        if len(done) == _LISTS:
            break
    return [], done


def _event(
    ctx: DisclosureContext, caller: Principal, change: RecordProjection, records: list[str], today: str
) -> bytes:
    refs = sorted({change.locations[record_id].ref for record_id in records})
    event = ctx.audit.event(Act.RECORD_ARCHIVED, caller, subject_refs=refs, records=records, details={"on": today})
    return event.encode()


class Archiver:
    """Archives what is due, again and again. A record that is archived late is not disclosed meanwhile."""

    def __init__(self, ctx: DisclosureContext, quarantine: Quarantine | None = None, seconds: float = 60) -> None:
        self._ctx = ctx
        self._quarantine = quarantine or Quarantine(ctx.store.store, ctx.clock)
        self._quarantine.handle_job(_JOB, self._archive)
        self._task = PeriodicTask("archiver", self._archive_all, seconds, first_after=seconds)

    def start(self) -> None:
        """Begins in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends after the records in hand."""
        self._task.stop()

    def round(self) -> bool:
        """Archives some of what is due and not set aside. Returns False when there is nothing."""
        store, today = self._ctx.store, self._ctx.clock.today().isoformat()
        due, done = _due(self._ctx, today, self._quarantine.names(_JOB))
        if done:
            store.transact(lambda unit: store.drop_due(done, unit))
        if due:
            self._quarantine.settle(_JOB, due[:_AT_ONCE], self._archive)
        return bool(due or done)

    def _archive(self, record_ids: Sequence[str]) -> None:
        if archive(self._ctx, OWN, record_ids) == len(record_ids):
            return
        today = self._ctx.clock.today().isoformat()
        for record_id in record_ids:
            where = self._ctx.store.location(record_id)
            if where is not None and is_over(where.due, today):
                raise NotArchived

    def _archive_all(self) -> None:
        while not self._task.stopping and self.round():
            pass
