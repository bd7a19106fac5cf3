"""Reading what was delivered (Art. 12, 30): a provider its own submissions, the organs everybody's; and the feed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND, Problem
from chengxin.store.database import OutboxRow
from chengxin.values.clock import rfc3339
from services.ingest.context import Ingest
from services.ingest.domain.receipt import receipt_of
from services.ingest.domain.submission import FEED_NOT_FOR_YOU, Outcome, Receipt, owned
from services.ingest.domain.validator import Violation
from services.ingest.store.rejects import RejectContent, opened_reject
from services.ingest.store.submissions import Plain

T = TypeVar("T")

_READERS: Final = {Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}
# Records in one message of the feed, and their characters: a message has 16 MB at most, a character four bytes. A record
# has 2^20 characters at most.
_PART: Final = 500
_PART_CHARACTERS: Final = 2_000_000
# Positions without a correction of which one is told: its follower commits each, and reads no more again than so many.
_TOLD: Final = 100


@dataclass(frozen=True)
class RejectRow:
    """A rejected record: where it stood, what was delivered, what is wrong."""

    row: int
    items: dict[str, str]
    violations: Sequence[Violation]


@dataclass(frozen=True)
class Part:
    """Some record versions of one committed transaction."""

    position: int
    at: datetime
    records: Sequence[Plain]
    last: bool


def own(ingest: Ingest, caller: Principal, provider: str, *_: Any) -> Problem | None:
    """a provider reads only its own"""
    if Role.PROVIDER in caller.roles and provider not in ("", caller.org):
        return NOT_FOUND(what=provider)
    return None


@rule("submission.listed", roles=_READERS, articles=("12", "30"), when=(own,))
def submissions(ingest: Ingest, caller: Principal, provider: str, after: Any, size: int) -> tuple[list[Plain], Any]:
    """Submissions, latest first, and the position of the next page; of all providers when an organ names none."""
    of = caller.org if Role.PROVIDER in caller.roles else provider
    ingest.audit.record(ingest.audit.event("submission.listed", caller, details={"provider": of} if of else {}))
    found = ingest.store.submissions_of(of, after, size + 1)
    page = found[:size]
    following = [page[-1]["created_at"].isoformat(), page[-1]["_id"]] if len(found) > size else None
    return page, following


@rule("submission.read", roles=_READERS, articles=("12", "30"), when=(own,))
def submission(ingest: Ingest, caller: Principal, provider: str, submission_id: str) -> Plain:
    """One submission with its receipt. Raises NOT_FOUND."""
    found = _submission(ingest, caller, provider, submission_id)
    details = {"submission_id": submission_id}
    ingest.audit.record(ingest.audit.event("submission.read", caller, entries=[found["entry_code"]], details=details))
    return found


@rule("receipt.read", roles=_READERS, articles=("12",), when=(own,))
def receipt(ingest: Ingest, caller: Principal, provider: str, submission_id: str) -> Receipt:
    """The receipt of a closed submission. Raises NOT_FOUND."""
    found = _submission(ingest, caller, provider, submission_id)
    details = {"submission_id": submission_id}
    ingest.audit.record(ingest.audit.event("receipt.read", caller, entries=[found["entry_code"]], details=details))
    if (told := receipt_of(found)) is None:
        raise NOT_FOUND(what=f"{submission_id}/receipt")
    return told


@rule("rejects.read", roles={Role.PROVIDER}, articles=("9", "12"), when=(own,))
def rejects(
    ingest: Ingest, caller: Principal, provider: str, submission_id: str, after: Any, size: int
) -> tuple[list[RejectRow], Any]:
    """Rejected records in order of row as they were delivered, and the position of the next page."""
    found = _submission(ingest, caller, provider, submission_id)
    details = {"submission_id": submission_id}
    ingest.audit.record(ingest.audit.event("rejects.read", caller, entries=[found["entry_code"]], details=details))
    rows = ingest.store.rejects_of(found["_id"], after, size + 1)
    page = rows[:size]
    following = [page[-1]["row"], page[-1]["_id"]] if len(rows) > size else None
    return [_opened(row["row"], opened_reject(ingest.ring, row)) for row in page], following


@rule("rejects.read", roles={Role.PROVIDER}, articles=("9", "12"), when=(own,))
def all_rejects(
    ingest: Ingest, caller: Principal, provider: str, submission_id: str
) -> tuple[Plain, Iterator[RejectRow]]:
    """The submission and every rejected record, read as they are asked for."""
    found = _submission(ingest, caller, provider, submission_id)
    details = {"submission_id": submission_id}
    ingest.audit.record(ingest.audit.event("rejects.read", caller, entries=[found["entry_code"]], details=details))
    rows = ingest.store.every_reject(found["_id"])
    return found, (_opened(row["row"], opened_reject(ingest.ring, row)) for row in rows)


def disclosure_only(ingest: Ingest, caller: Principal, *_: Any) -> Problem | None:
    """the service is disclosure"""
    return None if caller.client_id == "disclosure" else FEED_NOT_FOR_YOU()


def objection_only(ingest: Ingest, caller: Principal, *_: Any) -> Problem | None:
    """the service is objection"""
    return None if caller.client_id == "objection" else FEED_NOT_FOR_YOU()


@rule("records.followed", roles={Role.SERVICE}, articles=("15",), when=(disclosure_only,))
def changes(ingest: Ingest, caller: Principal, after: int, running: Callable[[], bool]) -> Iterator[Part]:
    """Committed record versions after a position, in order, without end."""
    ingest.audit.record(ingest.audit.event("records.followed", caller, details={"after": after}))
    for row in ingest.store.follow(after, running):
        yield from _parts(ingest, row)


@rule("corrections.followed", roles={Role.SERVICE}, articles=("25", "27"), when=(objection_only,))
def corrections(ingest: Ingest, caller: Principal, after: int, running: Callable[[], bool]) -> Iterator[Part]:
    """Versions after a position that were made for an objection, in order, without end, and every hundredth position."""
    ingest.audit.record(ingest.audit.event("corrections.followed", caller, details={"after": after}))
    for row in ingest.store.follow(after, running):
        # Only a change of a single record names an objection, and its outbox row says which.
        if is_told(row):
            made = [(change["record"], change["version"]) for change in row.changes if change.get("objection_no")]
            yield Part(row.position, row.at, ingest.store.exactly(made), last=True)


def is_told(row: OutboxRow) -> bool:
    """Whether those who follow corrections are told of a row."""
    return not row.position % _TOLD or any(change.get("objection_no") for change in row.changes)


@rule("record.head_read", roles={Role.SERVICE}, articles=("23",), when=(objection_only,))
def head(ingest: Ingest, caller: Principal, record_id: str) -> Plain:
    """The current version of a record, for whose it is and who answers for it. Raises NOT_FOUND."""
    if (found := ingest.store.record(record_id)) is None:
        raise NOT_FOUND(what=record_id)
    about = {"subject_refs": [found["subject"]["ref"]], "entries": [found["entry_code"]], "records": [record_id]}
    ingest.audit.record(ingest.audit.event("record.head_read", caller, **about))
    return found


def as_json(found: Plain) -> dict[str, Any]:
    """A submission as answers name it."""
    receipt = found.get("receipt")
    return {
        "submission_id": found["submission_id"],
        "provider_uscc": found["provider"],
        "entry_code": found["entry_code"],
        "entry_version": found["entry_version"],
        "state": "closed" if receipt else "open",
        "batches_committed": found["batches_committed"],
        "counts": found["counts"],
        "record_count": found.get("record_count") or 0,
        "file_name": found.get("file_name", ""),
        "file_sha256": found.get("file_sha256", ""),
        "sheets_not_read": list(found.get("sheets_not_read") or ()),
        "created_at": rfc3339(found["created_at"]),
    }


def _submission(ingest: Ingest, caller: Principal, provider: str, submission_id: str) -> Plain:
    found = ingest.store.submission(owned(provider or caller.org, submission_id))
    if found is None:
        raise NOT_FOUND(what=submission_id)
    return found


def _opened(row: int, content: RejectContent) -> RejectRow:
    return RejectRow(row, content.items, content.violations)


def _parts(ingest: Ingest, row: OutboxRow) -> Iterator[Part]:
    pieces = [piece for change in row.changes for piece in _pieces(ingest, change)]
    if row.changes and not pieces:
        # A batch of which nothing was accepted: whoever follows goes on to its position, and is not behind.
        yield Part(row.position, row.at, (), last=True)
    for number, read in enumerate(pieces, 1):
        bearable = _bearable(read())
        for place, records in enumerate(bearable, 1):
            yield Part(row.position, row.at, records, number == len(pieces) and place == len(bearable))


def _bearable(records: Sequence[Plain]) -> list[Sequence[Plain]]:
    """Records cut so that each message can be sent; a message that is too large would stop who follows for ever."""
    found: list[list[Plain]] = [[]]
    size = 0
    for record in records:
        length = sum(map(len, record["items"].values()))
        if found[-1] and size + length > _PART_CHARACTERS:
            found.append([])
            size = 0
        found[-1].append(record)
        size += length
    return list(found)


def _pieces(ingest: Ingest, change: Plain) -> Iterator[Callable[[], Sequence[Plain]]]:
    """Readers of a change's versions, in order, so many at once as a message takes."""
    held = ingest.recent.of(change["batch"]) if change["kind"] == "batch" else None
    if held is not None:
        return (partial(list, piece) for piece in _cut(held))
    return (partial(ingest.store.exactly, piece) for piece in _cut(_versions(ingest, change)))


def _cut(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + _PART] for start in range(0, len(rows), _PART))


def _versions(ingest: Ingest, change: Plain) -> list[tuple[str, int]]:
    if change["kind"] == "record":
        return [(change["record"], change["version"])]
    batch = ingest.store.batch_named(change["batch"])
    if batch is None:
        raise RuntimeError("the outbox names a batch that is not there")
    found = []
    for n, record in enumerate(batch["records"]):
        outcome, version = batch["others"].get(str(n), (Outcome.ACCEPTED, 1))
        if outcome in (Outcome.ACCEPTED, Outcome.AMENDED):
            found.append((record, version))
    return found
