"""The log's collections and every query on them.

`groups` is the log: one document for each write, holding entries and, apart from them, their leaf hashes. `tiles` holds
full tiles, each with its root; `checkpoints` what was signed; `segments` and `buckets` the search index. What is served is what is
stored: nothing is computed again from the entries, so an altered one shows.

Every document is found by its `_id`, one or several at once, and `_id`s are numbers without gaps or made of them: that is
quick in every store, while the embedded one reads a whole collection for a range of `_id`s or a sorted list.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bson.binary import Binary
from mongoengine import BinaryField, DictField, Document, ListField, LongField, StringField
from pymongo import ReplaceOne

from chengxin.store.database import Store
from chengxin.tlog import merkle
from chengxin.values.document import RawDocument
from services.audit.domain.event import LoggedEntry, RelayPosition

_PROGRESS: Final = "log"
_LATEST: Final = "latest"
# Documents asked for at once.
_AT_ONCE: Final = 64


class LogGroupRow(Document):
    """One durable write of the log."""

    number = LongField(primary_key=True)
    # Index of its first entry.
    first = LongField(required=True)
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
    """The latest signed checkpoint, the only document here."""

    key = StringField(primary_key=True)
    size = LongField()
    note = StringField()
    at = StringField()
    meta = {"db_alias": "audit", "collection": "checkpoints"}


class SegmentRow(Document):
    """A segment of the search index, and the time of each of its entries; its buckets are written before it."""

    number = LongField(primary_key=True)
    start = LongField(required=True)
    end = LongField(required=True)
    earliest = LongField(required=True)
    latest = LongField(required=True)
    times = BinaryField()
    # Index of the first entry of each group in it.
    firsts = BinaryField()
    meta = {"db_alias": "audit", "collection": "segments"}


class BucketRow(Document):
    """A part of a segment: see `domain/search_encoding.py`."""

    key = StringField(primary_key=True)  # <bucket>/<number of the segment>
    packed = BinaryField()
    meta = {"db_alias": "audit", "collection": "buckets"}


class ProgressRow(Document):
    """How far tiles are derived from the groups: how many groups, and the frontier after them."""

    key = StringField(primary_key=True)
    groups = LongField()
    size = LongField()
    frontier = BinaryField()
    meta = {"db_alias": "audit", "collection": "progress"}


@dataclass(frozen=True)
class LogGroup:
    """One write of the log as it is stored."""

    number: int
    first: int
    entries: list[bytes]
    leaves: list[bytes]
    frontier: bytes
    delivered: dict[str, RelayPosition]

    @property
    def end(self) -> int:
        """The size of the log after it."""
        return self.first + len(self.leaves)

    def logged(self) -> Iterator[LoggedEntry]:
        """Its entries with their index."""
        return (LoggedEntry(self.first + n, entry) for n, entry in enumerate(self.entries))


@dataclass(frozen=True)
class Segment:
    """A range of entries that is in the search index; times in microseconds since 1970."""

    number: int
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
        self._rows = store.collection

    def create_indexes(self) -> None:
        """Makes the collections and their indexes; doing it again changes nothing."""
        for row in (LogGroupRow, TileRow, CheckpointRow, SegmentRow, BucketRow, ProgressRow):
            row.ensure_indexes()

    # The log

    def append(
        self,
        number: int,
        first: int,
        entries: Sequence[bytes],
        leaves: bytes,
        frontier: bytes,
        delivered: Mapping[str, RelayPosition],
    ) -> None:
        """Writes a group, majority and journalled, in one round trip. Whoever writes a second group of that number gets
        `DuplicateKeyError`; after any error the outcome is unknown."""
        row = {
            "_id": number,
            "first": first,
            "entries": [Binary(e) for e in entries],
            "leaves": Binary(leaves),
            "frontier": Binary(frontier),
            "delivered": {service: [d.position, d.events] for service, d in delivered.items()},
        }
        self._rows(LogGroupRow).insert_one(row)

    def last_group(self) -> int:
        """The number of the newest group; 0 for none. They are numbered from 1 without gaps, so it is found by a few
        lookups from where the tiles are, whatever the store makes of sorting."""
        found = self._rows(ProgressRow).find_one({"_id": _PROGRESS}, {"groups": 1})
        low, step = int(found["groups"]) if found else 0, 1
        while self._has_group(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has_group(middle) else (low, middle)
        return low

    def _has_group(self, number: int) -> bool:
        return self._rows(LogGroupRow).find_one({"_id": number}, {"_id": 1}) is not None

    def groups(self, numbers: Iterable[int]) -> Iterator[LogGroup]:
        """Groups by number, ascending, read some at a time; ends where one is missing."""
        wanted = iter(numbers)
        while chunk := list(itertools.islice(wanted, _AT_ONCE)):
            found = {row["_id"]: row for row in self._rows(LogGroupRow).find({"_id": {"$in": chunk}})}
            for number in chunk:
                if number not in found:
                    return
                yield _group(found[number])

    def groups_after(self, number: int) -> Iterator[LogGroup]:
        """Groups after a number, to the newest."""
        return self.groups(itertools.count(number + 1))

    # Tiles

    def tile(self, level: int, index: int) -> bytes | None:
        """The hashes of a full tile; None while it is not full."""
        found = self._rows(TileRow).find_one({"_id": _key(level, index)}, {"hashes": 1})
        return bytes(found["hashes"]) if found else None

    def tile_roots(self, level: int, indexes: range) -> bytes:
        """The roots of full tiles of a level, up to the first that is not there."""
        keys = [_key(level, index) for index in indexes]
        found = {row["_id"]: row for row in self._rows(TileRow).find({"_id": {"$in": keys}}, {"root": 1})}
        there = itertools.takewhile(found.__contains__, keys)
        return b"".join(bytes(found[key]["root"]) for key in there)

    def save_tile(self, tile: merkle.Tile, hashes: bytes, root: bytes) -> bool:
        """Keeps a full tile. False when another one is there already, which then stays."""
        row = {"hashes": Binary(hashes), "root": Binary(root)}
        key = {"_id": _key(tile.level, tile.index)}
        self._rows(TileRow).update_one(key, {"$setOnInsert": row}, upsert=True)
        kept = self._rows(TileRow).find_one(key)
        return kept is not None and (bytes(kept["hashes"]), bytes(kept["root"])) == (hashes, root)

    # What is derived

    def progress(self) -> tuple[int, merkle.Frontier]:
        """How far tiles are derived: after how many groups, and the frontier there. Raises `ValueError` when what is
        stored is no frontier."""
        found = self._rows(ProgressRow).find_one({"_id": _PROGRESS})
        if found is None:
            return 0, merkle.Frontier()
        return found["groups"], merkle.Frontier.unpack(found["size"], bytes(found["frontier"]))

    def save_progress(self, groups: int, frontier: merkle.Frontier) -> None:
        """Remembers how far tiles are derived."""
        row = {"groups": groups, "size": frontier.size, "frontier": Binary(frontier.pack())}
        self._rows(ProgressRow).update_one({"_id": _PROGRESS}, {"$set": row}, upsert=True)

    # The search index

    def segments(self) -> list[tuple[Segment, bytes]]:
        """Every segment, in order, each with the packed indexes of the first entries of its groups."""
        found = [
            (Segment(r["_id"], r["start"], r["end"], r["earliest"], r["latest"]), bytes(r["firsts"]))
            for r in self._rows(SegmentRow).find({}, {"times": 0})
        ]
        return sorted(found, key=lambda pair: pair[0].number)

    def save_segment(self, segment: Segment, buckets: Mapping[int, bytes], times: bytes, firsts: bytes) -> None:
        """Keeps a segment: its buckets, then itself; doing it again writes it again."""
        writes = []
        for bucket, packed in buckets.items():
            key = {"_id": _key(bucket, segment.number)}
            writes.append(ReplaceOne(key, key | {"packed": Binary(packed)}, upsert=True))
        if writes:
            self._rows(BucketRow).bulk_write(writes, ordered=False)
        row = vars(segment) | {"times": Binary(times), "firsts": Binary(firsts)}
        del row["number"]
        self._rows(SegmentRow).replace_one({"_id": segment.number}, row, upsert=True)

    def buckets(self, bucket: int, segments: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """A bucket of segments by number, in the order given, read some at a time; empty ones left out."""
        for start in range(0, len(segments), _AT_ONCE):
            keys = {_key(bucket, number): number for number in segments[start : start + _AT_ONCE]}
            found = {r["_id"]: bytes(r["packed"]) for r in self._rows(BucketRow).find({"_id": {"$in": [*keys]}})}
            yield from ((number, found[key]) for key, number in keys.items() if key in found)

    def times(self, segment: int) -> bytes:
        """The times of the entries of a segment."""
        found = self._rows(SegmentRow).find_one({"_id": segment}, {"times": 1})
        return bytes(found["times"]) if found else b""

    # Checkpoints

    def checkpoint(self) -> Published | None:
        """The latest checkpoint."""
        found = self._rows(CheckpointRow).find_one({"_id": _LATEST})
        return Published(found["size"], found["note"], found["at"]) if found else None

    def save_checkpoint(self, published: Published) -> None:
        """Keeps a checkpoint in the place of the one before. Raises `DuplicateKeyError` unless it is greater."""
        row = {"size": published.size, "note": published.note, "at": published.at}
        smaller = {"_id": _LATEST, "size": {"$lt": published.size}}
        self._rows(CheckpointRow).update_one(smaller, {"$set": row}, upsert=True)


def _key(level: int, index: int) -> str:
    return f"{level}/{index}"


def _group(row: RawDocument) -> LogGroup:
    return LogGroup(
        row["_id"],
        row["first"],
        [bytes(e) for e in row["entries"]],
        merkle.split(bytes(row["leaves"])),
        bytes(row["frontier"]),
        {service: RelayPosition(*reached) for service, reached in row["delivered"].items()},
    )
