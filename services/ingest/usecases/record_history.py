"""Reads what became of a delivered record (Art. 9, 11, 12): its versions by page, as standardised and as delivered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, NOT_FOUND, FieldError, Problem
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.catalog_entry import DeliveryEntry, begun_versions
from services.ingest.domain.record_versioning import lateness
from services.ingest.domain.submission import DELIVERY_ENTRY_UNKNOWN
from services.ingest.domain.violation_messages import listed
from services.ingest.usecases.amend_record import RECEIPT

_READERS: Final = {Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}


@dataclass(frozen=True)
class HistoricVersion:
    """One version of a record, as its reader may see it."""

    version: int
    entry_version: int
    # Standard values; and in `raw` those that were delivered in another form.
    items: Mapping[str, str]
    raw: Mapping[str, str]
    # Codes of the items that the reader does not get.
    withheld: Sequence[str]
    revoked: bool
    # Empty when the version was made by a change of the single record.
    submission_id: str
    row: int
    reason: str
    document_number: str
    effective_date: str
    objection_no: str
    late_working_days: int | None
    recorded_at: datetime
    # For a change of the single record: its receipt, and the key with which the provider signed it.
    receipt: str
    signed_by: str


@dataclass(frozen=True)
class RecordHistory:
    """A record with a page of its versions, oldest first."""

    record_id: str
    entry_code: str
    provider_uscc: str
    provider_name: str
    versions: Sequence[HistoricVersion]
    # The version after which the next page begins; 0 when this is the last.
    following: int


@dataclass(frozen=True)
class NamedRecord:
    """A record as its provider knows it: the entry's code, and the values that identify a record within it by item."""

    entry_code: str
    key: Mapping[str, str]


def own_record(ctx: IngestContext, caller: Principal, record: RawDocument | None, named: str) -> Problem | None:
    """a provider reads only records of its own"""
    if record is None or (Role.PROVIDER in caller.roles and record["provider"] != caller.org):
        return NOT_FOUND(what=named)
    return None


# The act is one of those that the subject of the record finds in its list of accesses.
@query(Act.RECORD_QUERIED_DELIVERED, roles=_READERS, articles=("9", "11", "12"), may=own_record)
def record(ctx: IngestContext, caller: Principal, record_id: str, after: int, size: int) -> RecordHistory:
    """Versions of a record after one of them. Its provider alone gets personal identifiers. Raises NOT_FOUND."""
    # The current version is read first; a version that supersedes it meanwhile is left out.
    return _history(ctx, caller, authorise(ctx.store.record(record_id), record_id), after, size)


# The organs may not: they could try out whose number is in a record that they see without it (decision 16).
@query(Act.RECORD_QUERIED_DELIVERED, roles={Role.PROVIDER}, articles=("9", "11", "12"), may=own_record)
def find(ctx: IngestContext, caller: Principal, named: NamedRecord, after: int, size: int) -> RecordHistory:
    """The caller's own record with these values of the entry's natural key, as `record` answers it.

    Values may be in any form that a delivery takes. Raises NOT_FOUND, DELIVERY_ENTRY_UNKNOWN, INPUT_INVALID when these
    are not the items of the natural key, or when there is no such record and no record can have these values.
    """
    versions = ctx.directory.versions(named.entry_code)
    if not versions:
        raise DELIVERY_ENTRY_UNKNOWN(entry=named.entry_code)
    records = map(ctx.store.record, _ids(ctx, caller.org, named, versions))
    current = next((record for record in records if record is not None), None)
    if current is None and (wrong := _wrong_values(ctx, named, _present(ctx, versions))):
        raise INPUT_INVALID(fields=wrong)
    return _history(ctx, caller, authorise(current, _described(named, _present(ctx, versions))), after, size)


def _ids(ctx: IngestContext, provider: str, named: NamedRecord, versions: Sequence[DeliveryEntry]) -> Collection[str]:
    """The ids that such a record may have: versions of the entry may identify records by different items."""
    ids: dict[str, None] = {}
    for entry in versions:
        key = ctx.directory.validator(entry).standard(named.key)
        if key and not _faults(entry, key):
            ids |= dict.fromkeys(ctx.recorder.record_ids(entry, provider, key))
    if not ids:
        present = _present(ctx, versions)
        raise INPUT_INVALID(fields=_faults(present, ctx.directory.validator(present).standard(named.key)))
    return ids


