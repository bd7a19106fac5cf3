"""Lawful later changes of one record (Art. 11, 25): amendment and revocation, by its provider or for an objection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from chengxin.auth import request_context
from chengxin.auth.executor import command
from chengxin.auth.powers import OWN, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import regional
from chengxin.errors import NOT_FOUND, FieldError, Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.clock import as_stored
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry, EntryProvider
from services.ingest.domain.lawful_change import (
    OBJECTION_REQUIRED,
    RECORD_CHANGED_SINCE,
    RECORD_INVALID,
    RECORD_KEY_CHANGED,
    RECORD_NOT_YOURS,
    RECORD_REVOKED,
    LawfulChange,
    days_late,
)
from services.ingest.domain.provider_signature import read_change_statement
from services.ingest.domain.record_versioning import next_version
from services.ingest.domain.submission import OutcomeKind, RecordOutcome
from services.ingest.usecases.agreements import terms_of
from services.ingest.usecases.permissions import acts_for_provider

# The purpose for which a stored receipt is sealed: the digest in it would let a reader of the store try out identity
# numbers.
RECEIPT: Final = "receipt"


# Of the centre's officers: a provider changes its own records.
_POWER: Final = Power(
    OWN,
    one(
        "it names an objection, and the subject, the provider and the portals see it; a number of no objection to the "
        "record is noticed afterwards, when the objection service puts that on record (`correction.seen`, refused)"
    ),
    "the subject, who sees the new version among its records; the provider; supervisors, by the audit log",
)


@dataclass(frozen=True)
class _Act:
    """A change as it is carried out: the request, the version before it, and the provider's signature, if any."""

    caller: Principal
    change: LawfulChange
    before: RawDocument
    signature: Mapping[str, str]
    at: datetime
    unit: UnitOfWork


def for_objection(ctx: IngestContext, caller: Principal, change: LawfulChange) -> Problem | None:
    """the centre changes a record only with the number of an objection"""
    if Role.PROVIDER in caller.roles or change.objection_no:
        return None
    return OBJECTION_REQUIRED()


@regional
def may_change(ctx: IngestContext, caller: Principal, record: RawDocument | None, record_id: str) -> Problem | None:
    """a provider changes only records of its own, and the centre those of providers in the officer's region"""
    if record is None:
        return NOT_FOUND(what=record_id)
    if Role.PROVIDER in caller.roles:
        return None if record["provider"] == caller.org else RECORD_NOT_YOURS()
    return acts_for_provider(ctx, caller, record["provider"])


@command(
    Act.RECORD_AMENDED,
    roles={Role.PROVIDER, Role.CENTRE},
    articles=("11", "12", "25"),
    when=(for_objection,),
    may=may_change,
    power=_POWER,
)
def amend(ctx: IngestContext, caller: Principal, change: LawfulChange) -> RecordOutcome:
    """A record gets a new version with these items; a repeated request id changes nothing.

    Raises NOT_FOUND, RECORD_NOT_YOURS, OBJECTION_REQUIRED, RECORD_INVALID, RECORD_KEY_CHANGED, RECORD_REVOKED,
    RECORD_CHANGED_SINCE, and what is wrong with its signature.
    """
    return _once(ctx, caller, change, _amended)


@command(
    Act.RECORD_REVOKED,
    roles={Role.PROVIDER, Role.CENTRE},
    articles=("11", "12", "25"),
    when=(for_objection,),
    may=may_change,
    power=_POWER,
)
def revoke(ctx: IngestContext, caller: Principal, change: LawfulChange) -> RecordOutcome:
    """A record ceases to have effect and stays in history; a repeated request id changes nothing.

    Raises NOT_FOUND, RECORD_NOT_YOURS, OBJECTION_REQUIRED, RECORD_REVOKED, RECORD_CHANGED_SINCE, and what is wrong
    with its signature.
    """
    return _once(ctx, caller, change, _revoked)


def _once(
    ctx: IngestContext,
    caller: Principal,
    change: LawfulChange,
    alter: Callable[[IngestContext, _Act], RecordOutcome],
) -> RecordOutcome:
    change.checked(ctx.clock.today())

    def load(unit: UnitOfWork) -> RawDocument:
        return authorise(ctx.store.record(change.record_id, unit.session), change.record_id)

    def work(unit: UnitOfWork, record: RawDocument) -> RecordOutcome:
        signature = _signature(ctx, caller, change)
        if record.get("revoked"):
            raise RECORD_REVOKED(record_id=change.record_id)
        if change.based_on_version not in (0, record["version"]):
            versions = {"based_on": change.based_on_version, "current": record["version"]}
            raise RECORD_CHANGED_SINCE(record_id=change.record_id, **versions)
        return alter(ctx, _Act(caller, change, record, signature, as_stored(ctx.clock.now()), unit))

    def keep(became: RecordOutcome) -> RawDocument:
        return {
            "outcome": became.outcome.value,
            "version": became.version,
            "late": became.late_working_days,
            "receipt": ctx.ring.encrypt(became.receipt, RECEIPT),
        }

    def read(answer: RawDocument) -> RecordOutcome:
        receipt = ctx.ring.decrypt(answer["receipt"], RECEIPT)
        outcome, late = OutcomeKind(answer["outcome"]), answer["late"]
        return RecordOutcome(0, outcome, change.record_id, answer["version"], late_working_days=late, receipt=receipt)

    who = _who(caller)
    done = ctx.patiently(lambda: ctx.store.once_on(load, who, change.request_id, change.canonical(), work, keep))
    return done.or_read(read)


