"""What disclosure learns from the feeds of the catalog, of ingest and of objections (decision 5).

Each change is applied in one transaction with the position. Applying it again, or after a newer one, changes nothing.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from pymongo.errors import OperationFailure

from chengxin.catalog.v1 import catalog_pb2
from chengxin.clock import rfc3339, shanghai_date
from chengxin.ingest.v1 import ingest_pb2
from chengxin.mongo import Unit
from chengxin.objection.v1 import objection_pb2
from services.disclosure.announcing import Announcement
from services.disclosure.model import Delivered
from services.disclosure.relinking import Relinking
from services.disclosure.rewriting import Rewriting
from services.disclosure.room import Disclosure
from services.disclosure.store import is_too_large

# How many records one transaction takes. Each may rewrite a page in four views: with long texts a quarter of a
# megabyte, and the embedded store refuses transactions of some twenty.
_PIECE: Final = 250
# A conflict with another writer is over after a few.
_ATTEMPTS: Final = 5


def apply_catalog(room: Disclosure, unit: Unit, change: catalog_pb2.Change) -> None:
    """Takes a change of the catalog: versions of entries are kept, the rest concerns others."""
    if change.WhichOneof("change") == "entry":
        plain = MessageToDict(change.entry, preserving_proto_field_name=True)
        room.store.save_entry(plain, unit)


def apply_ingest(room: Disclosure, unit: Unit, change: ingest_pb2.Change) -> None:
    """Takes versions of records. Raises `EntryNotYet`, to be tried again, for one whose entry has not come yet."""
    newest: dict[str, ingest_pb2.RecordVersion] = {}
    for version in change.records:
        known = newest.get(version.record_id)
        if known is None or known.version < version.version:
            newest[version.record_id] = version
    if not newest:
        return
    work = Rewriting(room.store, room.keys, unit, room.clock.today().isoformat())
    work.load(newest, [v.subject.subject_ref for v in newest.values()])
    fresh = [
        v for v in newest.values() if (where := work.locations.get(v.record_id)) is None or where.version < v.version
    ]
    if not fresh:
        return
    objected = room.store.objected([v.record_id for v in fresh], unit)
    links = Relinking(room.store, room.subject_key, room.keys, unit, rfc3339(room.clock.now()))
    announced = Announcement(unit, work.today)
    for version in fresh:
        delivered = _delivered(version)
        where, subject = work.locations.get(delivered.record_id), work.subjects[delivered.subject_ref]
        if not delivered.revoked and not subject.scheme:
            links.stand(delivered)
        work.deliver(delivered, delivered.record_id in objected)
        entry = room.store.entry(delivered.entry_code, delivered.entry_version)
        now = work.locations[delivered.record_id]
        now.links = links.take(delivered, where.links if where else (), entry)
        now.shown = announced.deliver(delivered, entry, now.due, where.shown if where else "")
    work.save()
    links.save(work.subjects)
    announced.move(room.store, links.moved)
    announced.publish()


def apply_objection(room: Disclosure, unit: Unit, change: objection_pb2.Change) -> None:
    """Takes the state of an objection: its record is marked while any objection to it is open."""
    record_id = change.record_id
    if not room.store.save_objection(change.objection_no, record_id, change.open, change.position, unit):
        return
    work = Rewriting(room.store, room.keys, unit, room.clock.today().isoformat())
    work.load([record_id])
    announced = Announcement(unit, work.today)
    announced.mark(work, record_id, record_id in room.store.objected([record_id], unit))
    work.save()
    announced.publish()


class TooMuchAtOnce(Exception):
    """The store does not take a transaction of this size."""


class Pieces:
    """The stream of ingest's changes in transactions of bearable size.

    A position that comes in several pieces is remembered at the last one, so a piece is applied again after an
    interruption, which changes nothing. When the store refuses a piece for its size, the next attempt cuts finer.
    """

    def __init__(self, size: int = _PIECE) -> None:
        self._size = size
        self._largest = size
        self._attempted: ingest_pb2.Change | None = None
        self._attempts = 0

    def of(self, call: Any) -> "PiecedCall":
        """The stream of a call, cut."""
        return PiecedCall(call, self)

    def cut(self, change: ingest_pb2.Change) -> Iterator[ingest_pb2.Change]:
        """A change in pieces; all but the last leave the position unremembered."""
        records, start = change.records, 0
        while len(records) - start > self._size:
            size = self._size
            yield ingest_pb2.Change(position=change.position, records=records[start : start + size], last=False)
            start += size
        yield ingest_pb2.Change(position=change.position, records=records[start:], last=change.last)
        self._size = min(self._largest, self._size * 2)

    def apply(self, room: Disclosure, unit: Unit, change: ingest_pb2.Change) -> None:
        """`apply_ingest`, learning from a refusal for size.

        The store also says it by failing the same transaction as often as it is tried, which the driver would go on
        doing for two minutes. Raises `TooMuchAtOnce`, to be tried again in finer pieces.
        """
        self._attempts = self._attempts + 1 if change is self._attempted else 1
        self._attempted = change
        if self._attempts > _ATTEMPTS:
            raise self._finer()
        try:
            apply_ingest(room, unit, change)
        except OperationFailure as e:
            if is_too_large(e):
                raise self._finer() from e
            raise

    def _finer(self) -> "TooMuchAtOnce":
        self._attempted = None
        self._size = max(1, self._size // 2)
        return TooMuchAtOnce(f"the next pieces have {self._size} records")


class PiecedCall:
    """A gRPC stream as the follower uses it."""

    def __init__(self, call: Any, pieces: Pieces) -> None:
        self._call = call
        self._pieces = pieces

    def initial_metadata(self) -> Any:
        """When the stream is open."""
        return self._call.initial_metadata()

    def cancel(self) -> Any:
        """Ends the stream."""
        return self._call.cancel()

    def __iter__(self) -> Iterator[ingest_pb2.Change]:
        for change in self._call:
            yield from self._pieces.cut(change)


def _delivered(version: ingest_pb2.RecordVersion) -> Delivered:
    recorded = version.recorded_at.ToDatetime(UTC)
    return Delivered(
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
