"""Applies the changes in the feeds of the catalog, ingest and objection services to disclosure's store (principle 5).

One transaction or several apply a change, and the last one saves the position. Disclosure may apply a change again, or
after a newer one: then nothing changes.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from itertools import chain
from typing import Any, Final, Protocol

import msgspec
import structlog
from google.protobuf.json_format import MessageToDict
from prometheus_client import Counter

from chengxin.failures import is_transient, reason_of
from chengxin.feeds.parts import RecordParts
from chengxin.feeds.quarantine import Quarantine
from chengxin.store.database import UnitOfWork
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import Clock, rfc3339, shanghai_date
from chengxin.values.ids import SubjectKey
from chengxin.values.subject_kinds import INDIVIDUAL
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.person_lookup import lookups_of
from services.disclosure.domain.record_views import RecordVersion, has_two_subjects
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.read_ahead import PiecedCall
from services.disclosure.projections.records import MOST_BYTES, RecordProjection, TooMuchAtOnce, opened
from services.disclosure.store.disclosure_store import DisclosureStore


class ProjectionContext(Protocol):
    """What the consumers of the feeds need."""

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

# Records that one transaction takes at most, and the share of `MOST_BYTES` that it plans to write.
_MOST_RECORDS: Final = 800
_PLANNED_SHARE: Final = 0.8
# Bytes that a transaction writes for each of its subjects, and for each of its records: the first guess, before any was
# measured, and the least.
_FIRST_BYTES_EACH: Final = 8 * 1024.0
_LEAST_BYTES_EACH: Final = 1024.0

_RECORDS = Counter("chengxin_intake_records", "Versions of records that were taken in")
_BYTES = Counter("chengxin_intake_bytes", "Bytes of the documents that were written for them")


def apply_catalog(ctx: ProjectionContext, unit: UnitOfWork, change: catalog_pb2.Change) -> None:
    """Applies a change of the catalog. It keeps versions of entries; the other changes concern other services."""
    if change.WhichOneof("change") == "entry":
        entry = MessageToDict(change.entry, preserving_proto_field_name=True)
        ctx.store.save_entry(entry, unit)
        # Records that came before this version are applied now.
        Quarantine(ctx.store.store, ctx.clock).arrived(f"{change.entry.code}:{change.entry.version}", unit)


def apply_ingest(ctx: ProjectionContext, unit: UnitOfWork, change: ingest_pb2.Change) -> tuple[int, int]:
    """Applies versions of records. Returns the bytes written and the number of records. Raises `EntryNotYet`, to be
    tried again, for a record whose entry has not come yet, and `TooMuchAtOnce` before anything is written."""
    newest: dict[str, ingest_pb2.RecordVersion] = {}
    for version in change.records:
        known = newest.get(version.record_id)
        if known is None or known.version < version.version:
            newest[version.record_id] = version
    if not newest:
        return 0, 0
    work = RecordProjection(ctx.store, ctx.keys, unit, ctx.clock.today().isoformat())
    work.load(newest, [v.subject.subject_ref for v in newest.values()])
    newer = [
        v
        for v in newest.values()
        if (location := work.locations.get(v.record_id)) is None or location.version < v.version
    ]
    if not newer:
        return 0, 0
    new = [v.record_id for v in newer if v.record_id not in work.locations]
    awaited = ctx.store.objections.awaited(new, unit) if new else set()
    links = LinkProjection(ctx.store, ctx.subject_key, ctx.keys, unit, rfc3339(ctx.clock.now()))
    announced = PublicChanges(unit, work.today)
    for version in newer:
        entry = ctx.store.entry(version.entry_code, version.entry_version)
        delivered = _without_another_name(_read_version(version), entry)
        location, subject = work.locations.get(delivered.record_id), work.subjects[delivered.subject_ref]
        if not delivered.revoked and not subject.state.scheme:
            links.stand(delivered)
        earlier, shown = (list(location.links), location.shown) if location else ([], "")
        objected = location.objected if location else delivered.record_id in awaited
        work.deliver(delivered, objected, _lookups(ctx, delivered, entry))
        new_location = work.locations[delivered.record_id]
        new_location.links = links.take(delivered, earlier, entry)
        new_location.shown = announced.deliver(delivered, entry, new_location.due, shown)
    work.settle()
    work.save(links.settle(work))
    if ctx.announces:
        announced.move(ctx.store, dict.fromkeys((*links.moved, *work.restricted)))
        announced.publish()
    return work.writes.bytes, len(newer)


def _without_another_name(delivered: RecordVersion, entry: DisclosureEntry | None) -> RecordVersion:
    """The version without the subject's name, where it may be that of a person whom the record names beside it."""
    if entry is None or not has_two_subjects(delivered, entry):
        return delivered
    return msgspec.structs.replace(delivered, name="")


