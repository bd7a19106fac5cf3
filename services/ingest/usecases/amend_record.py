"""Lawful later changes of one record (Art. 11, 25): amendment and revocation, by its provider or for an objection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from chengxin.auth import request_context
from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND, FieldError, Problem
from chengxin.store.database import Unit
from chengxin.values.clock import as_stored
from services.ingest.context import Ingest
from services.ingest.domain.catalog_entry import Entry, Organisation
from services.ingest.domain.provider_signature import word_on_change
from services.ingest.domain.record_versioning import changed
from services.ingest.domain.submission import (
    OBJECTION_REQUIRED,
    RECORD_CHANGED_SINCE,
    RECORD_INVALID,
    RECORD_KEY_CHANGED,
    RECORD_NOT_YOURS,
    RECORD_REVOKED,
    Became,
    Change,
    Outcome,
    days_late,
)
from services.ingest.store.submissions import Plain

# What a kept receipt is sealed for: the digest in it would let anybody with the store try out identity numbers.
RECEIPT: Final = "receipt"


@dataclass(frozen=True)
class _Act:
    """A change as it is carried out: what is asked of which version by whom, with the provider's word if it gave one."""

    caller: Principal
    change: Change
    before: Plain
    signature: Mapping[str, str]
    at: datetime
    unit: Unit


def may_change(ingest: Ingest, caller: Principal, change: Change) -> Problem | None:
    """the record is the caller's own; the centre changes one only for an objection"""
    if Role.PROVIDER in caller.roles:
        record = ingest.store.record(change.record_id)
        return None if record is None or record["provider"] == caller.org else RECORD_NOT_YOURS()
    return None if change.objection_no else OBJECTION_REQUIRED()


@rule("record.amended", roles={Role.PROVIDER, Role.CENTRE}, articles=("11", "12", "25"), when=(may_change,))
def amend(ingest: Ingest, caller: Principal, change: Change) -> Became:
    """A record gets a new version with these items; repeating a request id repeats nothing.

    Raises RECORD_INVALID, RECORD_KEY_CHANGED, RECORD_REVOKED, RECORD_CHANGED_SINCE, NOT_FOUND, and what is wrong with
    its signature.
    """
    return _once(ingest, caller, change, _amended)


@rule("record.revoked", roles={Role.PROVIDER, Role.CENTRE}, articles=("11", "12", "25"), when=(may_change,))
def revoke(ingest: Ingest, caller: Principal, change: Change) -> Became:
    """A record ceases to have effect and stays in history; repeating a request id repeats nothing.

    Raises RECORD_REVOKED, RECORD_CHANGED_SINCE, NOT_FOUND, and what is wrong with its signature.
    """
    return _once(ingest, caller, change, _revoked)


def _once(ingest: Ingest, caller: Principal, change: Change, alter: Callable[[Ingest, _Act], Became]) -> Became:
    change.checked(ingest.clock.today())

    def work(unit: Unit) -> dict[str, Any]:
        record = ingest.store.record(change.record_id, unit.session)
        if record is None:
            raise NOT_FOUND(what=change.record_id)
        signature = _signature(ingest, caller, change)
        if record.get("revoked"):
            raise RECORD_REVOKED(record_id=change.record_id)
        if change.based_on_version not in (0, record["version"]):
            versions = {"based_on": change.based_on_version, "current": record["version"]}
            raise RECORD_CHANGED_SINCE(record_id=change.record_id, **versions)
        became = alter(ingest, _Act(caller, change, record, signature, as_stored(ingest.clock.now()), unit))
        return {
            "outcome": became.outcome.value,
            "version": became.version,
            "late": became.late_working_days,
            "receipt": ingest.ring.encrypt(became.receipt, RECEIPT),
        }

    answer = ingest.patiently(lambda: ingest.store.once(_who(caller), change.request_id, change.canonical(), work))
    receipt = ingest.ring.decrypt(answer["receipt"], RECEIPT)
    outcome, late = Outcome(answer["outcome"]), answer["late"]
    return Became(0, outcome, change.record_id, answer["version"], late_working_days=late, receipt=receipt)