def _faults(entry: DeliveryEntry, key: Mapping[str, str]) -> list[FieldError]:
    """What a key has too much, and what it lacks: every record has the required ones of the items that identify it."""
    items = listed([entry.by_code[code] for code in entry.natural_key])
    told = f"不是标识记录的信息项，应为：{items.zh} / does not identify a record; these do: {items.en}"
    superfluous = [FieldError(f"key.{code}", "natural_key", told) for code in key if code not in entry.natural_key]
    needed = [code for code in entry.natural_key if entry.by_code[code].required or not key]
    missing = f"缺少此项；标识记录的信息项：{items.zh} / is missing; the items that identify a record: {items.en}"
    return superfluous + [FieldError(f"key.{code}", "required", missing) for code in needed if code not in key]


def _wrong_values(ctx: IngestContext, named: NamedRecord, entry: DeliveryEntry) -> list[FieldError]:
    """What is wrong with the values of a key, as for a delivery; a record of before may have them all the same."""
    validator = ctx.directory.validator(entry)
    violations = validator.violations(validator.standard(named.key), ctx.clock.today())
    return [FieldError(f"key.{v.item}", v.rule, f"{v.zh} / {v.en}") for v in violations if v.item in named.key]


def _present(ctx: IngestContext, versions: Sequence[DeliveryEntry]) -> DeliveryEntry:
    return begun_versions(versions, ctx.clock.today().isoformat())[-1]


def _described(named: NamedRecord, entry: DeliveryEntry) -> str:
    """The record without values, which may be personal: a refusal names the items alone."""
    left_out = [code for code in entry.natural_key if code not in named.key]
    zh, en = f"{entry.code} 中标识项为所给值的本单位记录", f"a record of yours of {entry.code} with these values"
    if left_out:
        zh, en = f"{zh}（未给出：{'、'.join(left_out)}）", f"{en} (not given: {', '.join(left_out)})"
    return f"{zh} / {en}"


def _history(ctx: IngestContext, caller: Principal, current: RawDocument, after: int, size: int) -> RecordHistory:
    record_id = current["_id"]
    older = ctx.store.history(record_id, after, size + 1)
    found = [row for row in (*older, current) if after < row["version"] <= current["version"]]
    page = found[:size]
    about = {"subject_refs": [current["subject"]["ref"]], "entries": [current["entry_code"]], "records": [record_id]}
    details = {"versions": len(page)}
    ctx.audit.record(ctx.audit.event(Act.RECORD_QUERIED_DELIVERED, caller, **about, details=details))
    own = Role.PROVIDER in caller.roles
    # Read once for all rows: a record stays with its entry.
    entries = {entry.version: entry for entry in ctx.directory.versions(current["entry_code"])}
    versions = [_version(ctx, entries, row, own) for row in page]
    following = page[-1]["version"] if len(found) > size else 0
    return RecordHistory(
        record_id, current["entry_code"], current["provider"], current["provider_name"], versions, following
    )


def without_identifiers(entry: DeliveryEntry, row: RawDocument, part: str) -> dict[str, str]:
    """A part of a record without its personal identifiers."""
    return {code: value for code, value in (row.get(part) or {}).items() if code not in entry.sealed}


def _version(ctx: IngestContext, entries: Mapping[int, DeliveryEntry], row: RawDocument, own: bool) -> HistoricVersion:
    if (entry := entries.get(row["entry_version"])) is None:
        raise DELIVERY_ENTRY_UNKNOWN(entry=row["entry_code"])
    show = ctx.recorder.opened if own else without_identifiers
    items = show(entry, row, "items")
    # <provider>/<submission id>:<number>
    submission = str(row.get("batch") or "").rpartition(":")[0].partition("/")[2]
    return HistoricVersion(
        version=row["version"],
        entry_version=entry.version,
        items=items,
        raw=show(entry, row, "raw"),
        withheld=[code for code in row["items"] if code not in items],
        revoked=bool(row.get("revoked")),
        submission_id=submission,
        row=row.get("row") or 0,
        reason=row.get("reason") or "",
        document_number=row.get("document_number") or "",
        effective_date=row.get("effective_date") or "",
        objection_no=row.get("objection_no") or "",
        late_working_days=lateness(row),
        recorded_at=row["recorded_at"],
        receipt=_receipt(ctx, row) if own or row.get("signed_by") else "",
        signed_by=row.get("signed_by") or "",
    )


def _receipt(ctx: IngestContext, row: RawDocument) -> str:
    # The items of an unsigned change may be guessed, and its digest shows a right guess: only the provider gets it.
    return ctx.ring.decrypt(row["receipt"], RECEIPT) if row.get("receipt") else ""
