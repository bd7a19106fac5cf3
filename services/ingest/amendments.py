"""Lawful later changes of one record (Art. 11, 25): amendment and revocation, by its provider or for an objection."""

from collections.abc import Callable
from datetime import date
from typing import Any

from chengxin import context
from chengxin.errors import NOT_FOUND, FieldError, Problem
from chengxin.mongo import Unit
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.ingest.entry import Entry, Organisation
from services.ingest.model import (
    OBJECTION_REQUIRED,
    RECORD_INVALID,
    RECORD_KEY_CHANGED,
    RECORD_NOT_YOURS,
    RECORD_REVOKED,
    Became,
    Change,
    Outcome,
    days_late,
)
from services.ingest.record import changed
from services.ingest.room import Ingest
from services.ingest.store import Plain


def may_change(ingest: Ingest, caller: Principal, change: Change) -> Problem | None:
    """the record is the caller's own; the centre changes one only for an objection"""
    if Role.PROVIDER in caller.roles:
        record = ingest.store.record(change.record_id)
        return None if record is None or record["provider"] == caller.org else RECORD_NOT_YOURS()
    return None if change.objection_no else OBJECTION_REQUIRED()


@rule("record.amended", roles={Role.PROVIDER, Role.CENTRE}, articles=("11", "25"), when=(may_change,))
def amend(ingest: Ingest, caller: Principal, change: Change) -> Became:
    """A record gets a new version with these items; repeating a request id repeats nothing.

    Raises RECORD_INVALID, RECORD_KEY_CHANGED, RECORD_REVOKED, NOT_FOUND.
    """
    return _once(ingest, caller, change, lambda unit, record: _amended(ingest, caller, change, record, unit))


@rule("record.revoked", roles={Role.PROVIDER, Role.CENTRE}, articles=("11", "25"), when=(may_change,))
def revoke(ingest: Ingest, caller: Principal, change: Change) -> Became:
    """A record ceases to have effect and stays in history; repeating a request id repeats nothing.

    Raises RECORD_REVOKED, NOT_FOUND.
    """
    return _once(ingest, caller, change, lambda unit, record: _revoked(ingest, caller, change, record, unit))


def _once(ingest: Ingest, caller: Principal, change: Change, alter: Callable[[Unit, Plain], Became]) -> Became:
    change.checked()

    def work(unit: Unit) -> dict[str, Any]:
        record = ingest.store.record(change.record_id, unit.session)
        if record is None:
            raise NOT_FOUND(what=change.record_id)
        became = alter(unit, record)
        return {"outcome": became.outcome.value, "version": became.version, "late": became.late_working_days}

    answer = ingest.patiently(lambda: ingest.store.once(_who(caller), change.request_id, change.canonical(), work))
    return Became(0, Outcome(answer["outcome"]), change.record_id, answer["version"], late_working_days=answer["late"])


def _amended(ingest: Ingest, caller: Principal, change: Change, record: Plain, unit: Unit) -> Became:
    if record.get("revoked"):
        raise RECORD_REVOKED(record_id=change.record_id)
    entry = _entry(ingest, record)
    items, violations = ingest.directory.validator(entry).check(change.items or {})
    if violations:
        language = context.current().language
        raise RECORD_INVALID(fields=[FieldError(v.item, v.rule, v.message(language)) for v in violations])
    provider = Organisation(record["provider"], record["provider_name"])
    document = ingest.recorder.document(entry, provider, items, change.items or {})
    if document["_id"] != record["_id"]:
        raise RECORD_KEY_CHANGED(items=", ".join(entry.natural_key))
    if document["tag"] == record["tag"]:
        _put_on_record(ingest, caller, change, record, unit, Outcome.UNCHANGED, 0)
        return Became(0, Outcome.UNCHANGED, record["_id"], record["version"])
    return _replaced(ingest, caller, change, record, {**_without_raw(record), **document}, unit, Outcome.AMENDED)


def _without_raw(record: Plain) -> Plain:
    """What goes on to a version with values of its own."""
    return {k: v for k, v in record.items() if k != "raw"}


def _revoked(ingest: Ingest, caller: Principal, change: Change, record: Plain, unit: Unit) -> Became:
    if record.get("revoked"):
        raise RECORD_REVOKED(record_id=change.record_id)
    return _replaced(ingest, caller, change, record, {**record, "revoked": True}, unit, Outcome.REVOKED)


def _replaced(
    ingest: Ingest,
    caller: Principal,
    change: Change,
    before: Plain,
    content: Plain,
    unit: Unit,
    outcome: Outcome,
) -> Became:
    late = _days_late(ingest, before, change)
    after = changed(
        content,
        ingest.clock.now(),
        reason=change.reason.strip(),
        document_number=change.document_number,
        effective_date=change.effective_date,
        objection_no=change.objection_no,
        changed_by=_who(caller),
        late_working_days=late,
    )
    ingest.store.replace(before, after, unit.session)
    named = {"objection_no": change.objection_no} if change.objection_no else {}
    unit.publish("record", record=after["_id"], version=after["version"], **named)
    _put_on_record(ingest, caller, change, after, unit, outcome, late)
    return Became(0, outcome, after["_id"], after["version"], late_working_days=late)


def _put_on_record(
    ingest: Ingest, caller: Principal, change: Change, record: Plain, unit: Unit, outcome: Outcome, late: int
) -> None:
    details: dict[str, Any] = {"version": record["version"], "late_working_days": late, "became": outcome.value}
    if change.objection_no:
        details["objection_no"] = change.objection_no
    event = ingest.audit.event(
        "record.amended" if change.items is not None else "record.revoked",
        caller,
        subject_refs=[record["subject"]["ref"]],
        entries=[record["entry_code"]],
        records=[record["_id"]],
        details=details,
    )
    unit.record(event.encode())


def _entry(ingest: Ingest, record: Plain) -> Entry:
    """The version in force today; the one that the record was delivered under when the entry is retired."""
    current = ingest.directory.in_force(record["entry_code"], ingest.clock.today().isoformat())
    return current or ingest.directory.version(record["entry_code"], record["entry_version"])


def _days_late(ingest: Ingest, record: Plain, change: Change) -> int:
    if not change.effective_date:
        return 0
    limit = _entry(ingest, record).reporting_limit_working_days
    effective = date.fromisoformat(change.effective_date)
    return days_late(ingest.directory.calendar(), effective, limit, ingest.clock.today())


def _who(caller: Principal) -> str:
    return caller.client_id or caller.sub