def _signature(ingest: Ingest, caller: Principal, change: Change) -> dict[str, str]:
    # What the centre corrects for an objection is its own act: no agreement binds it.
    agreement = ingest.store.providers.agreement(caller.org) if Role.PROVIDER in caller.roles else None
    if (signed := word_on_change(change, caller, agreement)) is None:
        return {}
    return {"jws": change.signature, "kid": signed.kid, "client_id": caller.client_id}


def _amended(ingest: Ingest, act: _Act) -> Became:
    before, delivered = act.before, act.change.items or {}
    entry = _entry(ingest, before)
    items, violations = ingest.directory.validator(entry).check(delivered)
    if violations:
        language = request_context.current().language
        raise RECORD_INVALID(fields=[FieldError(v.item, v.rule, v.message(language)) for v in violations])
    provider = Organisation(before["provider"], before["provider_name"])
    document = ingest.recorder.document(entry, provider, items, delivered)
    if document["_id"] != before["_id"]:
        raise RECORD_KEY_CHANGED(items=", ".join(entry.natural_key))
    if document["tag"] == before["tag"]:
        became = _receipted(ingest, act, Became(0, Outcome.UNCHANGED, before["_id"], before["version"]))
        _put_on_record(ingest, act, before, became)
        return became
    return _replaced(ingest, act, {**_without_raw(before), **document}, Outcome.AMENDED)


def _without_raw(record: Plain) -> Plain:
    """What goes on to a version with values of its own."""
    return {k: v for k, v in record.items() if k != "raw"}


def _revoked(ingest: Ingest, act: _Act) -> Became:
    return _replaced(ingest, act, {**act.before, "revoked": True}, Outcome.REVOKED)


def _replaced(ingest: Ingest, act: _Act, content: Plain, outcome: Outcome) -> Became:
    change, late = act.change, _days_late(ingest, act.before, act.change)
    version = act.before["version"] + 1
    became = _receipted(ingest, act, Became(0, outcome, content["_id"], version, late_working_days=late))
    after = changed(
        content,
        act.at,
        reason=change.reason.strip(),
        document_number=change.document_number,
        effective_date=change.effective_date,
        objection_no=change.objection_no,
        changed_by=_who(act.caller),
        late_working_days=late,
        late_undetermined=late is None,
        receipt=ingest.ring.encrypt(became.receipt, RECEIPT),
        signed_by=act.signature.get("kid", ""),
    )
    ingest.store.replace(act.before, after, act.unit.session)
    named = {"objection_no": change.objection_no} if change.objection_no else {}
    act.unit.publish("record", record=after["_id"], version=after["version"], **named)
    _put_on_record(ingest, act, after, became)
    return became


def _receipted(ingest: Ingest, act: _Act, became: Became) -> Became:
    receipt = ingest.signer.sign_change(act.change, act.before, became, act.at, act.signature)
    return replace(became, receipt=receipt)


def _put_on_record(ingest: Ingest, act: _Act, record: Plain, became: Became) -> None:
    late = became.late_working_days
    details: dict[str, Any] = {
        "version": record["version"],
        "late_working_days": late,
        "became": became.outcome.value,
        "signed": bool(act.signature),
    }
    if act.change.objection_no:
        details["objection_no"] = act.change.objection_no
    event = ingest.audit.event(
        "record.amended" if act.change.items is not None else "record.revoked",
        act.caller,
        subject_refs=[record["subject"]["ref"]],
        entries=[record["entry_code"]],
        records=[record["_id"]],
        details=details,
    )
    act.unit.record(event.encode())


def _entry(ingest: Ingest, record: Plain) -> Entry:
    """The version in force today; the one that the record was delivered under when the entry is retired."""
    current = ingest.directory.in_force(record["entry_code"], ingest.clock.today().isoformat())
    return current or ingest.directory.version(record["entry_code"], record["entry_version"])


def _days_late(ingest: Ingest, record: Plain, change: Change) -> int | None:
    if not change.effective_date:
        return 0
    limit = _entry(ingest, record).reporting_limit_working_days
    effective = date.fromisoformat(change.effective_date)
    return days_late(ingest.directory.calendar(), effective, limit, ingest.clock.today())


def _who(caller: Principal) -> str:
    return caller.client_id or caller.sub
