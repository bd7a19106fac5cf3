"""Lawful later changes of one record (Art. 11, 25): amendment and revocation, by its provider or for an objection."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

from chengxin.auth import request_context
from chengxin.auth.executor import command
from chengxin.auth.powers import OWN, Power, two
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import regional
from chengxin.errors import INPUT_INVALID, NOT_FOUND, FieldError, InBoth, Problem
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
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
from services.ingest.domain.provider_signature import SIGNATURE_INVALID, read_change_statement
from services.ingest.domain.record_versioning import next_version
from services.ingest.domain.submission import OutcomeKind, RecordOutcome
from services.ingest.usecases.agreements import terms_of
from services.ingest.usecases.permissions import acts_for_provider

# The purpose for which a stored receipt is sealed: the digest in it would let a reader of the store try out identity
# numbers.
RECEIPT: Final = "receipt"


# Of the centre's officers: a provider changes its own records.
_OFFICERS: Final = two(
    "one officer alone could change what is on record of anybody, for an objection that nobody made; a provider "
    "changes its own records at once, by its own word"
)
_AMENDING: Final = Power(
    OWN,
    _OFFICERS,
    "the subject, who sees the new version among its records; the provider; supervisors, by the audit log",
)
_REVOKING: Final = Power(
    OWN,
    _OFFICERS,
    "the subject, in the objection that it is for (its own records show it no more); the provider, in the record's "
    "history; supervisors, by the audit log",
)
# A small city's centre has one officer.
_APPROVERS: Final = {Role.CENTRE, Role.AUTHORITY}
# Of the JSON of the items that change: proposals are listed with all that they say.
_LONGEST_PROPOSED: Final = 20_000
_CHANGES: Final = {Act.RECORD_AMENDED, Act.RECORD_REVOKED}


@dataclass(frozen=True)
class _Act:
    """A change as it is carried out: the request, the version before it, the provider's signature, if any, and what goes
    on record of a second officer's approval."""

    caller: Principal
    change: LawfulChange
    before: RawDocument
    signature: Mapping[str, str]
    at: datetime
    unit: UnitOfWork
    approval: Mapping[str, Any] = field(default_factory=dict)


def for_objection(ctx: IngestContext, caller: Principal, change: LawfulChange) -> Problem | None:
    """the centre changes a record only with the number of an objection"""
    if Role.PROVIDER in caller.roles or change.objection_no:
        return None
    return OBJECTION_REQUIRED()


@regional
def may_change(ctx: IngestContext, caller: Principal, record: RawDocument | None, named: object) -> Problem | None:
    """a provider changes only records of its own, and the centre those of providers in the officer's region"""
    if record is None:
        return NOT_FOUND(what=named)
    if Role.PROVIDER in caller.roles:
        return None if record["provider"] == caller.org else RECORD_NOT_YOURS()
    return acts_for_provider(ctx, caller, record["provider"])


@command(
    Act.RECORD_AMENDED,
    roles={Role.PROVIDER, Role.CENTRE},
    articles=("11", "12", "25"),
    when=(for_objection,),
    may=may_change,
    power=_AMENDING,
)
def amend(ctx: IngestContext, caller: Principal, change: LawfulChange) -> RecordOutcome | Proposal:
    """A record gets a new version with these items, the centre's as a proposal; a repeated request id changes nothing.

    Raises NOT_FOUND, RECORD_NOT_YOURS, OBJECTION_REQUIRED, RECORD_INVALID, RECORD_KEY_CHANGED, RECORD_REVOKED,
    RECORD_CHANGED_SINCE, and what is wrong with its signature.
    """
    return _once(ctx, caller, Act.RECORD_AMENDED, change)


@command(
    Act.RECORD_REVOKED,
    roles={Role.PROVIDER, Role.CENTRE},
    articles=("11", "12", "25"),
    when=(for_objection,),
    may=may_change,
    power=_REVOKING,
)
def revoke(ctx: IngestContext, caller: Principal, change: LawfulChange) -> RecordOutcome | Proposal:
    """A record ceases to have effect and stays in history, for the centre as a proposal; a repeated request id changes
    nothing.

    Raises NOT_FOUND, RECORD_NOT_YOURS, OBJECTION_REQUIRED, RECORD_REVOKED, RECORD_CHANGED_SINCE, and what is wrong
    with its signature.
    """
    return _once(ctx, caller, Act.RECORD_REVOKED, change)


