"""Reads what was delivered (Art. 12, 30): a provider reads its own submissions, an organ those of all; and the feed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import NOT_FOUND, Problem
from chengxin.store.database import OutboxRow
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.published_version import PublishedVersion
from services.ingest.domain.submission import FEED_NOT_FOR_YOU, OutcomeKind, Receipt, submission_key
from services.ingest.domain.submission_view import SubmissionView
from services.ingest.domain.validator import Violation
from services.ingest.store.rejects import RejectContent, opened_reject
from services.ingest.usecases.permissions import own

T = TypeVar("T")

_READERS: Final = {Role.PROVIDER, Role.CENTRE, Role.AUTHORITY, Role.SUPERVISOR}
# The most records in one message of the feed, and the most characters: a message has 16 MB at most, a character four
# bytes. A record has 2^20 characters at most.
_PART: Final = 500
_PART_CHARACTERS: Final = 2_000_000
# `corrections` also tells each position that this number divides: its follower keeps the position, and after a restart
# reads at most this number of positions again.
_TOLD: Final = 100


@dataclass(frozen=True)
class RejectRow:
    """A rejected record: its row, its items as delivered, and what is wrong."""

    row: int
    items: dict[str, str]
    violations: Sequence[Violation]


@dataclass(frozen=True)
class FeedBatchPart:
    """Some record versions of one committed transaction."""

    position: int
    at: datetime
    records: Sequence[PublishedVersion]
    last: bool


def own_submission(
    ctx: IngestContext, caller: Principal, found: SubmissionView | None, submission_id: str
) -> Problem | None:
    """a provider reads only its own submissions"""
    if found is None or (Role.PROVIDER in caller.roles and found.provider != caller.org):
        return NOT_FOUND(what=submission_id)
    return None


@query(Act.SUBMISSION_LISTED, roles=_READERS, articles=("12", "30"), when=(own,))
def submissions(
    ctx: IngestContext, caller: Principal, provider: str, after: Any, size: int
) -> tuple[list[SubmissionView], Any]:
    """Submissions, latest first, and the position of the next page; of all providers when an organ names none."""
    of = caller.org if Role.PROVIDER in caller.roles else provider
    ctx.audit.record(ctx.audit.event(Act.SUBMISSION_LISTED, caller, details={"provider": of} if of else {}))
    found = [SubmissionView.read(row) for row in ctx.store.submissions_of(of, after, size + 1)]
    page = found[:size]
    following = [page[-1].created_at.isoformat(), page[-1].key] if len(found) > size else None
    return page, following


@query(Act.SUBMISSION_READ, roles=_READERS, articles=("12", "30"), may=own_submission)
def submission(ctx: IngestContext, caller: Principal, provider: str, submission_id: str) -> SubmissionView:
    """One submission with its receipt. Raises NOT_FOUND."""
    return _read(ctx, Act.SUBMISSION_READ, caller, provider, submission_id)


@query(Act.RECEIPT_READ, roles=_READERS, articles=("12",), may=own_submission)
def receipt(ctx: IngestContext, caller: Principal, provider: str, submission_id: str) -> Receipt:
    """The receipt of a closed submission. Raises NOT_FOUND."""
    found = _read(ctx, Act.RECEIPT_READ, caller, provider, submission_id)
    if found.receipt is None:
        raise NOT_FOUND(what=f"{submission_id}/receipt")
    return found.receipt


@query(Act.REJECTS_READ, roles={Role.PROVIDER}, articles=("9", "12"), may=own_submission)
def rejects(
    ctx: IngestContext, caller: Principal, submission_id: str, after: Any, size: int
) -> tuple[list[RejectRow], Any]:
    """Rejected records of the caller's submission by row, and the position of the next page. Raises NOT_FOUND."""
    found = _read(ctx, Act.REJECTS_READ, caller, caller.org, submission_id)
    rows = ctx.store.rejects_of(found.key, after, size + 1)
    page = rows[:size]
    following = [page[-1]["row"], page[-1]["_id"]] if len(rows) > size else None
    return [_opened(row["row"], opened_reject(ctx.ring, row)) for row in page], following