def _lookups(ctx: ProjectionContext, delivered: RecordVersion, entry: DisclosureEntry | None) -> list[str]:
    if entry is None or delivered.revoked or delivered.kind != INDIVIDUAL:
        return []
    plain = delivered.items | opened(ctx.keys, delivered.items, entry)
    return lookups_of(ctx.subject_key, plain, entry)


def apply_objection(ctx: ProjectionContext, unit: UnitOfWork, change: objection_pb2.Change) -> None:
    """Applies the state of an objection. Its record is marked while any objection to it is open."""
    record_id = change.record_id
    known = record_id in ctx.store.locations([record_id], unit)
    if ctx.store.objections.save(change.objection_no, record_id, change.open, change.position, known, unit):
        _mark_record(ctx, unit, record_id, record_id in ctx.store.objections.objected([record_id], unit))


def mark_awaited(ctx: ProjectionContext, after: str = "") -> str:
    """Marks records that came at the same moment as an objection to them, in another process: neither transaction saw
    the other. It looks at some objections, those after a number, and returns the number to go on after; empty at the
    end."""
    in_vain, go_on_after = ctx.store.objections.awaited_in_vain(after)
    for record_id in in_vain:

        def work(unit: UnitOfWork, record_id: str = record_id) -> None:
            _mark_record(ctx, unit, record_id, record_id in ctx.store.objections.awaited([record_id], unit))

        try:
            ctx.store.store.transact(work)
        # A record that cannot be marked is tried again later, and the others do not wait for it.
        except Exception as e:
            if is_transient(e):
                raise
            log.warning("not marked as objected to", record_id=record_id, reason=reason_of(e))
    return go_on_after


def _mark_record(ctx: ProjectionContext, unit: UnitOfWork, record_id: str, under_objection: bool) -> None:
    """Marks a record, if it is here, and publishes that in the public feed."""
    work = RecordProjection(ctx.store, ctx.keys, unit, ctx.clock.today().isoformat())
    work.load([record_id])
    announced = PublicChanges(unit, work.today)
    announced.mark(work, record_id, under_objection)
    work.settle()
    work.save()
    if ctx.announces:
        announced.publish()


