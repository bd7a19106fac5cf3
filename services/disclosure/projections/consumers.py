"""What disclosure learns from the feeds of the catalog, of ingest and of objections (decision 5).

A change is applied in one transaction or in several, and the position is remembered with the last one. Applying it again, or
after a newer one, changes nothing.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from itertools import chain
from typing import Any, Final, Protocol

import structlog
from google.protobuf.json_format import MessageToDict
from prometheus_client import Counter

from chengxin.feeds.parts import RecordParts
from chengxin.feeds.quarantine import Quarantine, is_transient, reason_of
from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import Clock, rfc3339, shanghai_date
from chengxin.values.ids import SubjectKey
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from services.disclosure.domain.record_views import RecordVersion
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.records import MOST_BYTES, RecordProjection, TooMuchAtOnce
from services.disclosure.store.disclosure_store import DisclosureStore


class ProjectionContext(Protocol):
    """What following the feeds needs."""

    @property
    def store(self) -> DisclosureStore: ...
    @property
    def keys(self) -> KeyRing: ...
    @property
    def subject_key(self) -> SubjectKey: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def announces(self) -> bool: ...


log = structlog.get_logger()

# Records that one transaction takes at most, and what it may write of what a transaction bears.
_MOST_RECORDS: Final = 800
_SHARE: Final = 0.8
# Bytes that a transaction writes for each of its subjects, and for each of its records: until that is seen, and at least.
_FIRST_GUESS: Final = 8 * 1024.0
_LEAST_GUESS: Final = 1024.0
# Records and bytes of the changes that are read while others are applied: enough to write most subjects once for several of
# their records. Once more as much is being applied.
MOST_GATHERED: Final = 10_000
_MOST_BYTES_GATHERED: Final = 8 * 1024 * 1024

_RECORDS = Counter("chengxin_intake_records", "Versions of records that were taken in")
_BYTES = Counter("chengxin_intake_bytes", "Bytes of the documents that were written for them")


def apply_catalog(ctx: ProjectionContext, unit: UnitOfWork, change: catalog_pb2.Change) -> None:
    """Takes a change of the catalog: versions of entries are kept, the rest concerns others."""
    if change.WhichOneof("change") == "entry":
        plain = MessageToDict(change.entry, preserving_proto_field_name=True)
        ctx.store.save_entry(plain, unit)
        # Records that came before it are applied now.
        Quarantine(ctx.store.store, ctx.clock).arrived(f"{change.entry.code}:{change.entry.version}", unit)


def apply_ingest(ctx: ProjectionContext, unit: UnitOfWork, change: ingest_pb2.Change) -> tuple[int, int]:
    """Takes versions of records; how many bytes were written for how many. Raises `EntryNotYet`, to be tried again, for
    one whose entry has not come yet, and `TooMuchAtOnce` before anything is written."""
    newest: dict[str, ingest_pb2.RecordVersion] = {}
    for version in change.records:
        known = newest.get(version.record_id)
        if known is None or known.version < version.version:
            newest[version.record_id] = version
    if not newest:
        return 0, 0
    work = RecordProjection(ctx.store, ctx.keys, unit, ctx.clock.today().isoformat())
    work.load(newest, [v.subject.subject_ref for v in newest.values()])
    fresh = [
        v for v in newest.values() if (where := work.locations.get(v.record_id)) is None or where.version < v.version
    ]
    if not fresh:
        return 0, 0
    new = [v.record_id for v in fresh if v.record_id not in work.locations]
    awaited = ctx.store.awaited(new, unit) if new else set()
    links = LinkProjection(ctx.store, ctx.subject_key, ctx.keys, unit, rfc3339(ctx.clock.now()))
    announced = PublicChanges(unit, work.today)
    for version in fresh:
        delivered = _delivered(version)
        where, subject = work.locations.get(delivered.record_id), work.subjects[delivered.subject_ref]
        if not delivered.revoked and not subject.state.scheme:
            links.stand(delivered)
        earlier, shown = (list(where.links), where.shown) if where else ([], "")
        work.deliver(delivered, where.objected if where else delivered.record_id in awaited)
        entry = ctx.store.entry(delivered.entry_code, delivered.entry_version)
        now = work.locations[delivered.record_id]
        now.links = links.take(delivered, earlier, entry)
        now.shown = announced.deliver(delivered, entry, now.due, shown)
    work.settle()
    work.save(links.settle(work))
    if ctx.announces:
        announced.move(ctx.store, links.moved)
        announced.publish()
    return work.writes.bytes, len(fresh)


def apply_objection(ctx: ProjectionContext, unit: UnitOfWork, change: objection_pb2.Change) -> None:
    """Takes the state of an objection: its record is marked while any objection to it is open."""
    record_id = change.record_id
    known = record_id in ctx.store.locations([record_id], unit)
    if ctx.store.save_objection(change.objection_no, record_id, change.open, change.position, known, unit):
        _mark(ctx, unit, record_id, record_id in ctx.store.objected([record_id], unit))


def mark_awaited(ctx: ProjectionContext) -> None:
    """Marks records that came at the same moment as an objection to them, in another process: neither saw the other."""
    for record_id in ctx.store.awaited_in_vain():

        def work(unit: UnitOfWork, record_id: str = record_id) -> None:
            _mark(ctx, unit, record_id, record_id in ctx.store.awaited([record_id], unit))

        try:
            ctx.store.store.transact(work)
        # One that cannot be marked is tried again, and the others do not wait for it.
        except Exception as e:
            if is_transient(e):
                raise
            log.warning("not marked as objected to", record_id=record_id, reason=reason_of(e))


def _mark(ctx: ProjectionContext, unit: UnitOfWork, record_id: str, under_objection: bool) -> None:
    """Marks a record, if it is here, and tells the public feed."""
    work = RecordProjection(ctx.store, ctx.keys, unit, ctx.clock.today().isoformat())
    work.load([record_id])
    announced = PublicChanges(unit, work.today)
    announced.mark(work, record_id, under_objection)
    work.settle()
    work.save()
    if ctx.announces:
        announced.publish()


class SealedRecords(RecordParts):
    """Records that are set aside are kept sealed, for they name their subjects."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def pack(self, part: ingest_pb2.Change) -> bytes:
        """Sealed."""
        return self._keys.encrypt_bytes(super().pack(part), "quarantine")

    def unpack(self, kind: str, message: bytes) -> Any:
        """What was sealed."""
        return super().unpack(kind, self._keys.decrypt_bytes(message, "quarantine"))


