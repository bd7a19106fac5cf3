"""What became of a delivered record (Art. 9, 11, 12): its versions, standard values beside those delivered."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chengxin.errors import NOT_FOUND, Problem
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.ingest.entry import Entry
from services.ingest.room import Ingest
from services.ingest.store import Plain

_READERS: Final = {Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}


@dataclass(frozen=True)
class Version:
    """One version of a record, as its reader may see it."""

    version: int
    entry_version: int
    # Standard values; and in `raw` those that were delivered in another form.
    items: Mapping[str, str]
    raw: Mapping[str, str]
    # Codes of items that are there but not shown.
    withheld: Sequence[str]
    revoked: bool
    # Empty when the version was made by a change of the single record.
    submission_id: str
    row: int
    reason: str
    document_number: str
    effective_date: str
    objection_no: str
    late_working_days: int
    recorded_at: datetime


@dataclass(frozen=True)
class History:
    """A record with every version, oldest first."""

    record_id: str
    entry_code: str
    provider_uscc: str
    provider_name: str
    versions: Sequence[Version]


def own_record(ingest: Ingest, caller: Principal, record_id: str) -> Problem | None:
    """a provider reads only records of its own"""
    if Role.PROVIDER not in caller.roles:
        return None
    record = ingest.store.record(record_id)
    return None if record is None or record["provider"] == caller.org else NOT_FOUND(what=record_id)


# Whoever looks at somebody's record, its subject finds her among those who did.
@rule("record.queried.delivered", roles=_READERS, articles=("9", "11", "12"), when=(own_record,))
def record(ingest: Ingest, caller: Principal, record_id: str) -> History:
    """Every version of a record. Personal identifiers are opened for its provider alone. Raises NOT_FOUND."""
    # First the current one: what supersedes it while this reads is not told.
    if (current := ingest.store.record(record_id)) is None:
        raise NOT_FOUND(what=record_id)
    older = [row for row in ingest.store.history(record_id) if row["version"] < current["version"]]
    about = {"subject_refs": [current["subject"]["ref"]], "entries": [current["entry_code"]], "records": [record_id]}
    details = {"versions": len(older) + 1}
    ingest.audit.record(ingest.audit.event("record.queried.delivered", caller, **about, details=details))
    show = ingest.recorder.opened if Role.PROVIDER in caller.roles else without_identifiers
    versions = [
        _version(ingest.directory.version(r["entry_code"], r["entry_version"]), r, show) for r in (*older, current)
    ]
    return History(record_id, current["entry_code"], current["provider"], current["provider_name"], versions)


def without_identifiers(entry: Entry, row: Plain, part: str) -> dict[str, str]:
    """A part of a record but for its personal identifiers."""
    return {code: value for code, value in (row.get(part) or {}).items() if code not in entry.sealed}


def _version(entry: Entry, row: Plain, show: Callable[[Entry, Plain, str], dict[str, str]]) -> Version:
    items = show(entry, row, "items")
    # <provider>/<submission id>:<number>
    submission = str(row.get("batch") or "").rpartition(":")[0].partition("/")[2]
    return Version(
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
        late_working_days=row.get("late_working_days") or 0,
        recorded_at=row["recorded_at"],
    )
