"""What the service takes from the feeds of the catalog and of ingest, and the feed of its own (decision 3)."""

from collections.abc import Callable, Iterator
from datetime import UTC, date
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.feeds.parts import RecordParts
from chengxin.feeds.splitting import Label
from chengxin.store import on_record
from chengxin.store.database import OutboxRow, UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import as_stored
from chengxin.values.workdays import CalendarYear
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from services.objection.context import OBJECTION_UNKNOWN, OWN, ObjectionContext, only_itself
from services.objection.domain.case_views import EntryNames
from services.objection.domain.challenged_records import Correction, LaterVersion
from services.objection.domain.deadlines import RULE_SET

_FOLLOWERS: Final = {Role.SERVICE}


@query(Act.OBJECTIONS_FOLLOWED, roles=_FOLLOWERS, articles=("27",))
def changes(ctx: ObjectionContext, caller: Principal, after: int, running: Callable[[], bool]) -> Iterator[OutboxRow]:
    """Changes of state after a position, in order, without end."""
    ctx.audit.record(ctx.audit.event(Act.OBJECTIONS_FOLLOWED, caller, details={"after": after}))
    for row in ctx.store.follow(after, running):
        if row.changes:
            yield row


def apply_catalog(ctx: ObjectionContext, unit: UnitOfWork, change: catalog_pb2.Change) -> None:
    """Takes a change of the catalog: names, deadlines, calendar."""
    match change.WhichOneof("change"):
        case "entry":
            ctx.store.save_entry(_names(change.entry), unit)
        case "rule_set" if change.rule_set.name == RULE_SET:
            rules = change.rule_set
            effective = date.fromisoformat(rules.effective_from)
            ctx.store.save_rules(rules.version, effective, dict(rules.values), unit)
        case "calendar_year":
            year = change.calendar_year
            calendar_year = CalendarYear.of(year.year, year.announced, year.days_off, year.days_worked)
            ctx.store.save_year(calendar_year, unit)
        case "organisation_region":
            ctx.store.regions.take(change.organisation_region, unit)


def apply_ingest(ctx: ObjectionContext, unit: UnitOfWork, change: ingest_pb2.Change) -> None:
    """Takes later versions of records: corrections that name an objection, and what else changes in a record that is
    objected to."""
    cases = ctx.store.open_about([record.record_id for record in change.records], unit) if change.records else []
    for record in change.records:
        for number, about in cases:
            if about == record.record_id and number != record.objection_no:
                see_change(ctx, OWN, number, record, unit)
        if record.objection_no:
            see_correction(ctx, OWN, record, unit)


@command(Act.CORRECTION_SEEN, roles=_FOLLOWERS, articles=("25", "26", "27"), when=(only_itself,))
def see_correction(
    ctx: ObjectionContext, caller: Principal, record: ingest_pb2.RecordVersion, unit: UnitOfWork
) -> None:
    """Notes on a case that an amendment or revocation naming it has arrived.

    One that names no objection to its record is on record as a refused event: a supervisor finds what the centre changed
    without an objection.
    """
    before = ctx.store.case(record.objection_no, unit)
    if before is None or before.record.record_id != record.record_id:
        # It names an objection to another record, or none that exists: ingest knows a number by its form alone.
        claimed = {"claimed_objection_no": record.objection_no, "code": OBJECTION_UNKNOWN.code}
        event = ctx.audit.event(
            Act.CORRECTION_SEEN,
            caller,
            outcome="refused",
            records=[record.record_id],
            details={"record_version": record.version, "revoked": record.revoked, **claimed},
        )
        unit.record(event.encode())
        return
    after = before.change_seen(_change(record), Correction(record.version, record.revoked, ctx.now()))
    if after is not before:
        ctx.store.save(after, before, unit)
        details = {"record_version": record.version, "revoked": record.revoked}
        ctx.put_on_record(unit, Act.CORRECTION_SEEN, caller, after, **details)
    else:
        on_record.enter_nothing_new()


@command(Act.RECORD_CHANGE_SEEN, roles=_FOLLOWERS, articles=("25", "26", "27"), when=(only_itself,))
def see_change(
    ctx: ObjectionContext, caller: Principal, objection_no: str, record: ingest_pb2.RecordVersion, unit: UnitOfWork
) -> None:
    """Notes on an open case that its record was amended or revoked, though not in its name."""
    before = ctx.store.case(objection_no, unit)
    after = before and before.change_seen(_change(record), None)
    if before is None or after is None or after is before:
        on_record.enter_nothing_new()
        return
    ctx.store.save(after, before, unit)
    details = {"record_version": record.version, "revoked": record.revoked}
    ctx.put_on_record(unit, Act.RECORD_CHANGE_SEEN, caller, after, **details)


def _change(record: ingest_pb2.RecordVersion) -> LaterVersion:
    recorded_at = as_stored(record.recorded_at.ToDatetime(UTC))
    return LaterVersion(record.version, record.revoked, recorded_at, record.reason)


class CorrectionParts(RecordParts):
    """Each version is applied by itself, in order for its record. The values of the record are not stored."""

    def split(self, change: ingest_pb2.Change) -> list[ingest_pb2.Change]:
        """Returns one change for each version, with only the fields that are read here."""
        return [ingest_pb2.Change(position=change.position, records=[_named(record)]) for record in change.records]

    def label(self, part: ingest_pb2.Change) -> Label:
        """Names the version and its record."""
        [record] = part.records
        return Label(f"{record.record_id}:{record.version}", (record.record_id,))


def _named(record: ingest_pb2.RecordVersion) -> ingest_pb2.RecordVersion:
    return ingest_pb2.RecordVersion(
        record_id=record.record_id,
        version=record.version,
        revoked=record.revoked,
        objection_no=record.objection_no,
        recorded_at=record.recorded_at,
        reason=record.reason,
    )


def _names(entry: catalog_pb2.Entry) -> EntryNames:
    return EntryNames(entry.code, entry.version, _text(entry.name), {i.code: _text(i.name) for i in entry.items})


def _text(text: catalog_pb2.LocalText) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