class Pieces:
    """The stream of ingest's changes in transactions of bearable size.

    What has come is taken in subject by subject: all that is there of a subject is written at once, so one that is far behind
    writes each subject seldom. A position is remembered when all of it is taken in, so after an interruption some of it is
    applied again, which changes nothing. How many subjects and records a piece has follows from the bytes that those before
    it wrote.
    """

    def __init__(
        self,
        has: Callable[[str], bool] = lambda subject_ref: True,
        most: int = _MOST_RECORDS,
    ) -> None:
        """Of the subjects that `has` says."""
        self._has = has
        self._most = most
        # Bytes that a transaction wrote for each of its subjects, and for each of its records, as seen last.
        self._by_subject = self._by_record = _FIRST_GUESS

    def of(self, call: Any) -> "PiecedCall":
        """The stream of a call, cut."""
        return PiecedCall(call, self)

    def own(self, change: ingest_pb2.Change) -> ingest_pb2.Change:
        """What a change says of the subjects that are taken in here."""
        mine = [version for version in change.records if self._has(version.subject.subject_ref)]
        if len(mine) == len(change.records):
            return change
        return ingest_pb2.Change(position=change.position, records=mine, last=change.last)

    def cut(self, changes: Sequence[ingest_pb2.Change]) -> Iterator[ingest_pb2.Change]:
        """Changes that came one after the other in pieces; only the last one may remember a position. Two versions of a
        record are never in one piece, and come in their order: each says something, its name for one."""
        complete = [change.position for change in changes if change.last]
        # What is begun is told with every piece but the last one.
        begun, ends = changes[-1].position, changes[-1].last
        some: dict[str, ingest_pb2.RecordVersion] = {}
        subjects: set[str] = set()
        received = 0
        for version in _subject_by_subject(changes):
            size = version.ByteSize()
            full = received + size > MOST_BYTES // 2 or not self._bears(len(subjects), len(some))
            if some and (full or version.record_id in some):
                yield ingest_pb2.Change(position=begun, records=some.values(), last=False)
                some, subjects, received = {}, set(), 0
            some[version.record_id] = version
            subjects.add(version.subject.subject_ref)
            received += size
        yield ingest_pb2.Change(position=begun, records=some.values(), last=ends)
        if complete and not ends:
            yield ingest_pb2.Change(position=complete[-1], last=True)

    def apply(self, ctx: ProjectionContext, unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        """`apply_ingest`, learning how much a subject and a record write."""
        try:
            written, records = apply_ingest(ctx, unit, change)
        except TooMuchAtOnce:
            self._by_subject, self._by_record = 2 * self._by_subject, 2 * self._by_record
            raise
        if records:
            unit.committed += (lambda: _BYTES.inc(written), lambda: _RECORDS.inc(records))
            subjects = len({version.subject.subject_ref for version in change.records})
            self._by_subject = max(written / subjects, 0.7 * self._by_subject, _LEAST_GUESS)
            self._by_record = max(written / records, 0.7 * self._by_record, _LEAST_GUESS)

    def _bears(self, subjects: int, records: int) -> bool:
        """Whether a piece of so many bears one more of each. What it writes is a part for each subject and a part for each
        record, so it is at most what either would make of it alone."""
        written = max((subjects + 1) * self._by_subject, (records + 1) * self._by_record)
        return records < self._most and written <= MOST_BYTES * _SHARE


def _subject_by_subject(changes: Sequence[ingest_pb2.Change]) -> Iterator[ingest_pb2.RecordVersion]:
    """Versions of records, those of a subject together. Of a record that went to another subject the earlier version comes
    earlier: what comes after a newer one is not applied any more."""
    groups: dict[str, list[ingest_pb2.RecordVersion]] = {}
    whose: dict[str, str] = {}
    for change in changes:
        for version in change.records:
            ref = version.subject.subject_ref
            if whose.setdefault(version.record_id, ref) != ref:
                yield from chain.from_iterable(groups.values())
                groups, whose = {}, {version.record_id: ref}
            groups.setdefault(ref, []).append(version)
    yield from chain.from_iterable(groups.values())


class _Gathering:
    """What a stream has told and nobody has taken yet: as much as memory allows."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes: list[ingest_pb2.Change] = []
        self._records = self._bytes = 0
        self._error: Exception | None = None
        self._ended = self._given_up = False

    def put(self, change: ingest_pb2.Change) -> bool:
        """Adds a change when there is room; False when nobody is going to take it."""
        with self._condition:
            self._condition.wait_for(lambda: self._given_up or self._has_room())
            self._changes.append(change)
            # One without records takes room, too.
            self._records += max(1, len(change.records))
            self._bytes += change.ByteSize()
            self._condition.notify_all()
            return not self._given_up

    def end(self, error: Exception | None = None) -> None:
        """The stream has ended, with an error or in good order."""
        with self._condition:
            self._ended, self._error = True, error
            self._condition.notify_all()

    def give_up(self) -> None:
        """Nobody is going to take anything any more."""
        with self._condition:
            self._given_up = True
            self._condition.notify_all()

    def is_given_up(self) -> bool:
        """Whether nobody is going to take anything any more."""
        with self._condition:
            return self._given_up

    def take(self) -> list[ingest_pb2.Change]:
        """All that is there, once there is something; nothing when the stream has ended. Raises its error."""
        with self._condition:
            self._condition.wait_for(lambda: self._changes or self._ended or self._given_up)
            if self._given_up:
                return []
            if not self._changes and self._error is not None:
                raise self._error
            taken, self._changes = self._changes, []
            self._records = self._bytes = 0
            self._condition.notify_all()
            return taken

    def _has_room(self) -> bool:
        return self._records < MOST_GATHERED and self._bytes < _MOST_BYTES_GATHERED


class PiecedCall:
    """A gRPC stream as the follower uses it: while what has come is applied, what comes next is read.

    It is only read: what else a second thread does at that time delays every answer of the store by the interpreter's turn.
    """

    def __init__(self, call: Any, pieces: Pieces) -> None:
        self._call = call
        self._pieces = pieces
        self._gathering = _Gathering()

    def initial_metadata(self) -> Any:
        """When the stream is open."""
        return self._call.initial_metadata()

    def cancel(self) -> Any:
        """Ends the stream; what has come is left to whoever asks for it again."""
        self._gathering.give_up()
        return self._call.cancel()

    def __iter__(self) -> Iterator[ingest_pb2.Change]:
        reader = threading.Thread(target=self._read, name="feed-reader", daemon=True)
        reader.start()
        try:
            while changes := self._gathering.take():
                for piece in self._pieces.cut(changes):
                    yield piece
                    if self._gathering.is_given_up():
                        return
        finally:
            self.cancel()
            reader.join()

    def _read(self) -> None:
        try:
            for change in self._call:
                if not self._gathering.put(self._pieces.own(change)):
                    return
        # Whoever follows is told.
        except Exception as e:
            self._gathering.end(e)
        else:
            self._gathering.end()


def _delivered(version: ingest_pb2.RecordVersion) -> RecordVersion:
    recorded = version.recorded_at.ToDatetime(UTC)
    return RecordVersion(
        version.record_id,
        version.version,
        version.entry_code,
        version.entry_version,
        version.provider_uscc,
        version.provider_name,
        version.subject.subject_ref,
        version.subject.scheme,
        version.subject.kind,
        version.subject.name,
        version.subject.uscc,
        {code: value for code, value in version.items.items() if value},
        version.revoked,
        rfc3339(recorded),
        shanghai_date(recorded),
    )