@query(Act.REJECTS_READ, roles={Role.PROVIDER}, articles=("9", "12"), may=own_submission)
def all_rejects(
    ctx: IngestContext, caller: Principal, submission_id: str
) -> tuple[SubmissionView, Iterator[RejectRow]]:
    """The caller's submission and every rejected record of it, read as they are asked for. Raises NOT_FOUND."""
    found = _read(ctx, Act.REJECTS_READ, caller, caller.org, submission_id)
    rows = ctx.store.every_reject(found.key)
    return found, (_opened(row["row"], opened_reject(ctx.ring, row)) for row in rows)


def receipt_keys(ctx: IngestContext) -> list[dict[str, str]]:
    """Every public key with which receipts were signed, as JSON Web Keys (RFC 7517)."""
    return ctx.store.jwks()


def disclosure_only(ctx: IngestContext, caller: Principal, *_: Any) -> Problem | None:
    """the service is disclosure"""
    return None if caller.client_id == "disclosure" else FEED_NOT_FOR_YOU()


def objection_only(ctx: IngestContext, caller: Principal, *_: Any) -> Problem | None:
    """the service is objection"""
    return None if caller.client_id == "objection" else FEED_NOT_FOR_YOU()


@query(Act.RECORDS_FOLLOWED, roles={Role.SERVICE}, articles=("15",), when=(disclosure_only,))
def changes(ctx: IngestContext, caller: Principal, after: int, running: Callable[[], bool]) -> Iterator[FeedBatchPart]:
    """Committed record versions after a position, in order, without end."""
    ctx.audit.record(ctx.audit.event(Act.RECORDS_FOLLOWED, caller, details={"after": after}))
    for row in ctx.store.follow(after, running):
        yield from _parts(ctx, row)


@query(Act.CORRECTIONS_FOLLOWED, roles={Role.SERVICE}, articles=("25", "27"), when=(objection_only,))
def corrections(
    ctx: IngestContext, caller: Principal, after: int, running: Callable[[], bool]
) -> Iterator[FeedBatchPart]:
    """Later versions of records after a position, in order without end, and every hundredth position.

    Whoever made them and whatever they name: a case learns of every change of its record.
    """
    ctx.audit.record(ctx.audit.event(Act.CORRECTIONS_FOLLOWED, caller, details={"after": after}))
    for row in ctx.store.follow(after, running):
        if is_told(row):
            made = [version for change in row.changes if _changes_records(change) for version in _later(ctx, change)]
            # No value of any item is told: the follower compares none.
            records = [replace(PublishedVersion.read(version), items={}) for version in ctx.store.exactly(made)]
            yield FeedBatchPart(row.position, row.at, records, last=True)


def is_told(row: OutboxRow) -> bool:
    """Whether `corrections` tells its follower of a row."""
    return not row.position % _TOLD or any(map(_changes_records, row.changes))


def _changes_records(change: RawDocument) -> bool:
    # A batch is read only when its figures count a record that was there before.
    return change["kind"] == "record" or (change["kind"] == "batch" and bool(change.get("figures", {}).get("amended")))


def _later(ctx: IngestContext, change: RawDocument) -> list[tuple[str, int]]:
    return [(record, version) for record, version in _versions(ctx, change) if version > 1]


@dataclass(frozen=True)
class ComparedRecord:
    """The current version of a record, and the items that an earlier version has with other values."""

    version: PublishedVersion
    changed_items: Sequence[str]