class SealedRecords(RecordParts):
    """Seals records that are set aside, because they name their subjects."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def pack(self, part: ingest_pb2.Change) -> bytes:
        """Packs and seals a part."""
        return self._keys.encrypt_bytes(super().pack(part), "quarantine")

    def unpack(self, kind: str, message: bytes) -> Any:
        """Opens and unpacks a sealed part."""
        return super().unpack(kind, self._keys.decrypt_bytes(message, "quarantine"))


class Pieces:
    """Cuts the stream of ingest's changes into pieces, one for each transaction, that the store can bear.

    The changes that have come are taken in subject by subject: everything about a subject is written at once, so a
    process that is far behind writes each subject seldom. A position is saved when everything up to it is taken in, so
    after an interruption some changes are applied again, which changes nothing. The number of subjects and records in a
    piece follows from the bytes that the pieces before it wrote.
    """

    def __init__(
        self,
        has: Callable[[str], bool] = lambda subject_ref: True,
        most: int = _MOST_RECORDS,
    ) -> None:
        """Takes the changes about those subjects for which `has` is true."""
        self._has = has
        self._most = most
        # Bytes that the latest transactions wrote for each of their subjects, and for each of their records.
        self._by_subject = self._by_record = _FIRST_BYTES_EACH

    def of(self, call: Any) -> PiecedCall:
        """Returns the stream of a call, cut into pieces."""
        return PiecedCall(call, self.own, self.cut)

    def own(self, change: ingest_pb2.Change) -> ingest_pb2.Change:
        """Returns the part of a change that is about the subjects that are taken in here."""
        mine = [version for version in change.records if self._has(version.subject.subject_ref)]
        if len(mine) == len(change.records):
            return change
        return ingest_pb2.Change(position=change.position, records=mine, last=change.last)

    def cut(self, changes: Sequence[ingest_pb2.Change]) -> Iterator[ingest_pb2.Change]:
        """Yields successive changes in pieces; only the last piece may save a position. Two versions of a record are
        never in one piece, and come in their order, because each of them brings something, for example a name."""
        complete = [change.position for change in changes if change.last]
        # Every piece but the last one carries the position that counts as begun.
        begun, complete_at_end = changes[-1].position, changes[-1].last
        piece: dict[str, ingest_pb2.RecordVersion] = {}
        subjects: set[str] = set()
        received = 0
        for version in _subject_by_subject(changes):
            size = version.ByteSize()
            full = received + size > MOST_BYTES // 2 or not self._can_take_another(len(subjects), len(piece))
            if piece and (full or version.record_id in piece):
                yield ingest_pb2.Change(position=begun, records=piece.values(), last=False)
                piece, subjects, received = {}, set(), 0
            piece[version.record_id] = version
            subjects.add(version.subject.subject_ref)
            received += size
        yield ingest_pb2.Change(position=begun, records=piece.values(), last=complete_at_end)
        if complete and not complete_at_end:
            yield ingest_pb2.Change(position=complete[-1], last=True)

    def apply(self, ctx: ProjectionContext, unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        """Applies a piece with `apply_ingest`, and measures the bytes for a subject and for a record."""
        try:
            written, records = apply_ingest(ctx, unit, change)
        except TooMuchAtOnce:
            self._by_subject, self._by_record = 2 * self._by_subject, 2 * self._by_record
            raise
        if records:
            unit.committed += (lambda: _BYTES.inc(written), lambda: _RECORDS.inc(records))
            subjects = len({version.subject.subject_ref for version in change.records})
            self._by_subject = max(written / subjects, 0.7 * self._by_subject, _LEAST_BYTES_EACH)
            self._by_record = max(written / records, 0.7 * self._by_record, _LEAST_BYTES_EACH)

    def _can_take_another(self, subjects: int, records: int) -> bool:
        """Returns whether a piece with so many subjects and records can take one more of each. A piece writes some
        bytes for each subject and some for each record. Each estimate counts all bytes for one of the two, so the
        larger estimate is an upper bound."""
        written = max((subjects + 1) * self._by_subject, (records + 1) * self._by_record)
        return records < self._most and written <= MOST_BYTES * _PLANNED_SHARE


def _subject_by_subject(changes: Sequence[ingest_pb2.Change]) -> Iterator[ingest_pb2.RecordVersion]:
    """Yields versions of records, those of a subject together. When a record went to another subject, its earlier
    version comes earlier, because an older version is not applied after a newer one."""
    groups: dict[str, list[ingest_pb2.RecordVersion]] = {}
    subject_of: dict[str, str] = {}
    for change in changes:
        for version in change.records:
            ref = version.subject.subject_ref
            if subject_of.setdefault(version.record_id, ref) != ref:
                yield from chain.from_iterable(groups.values())
                groups, subject_of = {}, {version.record_id: ref}
            groups.setdefault(ref, []).append(version)
    yield from chain.from_iterable(groups.values())


def _read_version(version: ingest_pb2.RecordVersion) -> RecordVersion:
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
