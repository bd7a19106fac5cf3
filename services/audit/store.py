"""The log's collections and every query on them.

`groups` is the log: one document for each write, holding entries and, apart from them, their leaf hashes. `tiles` holds
full tiles, each with its root; `checkpoints` what was signed; `segments` and `buckets` the search index. What is served is what is
stored: nothing is computed again from the entries, so an altered one shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pymongo
from bson.binary import Binary
from mongoengine import BinaryField, DictField, Document, IntField, ListField, LongField, StringField
from pymongo import ReplaceOne
from pymongo.collection import Collection

from chengxin import tlog
from chengxin.mongo import Store
from services.audit.model import Delivered, Logged

Plain = dict[str, Any]

# A store that does not answer a write within this many seconds is treated as lost: the outcome is unknown.
_WRITE_SECONDS: Final = 4.0
_PROGRESS: Final = "log"


class GroupRow(Document):
    """One durable write of the log."""

    first = LongField(primary_key=True)
    count = IntField(required=True)
    entries = ListField(BinaryField())
    leaves = BinaryField()
    # The roots of the complete subtrees after this group, and how far each service's outbox is on the log.
    frontier = BinaryField()
    delivered = DictField()
    meta = {"db_alias": "audit", "collection": "groups"}


class TileRow(Document):
    """A full tile."""

    key = StringField(primary_key=True)
    hashes = BinaryField()
    root = BinaryField()
    meta = {"db_alias": "audit", "collection": "tiles"}


class CheckpointRow(Document):
    """A signed checkpoint."""

    size = LongField(primary_key=True)
    note = StringField()
    at = StringField()
    meta = {"db_alias": "audit", "collection": "checkpoints"}


class SegmentRow(Document):
    """A segment of the search index, and the time of each of its entries; its buckets are written before it."""

    start = LongField(primary_key=True)
    end = LongField(required=True)
    earliest = LongField(required=True)
    latest = LongField(required=True)
    times = BinaryField()
    meta = {"db_alias": "audit", "collection": "segments"}


class BucketRow(Document):
    """A part of a segment: see `postings.py`."""

    key = StringField(primary_key=True)  # <bucket>/<start, 15 digits>
    packed = BinaryField()
    meta = {"db_alias": "audit", "collection": "buckets"}


class ProgressRow(Document):
    """How far tiles are derived from the groups, with the frontier there."""

    key = StringField(primary_key=True)
    size = LongField()
    frontier = BinaryField()
    meta = {"db_alias": "audit", "collection": "progress"}


@dataclass(frozen=True)
class Group:
    """One write of the log as it is stored."""

    first: int
    entries: list[bytes]
    leaves: list[bytes]
    frontier: bytes
    delivered: dict[str, Delivered]

    @property
    def end(self) -> int:
        """The size of the log after it."""
        return self.first + len(self.leaves)

    def logged(self) -> Iterator[Logged]:
        """Its entries with their index."""
        return (Logged(self.first + n, entry) for n, entry in enumerate(self.entries))


@dataclass(frozen=True)
class Segment:
    """A range of entries that is in the search index; times in microseconds since 1970."""

    start: int
    end: int
    earliest: int
    latest: int


@dataclass(frozen=True)
class Published:
    """A checkpoint that was published, as a signed note; `at` in RFC 3339."""

    size: int
    note: str
    at: str


class AuditStore:
    """What the audit service keeps."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create_indexes(self) -> None:
        """Makes the collections and their indexes; doing it again changes nothing."""
        for row in (GroupRow, TileRow, CheckpointRow, SegmentRow, BucketRow, ProgressRow):
            row.ensure_indexes()

    # The log

    def append(
        self, first: int, entries: Sequence[bytes], leaves: bytes, frontier: bytes, delivered: Mapping[str, Delivered]
    ) -> None:
        """Writes a group, majority and journalled, in one round trip. Whoever writes a second group at the same place
        gets `DuplicateKeyError`; after any error the outcome is unknown."""
        row = {
            "_id": first,
            "count": len(entries),
            "entries": [Binary(e) for e in entries],
            "leaves": Binary(leaves),
            "frontier": Binary(frontier),
            "delivered": {service: [d.position, d.events] for service, d in delivered.items()},
        }
        with pymongo.timeout(_WRITE_SECONDS):
            _rows(GroupRow).insert_one(row)

    def last_groups(self, limit: int) -> list[Group]:
        """The newest groups, newest first."""
        return [_group(row) for row in _rows(GroupRow).find().sort("_id", -1).limit(limit)]

    def groups(self, start: int) -> Iterator[Group]:
        """Groups from an index on, in order, as they are read."""
        return (_group(row) for row in _rows(GroupRow).find({"_id": {"$gte": start}}).sort("_id", 1))

    def entries(self, start: int, end: int) -> list[Logged]:
        """Entries of a range of indexes, in order."""
        rows = self._overlapping(start, end, {"leaves": 0, "frontier": 0, "delivered": 0})
        found = (Logged(r["_id"] + n, bytes(e)) for r in rows for n, e in enumerate(r["entries"]))
        return [logged for logged in found if start <= logged.index < end]

    def entries_at(self, indexes: Sequence[int]) -> list[Logged]:
        """Entries by index, in the order asked for; one that is gone is left out."""
        found: dict[int, Logged] = {}
        for index in sorted(indexes):
            if index not in found:
                for row in self._overlapping(index, index + 1, {"leaves": 0, "frontier": 0, "delivered": 0}):
                    found |= {row["_id"] + n: Logged(row["_id"] + n, bytes(e)) for n, e in enumerate(row["entries"])}
        return [found[index] for index in indexes if index in found]

    def leaves(self, start: int, end: int) -> bytes:
        """Leaf hashes of a range of indexes, as they were stored with the entries."""
        rows = self._overlapping(start, end, {"leaves": 1})
        return b"".join(
            bytes(r["leaves"])[max(start - r["_id"], 0) * tlog.HASH : max(end - r["_id"], 0) * tlog.HASH] for r in rows
        )

    def _overlapping(self, start: int, end: int, fields: Plain) -> list[Plain]:
        groups = _rows(GroupRow)
        before = list(groups.find({"_id": {"$lte": start}}, fields).sort("_id", -1).limit(1))
        return before + list(groups.find({"_id": {"$gt": start, "$lt": end}}, fields).sort("_id", 1))

    # Tiles

    def tile(self, tile: tlog.Tile) -> bytes:
        """The hashes of a tile, full or partial; fewer than its width where they are not there."""
        found = _rows(TileRow).find_one({"_id": _key(tile.level, tile.index)})
        if found is not None:
            return bytes(found["hashes"])[: tile.width * tlog.HASH]
        if tile.level == 0:
            return self.leaves(tile.start, tile.start + tile.width)
        return self.roots(tile.level - 1, tile.start, tile.start + tile.width)

    def roots(self, level: int, start: int, end: int) -> bytes:
        """The roots of full tiles of a level."""
        query = {"_id": {"$gte": _key(level, start), "$lt": _key(level, end)}}
        return b"".join(bytes(row["root"]) for row in _rows(TileRow).find(query, {"root": 1}).sort("_id", 1))

    def save_tile(self, tile: tlog.Tile, hashes: bytes, root: bytes) -> bool:
        """Keeps a full tile. False when another one is there already, which then stays."""
        row = {"hashes": Binary(hashes), "root": Binary(root)}
        key = {"_id": _key(tile.level, tile.index)}
        _rows(TileRow).update_one(key, {"$setOnInsert": row}, upsert=True)
        kept = _rows(TileRow).find_one(key)
        return kept is not None and (bytes(kept["hashes"]), bytes(kept["root"])) == (hashes, root)

    # What is derived

    def progress(self) -> tlog.Frontier:
        """How far tiles are derived. Raises `ValueError` when what is stored is no frontier."""
        found = _rows(ProgressRow).find_one({"_id": _PROGRESS})
        return tlog.Frontier.unpack(found["size"], bytes(found["frontier"])) if found else tlog.Frontier()

    def save_progress(self, frontier: tlog.Frontier) -> None:
        """Remembers how far tiles are derived."""
        row = {"size": frontier.size, "frontier": Binary(frontier.pack())}
        _rows(ProgressRow).update_one({"_id": _PROGRESS}, {"$set": row}, upsert=True)

    # The search index

    def segments(self) -> list[Segment]:
        """Every segment, in order."""
        rows = _rows(SegmentRow).find({}, {"times": 0}).sort("_id", 1)
        return [Segment(r["_id"], r["end"], r["earliest"], r["latest"]) for r in rows]

    def save_segment(self, segment: Segment, buckets: Mapping[int, bytes], times: bytes) -> None:
        """Keeps a segment: its buckets, then itself; doing it again writes it again."""
        writes = []
        for number, packed in buckets.items():
            key = {"_id": _key(number, segment.start)}
            writes.append(ReplaceOne(key, key | {"packed": Binary(packed)}, upsert=True))
        if writes:
            _rows(BucketRow).bulk_write(writes, ordered=False)
        row = {"end": segment.end, "earliest": segment.earliest, "latest": segment.latest, "times": Binary(times)}
        _rows(SegmentRow).replace_one({"_id": segment.start}, row, upsert=True)

    def buckets(self, number: int, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """A bucket of the segments that begin between two entries, newest first: where each begins, and its bytes."""
        query = {"_id": {"$gte": _key(number, first), "$lte": _key(number, last)}}
        rows = _rows(BucketRow).find(query).sort("_id", -1)
        return ((int(r["_id"].partition("/")[2]), bytes(r["packed"])) for r in rows)

    def bucket(self, number: int, start: int) -> bytes:
        """A bucket of the segment that begins at an entry; empty when it holds nothing."""
        found = _rows(BucketRow).find_one({"_id": _key(number, start)})
        return bytes(found["packed"]) if found else b""

    def times(self, start: int) -> bytes:
        """The times of the entries of a segment."""
        found = _rows(SegmentRow).find_one({"_id": start}, {"times": 1})
        return bytes(found["times"]) if found else b""

    # Checkpoints

    def checkpoint(self) -> Published | None:
        """The newest checkpoint."""
        found = next(iter(_rows(CheckpointRow).find().sort("_id", -1).limit(1)), None)
        return Published(found["_id"], found["note"], found["at"]) if found else None

    def save_checkpoint(self, published: Published) -> None:
        """Keeps a checkpoint. Raises `DuplicateKeyError` when there is one of that size."""
        _rows(CheckpointRow).insert_one({"_id": published.size, "note": published.note, "at": published.at})


def _rows(document: Any) -> Collection[Plain]:
    found: Collection[Plain] = document._get_collection()
    return found


def _key(level: int, index: int) -> str:
    return f"{level}/{index:015d}"


def _group(row: Plain) -> Group:
    return Group(
        row["_id"],
        [bytes(e) for e in row["entries"]],
        tlog.split(bytes(row["leaves"])),
        bytes(row["frontier"]),
        {service: Delivered(*reached) for service, reached in row["delivered"].items()},
    )