def _signature(ctx: IngestContext, caller: Principal, change: LawfulChange) -> dict[str, str]:
    # A correction for an objection is the centre's own act: no agreement binds it.
    terms = terms_of(ctx, caller.org) if Role.PROVIDER in caller.roles else None
    if (signed := read_change_statement(change, caller, terms)) is None:
        return {}
    return {"jws": change.signature, "kid": signed.kid, "client_id": caller.client_id}


def _amended(ctx: IngestContext, act: _Act) -> RecordOutcome:
    before, delivered = act.before, act.change.items or {}
    entry = _entry(ctx, before)
    items, violations = ctx.directory.validator(entry).check(delivered)
    if violations:
        language = request_context.current().language
        raise RECORD_INVALID(fields=[FieldError(v.item, v.rule, v.message(language)) for v in violations])
    provider = EntryProvider(before["provider"], before["provider_name"])
    document = ctx.recorder.document(entry, provider, items, delivered)
    if document["_id"] != before["_id"]:
        raise RECORD_KEY_CHANGED(items=", ".join(entry.natural_key))
    if document["tag"] == before["tag"]:
        became = _receipted(ctx, act, RecordOutcome(0, OutcomeKind.UNCHANGED, before["_id"], before["version"]))
        _put_on_record(ctx, act, before, became)
        return became
    return _replaced(ctx, act, {**_without_raw(before), **document}, OutcomeKind.AMENDED)


def _without_raw(record: RawDocument) -> RawDocument:
    """The fields that the next version inherits: it has values of its own."""
    return {k: v for k, v in record.items() if k != "raw"}


def _revoked(ctx: IngestContext, act: _Act) -> RecordOutcome:
    return _replaced(ctx, act, {**act.before, "revoked": True}, OutcomeKind.REVOKED)


def _replaced(ctx: IngestContext, act: _Act, content: RawDocument, outcome: OutcomeKind) -> RecordOutcome:
    change, late = act.change, _days_late(ctx, act.before, act.change)
    version = act.before["version"] + 1
    became = _receipted(ctx, act, RecordOutcome(0, outcome, content["_id"], version, late_working_days=late))
    after = next_version(
        content,
        act.at,
        reason=change.reason.strip(),
        document_number=change.document_number,
        effective_date=change.effective_date,
        objection_no=change.objection_no,
        changed_by=_who(act.caller),
        late_working_days=late,
        late_undetermined=late is None,
        receipt=ctx.ring.encrypt(became.receipt, RECEIPT),
        signed_by=act.signature.get("kid", ""),
    )
    ctx.store.replace(act.before, after, act.unit.session)
    named = {"objection_no": change.objection_no} if change.objection_no else {}
    act.unit.publish("record", record=after["_id"], version=after["version"], **named)
    _put_on_record(ctx, act, after, became)
    return became


def _receipted(ctx: IngestContext, act: _Act, became: RecordOutcome) -> RecordOutcome:
    receipt = ctx.signer.sign_change(act.change, act.before, became, act.at, act.signature)
    return replace(became, receipt=receipt)


def _put_on_record(ctx: IngestContext, act: _Act, record: RawDocument, became: RecordOutcome) -> None:
    late = became.late_working_days
    details: dict[str, Any] = {
        "version": record["version"],
        "became": became.outcome.value,
        "signed": bool(act.signature),
    }
    # None while the calendar lacks the days.
    if late is not None:
        details["late_working_days"] = late
    # Known by its form alone: the objection service says whether it is so, when the correction arrives there.
    if act.change.objection_no:
        details["claimed_objection_no"] = act.change.objection_no
    event = ctx.audit.event(
        Act.RECORD_AMENDED if act.change.items is not None else Act.RECORD_REVOKED,
        act.caller,
        subject_refs=[record["subject"]["ref"]],
        entries=[record["entry_code"]],
        records=[record["_id"]],
        details=details,
    )
    act.unit.record(event.encode())


def _entry(ctx: IngestContext, record: RawDocument) -> DeliveryEntry:
    """The version in force today; when the entry is retired, the one that the record was delivered under."""
    current = ctx.directory.in_force(record["entry_code"], ctx.clock.today().isoformat())
    return current or ctx.directory.version(record["entry_code"], record["entry_version"])


def _days_late(ctx: IngestContext, record: RawDocument, change: LawfulChange) -> int | None:
    if not change.effective_date:
        return 0
    limit = _entry(ctx, record).reporting_limit_working_days
    effective = date.fromisoformat(change.effective_date)
    return days_late(ctx.directory.calendar(), effective, limit, ctx.clock.today())


def _who(caller: Principal) -> str:
    return caller.client_id or caller.sub