def _once(ctx: IngestContext, caller: Principal, act: Act, change: LawfulChange) -> RecordOutcome | Proposal:
    change.checked(ctx.clock.today())

    def load(unit: UnitOfWork) -> RawDocument:
        return authorise(ctx.store.record(change.record_id, unit.session), change.record_id)

    def work(unit: UnitOfWork, record: RawDocument) -> RecordOutcome | Proposal:
        signature = _signature(ctx, caller, change)
        if record.get("revoked"):
            raise RECORD_REVOKED(record_id=change.record_id)
        if change.based_on_version not in (0, record["version"]):
            versions = {"based_on": change.based_on_version, "current": record["version"]}
            raise RECORD_CHANGED_SINCE(record_id=change.record_id, **versions)
        if Role.PROVIDER not in caller.roles:
            return _proposed(ctx, caller, unit, act, change, record)
        return _changed(ctx, _Act(caller, change, record, signature, as_stored(ctx.clock.now()), unit))

    def keep(became: RecordOutcome | Proposal) -> RawDocument:
        if isinstance(became, Proposal):
            return {"proposal_id": became.proposal_id}
        return {
            "outcome": became.outcome.value,
            "version": became.version,
            "late": became.late_working_days,
            "receipt": ctx.ring.encrypt(became.receipt, RECEIPT),
        }

    def read(answer: RawDocument) -> RecordOutcome | Proposal:
        if "proposal_id" in answer and (proposed := ctx.proposals.get(answer["proposal_id"])):
            return proposed.seen(ctx.clock.now())
        receipt = ctx.ring.decrypt(answer["receipt"], RECEIPT)
        outcome, late = OutcomeKind(answer["outcome"]), answer["late"]
        return RecordOutcome(0, outcome, change.record_id, answer["version"], late_working_days=late, receipt=receipt)

    who = _who(caller)
    done = ctx.patiently(lambda: ctx.store.once_on(load, who, change.request_id, change.canonical(), work, keep))
    return done.or_read(read)


def _proposed(
    ctx: IngestContext, caller: Principal, unit: UnitOfWork, act: Act, change: LawfulChange, record: RawDocument
) -> Proposal:
    texts = {
        "reason": change.reason,
        "document_number": change.document_number,
        "effective_date": change.effective_date,
    }
    asked: dict[str, Any] = {"claimed_objection_no": change.objection_no, "based_on_version": record["version"]}
    if change.items is not None:
        texts["items"] = canonical(_corrections(ctx, record, change.items)).decode()
        asked["entry_version"] = _entry(ctx, record).version
    region = ctx.store.regions.of(record["provider"], unit) or caller.region
    refs = [record["subject"]["ref"]]
    words = {name: text for name, text in texts.items() if text}
    return propose(ctx, caller, unit, act, change.record_id, region, asked, subject_refs=refs, words=words)


def _corrections(ctx: IngestContext, record: RawDocument, asked: Mapping[str, str]) -> dict[str, str]:
    """What an amendment by the centre changes: standard values by item, empty where there is none any more.

    The second officer sees all of it. Personal identifiers stay as they are recorded: officers do not see them, and
    to take one, or to tell that another one is recorded, would be a way to try them out (decision 16).
    Raises INPUT_INVALID, RECORD_INVALID, RECORD_KEY_CHANGED.
    """
    entry, recorded_under = _entry(ctx, record), ctx.directory.version(record["entry_code"], record["entry_version"])
    withheld = {*entry.sealed, *recorded_under.sealed}
    if given := sorted(withheld & asked.keys()):
        told = (
            "个人标识保持原记录，请勿填写；如有误，请撤销该记录 / a personal identifier stays as recorded: leave it out"
        )
        raise INPUT_INVALID(fields=[FieldError(code, "withheld", told) for code in given])
    recorded = ctx.recorder.opened(recorded_under, record)
    kept = {code: recorded[code] for code in withheld & recorded.keys() & entry.by_code.keys()}
    items = ctx.recorder.opened(entry, _amended(ctx, record, {**asked, **kept}))
    changed = {
        code: items.get(code, "") for code in {**recorded, **items} if items.get(code, "") != recorded.get(code, "")
    }
    if len(canonical(changed)) > _LONGEST_PROPOSED:
        told = f"信用中心一次变更的内容最长 {_LONGEST_PROPOSED} 字节 / what the centre changes has at most {_LONGEST_PROPOSED} bytes"
        raise INPUT_INVALID(fields=[FieldError("items", "size", told)])
    return changed