@query(Act.RECORD_HEAD_READ, roles={Role.SERVICE}, articles=("23", "27"), when=(objection_only,))
def head(ctx: IngestContext, caller: Principal, record_id: str, since_version: int) -> ComparedRecord:
    """The current version of a record, which names its subject and its provider, and the items that have changed since
    another version, where one is named. Raises NOT_FOUND."""
    if (found := ctx.store.record(record_id)) is None:
        raise NOT_FOUND(what=record_id)
    about = {"subject_refs": [found["subject"]["ref"]], "entries": [found["entry_code"]], "records": [record_id]}
    ctx.audit.record(ctx.audit.event(Act.RECORD_HEAD_READ, caller, **about))
    earlier = ctx.store.exactly([(record_id, since_version)]) if 0 < since_version < found["version"] else []
    changed = [code for before in earlier for code in _changed_items(ctx, before, found)]
    return ComparedRecord(PublishedVersion.read(found), changed)


def _changed_items(ctx: IngestContext, before: RawDocument, after: RawDocument) -> list[str]:
    then, now = (
        ctx.recorder.opened(ctx.directory.version(row["entry_code"], row["entry_version"]), row)
        for row in (before, after)
    )
    return sorted(code for code in then.keys() | now.keys() if then.get(code, "") != now.get(code, ""))


def _read(ctx: IngestContext, act: Act, caller: Principal, provider: str, submission_id: str) -> SubmissionView:
    """A submission that the caller may read, the reading of it on record first."""
    row = ctx.store.submission(submission_key(provider or caller.org, submission_id))
    found = authorise(SubmissionView.read(row) if row else None, submission_id)
    details = {"submission_id": submission_id}
    ctx.audit.record(ctx.audit.event(act, caller, entries=[found.entry_code], details=details))
    return found


def _opened(row: int, content: RejectContent) -> RejectRow:
    return RejectRow(row, content.items, content.violations)


def _parts(ctx: IngestContext, row: OutboxRow) -> Iterator[FeedBatchPart]:
    pieces = [piece for change in row.changes for piece in _pieces(ctx, change)]
    if row.changes and not pieces:
        # Nothing of the batch was accepted: the follower goes on to its position, and is not behind.
        yield FeedBatchPart(row.position, row.at, (), last=True)
    for number, read in enumerate(pieces, 1):
        messages = messages_of([PublishedVersion.read(version) for version in read()])
        for place, records in enumerate(messages, 1):
            yield FeedBatchPart(row.position, row.at, records, number == len(pieces) and place == len(messages))


def messages_of(records: Sequence[PublishedVersion]) -> list[Sequence[PublishedVersion]]:
    """Divides records so that each message can be sent; one that is too large would stop its follower for ever."""
    found: list[list[PublishedVersion]] = [[]]
    size = 0
    for record in records:
        length = sum(map(len, record.items.values()))
        if found[-1] and size + length > _PART_CHARACTERS:
            found.append([])
            size = 0
        found[-1].append(record)
        size += length
    return list(found)


def _pieces(ctx: IngestContext, change: RawDocument) -> Iterator[Callable[[], Sequence[RawDocument]]]:
    """Functions that read a change's versions, in order, each as many as a message takes."""
    held = ctx.recent.of(change["batch"]) if change["kind"] == "batch" else None
    if held is not None:
        return (partial(list, piece) for piece in _cut(held))
    return (partial(ctx.store.exactly, piece) for piece in _cut(_versions(ctx, change)))


def _cut(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + _PART] for start in range(0, len(rows), _PART))


def _versions(ctx: IngestContext, change: RawDocument) -> list[tuple[str, int]]:
    if change["kind"] == "record":
        return [(change["record"], change["version"])]
    batch = ctx.store.batch_named(change["batch"])
    if batch is None:
        raise RuntimeError("the outbox names a batch that is not there")
    found = []
    for n, record in enumerate(batch["records"]):
        outcome, version = batch["others"].get(str(n), (OutcomeKind.ACCEPTED, 1))
        if outcome in (OutcomeKind.ACCEPTED, OutcomeKind.AMENDED):
            found.append((record, version))
    return found