def load_record(ctx: IngestContext, proposal: Proposal, unit: UnitOfWork) -> RawDocument | None:
    """Reads the record that a proposal is about."""
    return ctx.store.record(proposal.target, unit.session)


@carries_out(Act.RECORD_AMENDED, region=OWN, approvers=_APPROVERS, load=load_record, may=may_change)
@carries_out(Act.RECORD_REVOKED, region=OWN, approvers=_APPROVERS, load=load_record, may=may_change)
def change_as_proposed(
    ctx: IngestContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, record: RawDocument
) -> None:
    """The record gets the version that the centre proposed. Raises PROPOSAL_OUTDATED when the record, or the catalog
    that it obeys, is no longer what the second officer was shown.
    """
    if record["version"] != proposal.asked["based_on_version"]:
        raise PROPOSAL_OUTDATED(what=InBoth("该信息的现行版本", "the record's current version"))
    items = None
    if proposal.act is Act.RECORD_AMENDED:
        if _entry(ctx, record).version != proposal.asked["entry_version"]:
            raise PROPOSAL_OUTDATED(what=InBoth("目录的现行版本", "the catalog entry in force"))
        entry = ctx.directory.version(record["entry_code"], record["entry_version"])
        full = ctx.recorder.opened(entry, record) | json.loads(proposal.words["items"])
        items = {code: value for code, value in full.items() if value}
    texts = {name: text for name, text in proposal.words.items() if name != "items"}
    change = LawfulChange(
        proposal.target,
        objection_no=proposal.asked["claimed_objection_no"],
        request_id=proposal.proposal_id,
        items=items,
        based_on_version=record["version"],
        **texts,
    )
    _changed(ctx, _Act(caller, change, record, {}, as_stored(ctx.clock.now()), unit, proposal.on_record()))


def _signature(ctx: IngestContext, caller: Principal, change: LawfulChange) -> dict[str, str]:
    if Role.PROVIDER not in caller.roles:
        # A correction for an objection is the centre's own act: no agreement binds it, and a second officer confirms it.
        if change.signature:
            raise SIGNATURE_INVALID(reason=InBoth("只有信息提供单位对变更签名", "only a provider signs a change"))
        return {}
    if (signed := read_change_statement(change, caller, terms_of(ctx, caller.org))) is None:
        return {}
    return {"jws": change.signature, "kid": signed.kid, "client_id": caller.client_id}


def _changed(ctx: IngestContext, act: _Act) -> RecordOutcome:
    before, delivered = act.before, act.change.items
    if delivered is None:
        return _replaced(ctx, act, {**before, "revoked": True}, OutcomeKind.REVOKED)
    document = _amended(ctx, before, delivered)
    if document["tag"] == before["tag"]:
        became = _receipted(ctx, act, RecordOutcome(0, OutcomeKind.UNCHANGED, before["_id"], before["version"]))
        _put_on_record(ctx, act, before, became)
        return became
    return _replaced(ctx, act, {**_without_raw(before), **document}, OutcomeKind.AMENDED)


def _amended(ctx: IngestContext, before: RawDocument, delivered: Mapping[str, str]) -> RawDocument:
    """What the record is with these items. Raises RECORD_INVALID, RECORD_KEY_CHANGED."""
    entry = _entry(ctx, before)
    items, violations = ctx.directory.validator(entry).check(delivered, ctx.clock.today())
    if violations:
        language = request_context.language()
        raise RECORD_INVALID(fields=[FieldError(v.item, v.rule, v.message(language)) for v in violations])
    provider = EntryProvider(before["provider"], before["provider_name"])
    recorded = ctx.recorder.opened(ctx.directory.version(before["entry_code"], before["entry_version"]), before)
    # The id may be of a version before, so what identified the record then is compared.
    now, then = (ctx.recorder.record_ids(entry, provider.uscc, held)[0] for held in (items, recorded))
    if now != then:
        raise RECORD_KEY_CHANGED(items=", ".join(entry.natural_key))
    return ctx.recorder.document(before["_id"], entry, provider, items, delivered)


def _without_raw(record: RawDocument) -> RawDocument:
    """The fields that the next version inherits: it has values of its own."""
    return {k: v for k, v in record.items() if k != "raw"}


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
    ctx.proposals.outdate(_CHANGES, after["_id"], act.unit)
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
        **act.approval,
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
