"""The log's collections and every query on them.

`groups` is the log: each write is one document, which holds the entries and, apart from them, their leaf hashes.
`tiles` holds full tiles, each with its root. `checkpoints` holds what was signed. `segments` and `buckets` are the
search index. The service serves what is stored and computes nothing again from the entries, so an altered entry shows.

Every query finds documents by their `_id`, one or several at once. An `_id` is a number, or is made of numbers, and the
numbers have no gaps. Such a query is quick in every store; for a range of `_id`s or a sorted list, the embedded store
reads a whole collection.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bson.binary import Binary
from mongoengine import BinaryField, DictField, Document, ListField, LongField, StringField
from pymongo import ReplaceOne

from chengxin.store.database import Store
from chengxin.store.retention import bounded, kept
from chengxin.tlog import merkle
from chengxin.values.document import RawDocument
from services.audit.domain.event import LoggedEntry, RelayPosition

_PROGRESS: Final = "log"
_LATEST: Final = "latest"
# Documents that one query asks for.
_DOCUMENTS_PER_QUERY: Final = 64


class LogGroupRow(Document):
    """One durable write of the log."""

    number = LongField(primary_key=True)
    # The index of its first entry.
    first = LongField(required=True)
    entries = ListField(BinaryField())
    leaves = BinaryField()
    # The roots of the complete subtrees after this group, and how far each service's outbox is on the log.
    frontier = BinaryField()
    delivered = DictField()
    meta = {
        "collection": "groups",
        "retention": kept("the log itself (Art. 31)"),
        "direct_writes": {"append": "these are the events"},
    }


class TileRow(Document):
    """A full tile."""

    key = StringField(primary_key=True)
    hashes = BinaryField()
    root = BinaryField()
    meta = {
        "collection": "tiles",
        "retention": kept("proofs of every entry are made of them; derived from `groups`"),
        "direct_writes": {"save_tile": "derived from the log"},
    }


class CheckpointRow(Document):
    """The latest signed checkpoint, the only document here."""

    key = StringField(primary_key=True)
    size = LongField()
    note = StringField()
    at = StringField()
    meta = {
        "collection": "checkpoints",
        "retention": bounded("the newest takes the place of the one before"),
        "direct_writes": {"save_checkpoint": "derived from the log"},
    }


class SegmentRow(Document):
    """A segment of the search index, with the time of each of its entries. Its buckets are written before it."""

    number = LongField(primary_key=True)
    start = LongField(required=True)
    end = LongField(required=True)
    earliest = LongField(required=True)
    latest = LongField(required=True)
    times = BinaryField()
    # The index of the first entry of each group in it.
    firsts = BinaryField()
    meta = {
        "collection": "segments",
        "retention": kept("the search finds every event; derived from `groups`"),
        "direct_writes": {"save_segment": "derived from the log"},
    }


class BucketRow(Document):
    """A part of a segment: see `domain/search_encoding.py`."""

    key = StringField(primary_key=True)  # <bucket>/<number of the segment>
    packed = BinaryField()
    meta = {
        "collection": "buckets",
        "retention": kept("as `segments`"),
        "direct_writes": {"save_segment": "derived from the log"},
    }


class ProgressRow(Document):
    """How far the tiles are derived from the groups: the number of groups, and the frontier after them."""

    key = StringField(primary_key=True)
    groups = LongField()
    size = LongField()
    frontier = BinaryField()
    meta = {
        "collection": "progress",
        "retention": bounded("one document"),
        "direct_writes": {"save_progress": "derived from the log"},
    }


ALL: Final = (LogGroupRow, TileRow, CheckpointRow, SegmentRow, BucketRow, ProgressRow)


@dataclass(frozen=True)
class LogGroup:
    """One write of the log, as the store holds it."""

    number: int
    first: int
    entries: list[bytes]
    leaves: list[bytes]
    frontier: bytes
    delivered: dict[str, RelayPosition]

    @property
    def end(self) -> int:
        """The size of the log after this group."""
        return self.first + len(self.leaves)

    def logged(self) -> Iterator[LoggedEntry]:
        """Yields the entries with their indexes."""
        return (LoggedEntry(self.first + n, entry) for n, entry in enumerate(self.entries))


@dataclass(frozen=True)
class Segment:
    """A range of entries that is in the search index. Times are in microseconds since 1970."""

    number: int
    start: int
    end: int
    earliest: int
    latest: int


@dataclass(frozen=True)
class Published:
    """A published checkpoint, as a signed note. `at` is in RFC 3339."""

    size: int
    note: str
    at: str


class AuditStore:
    """The audit service's database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._collection = store.collection

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(ALL)

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
        """Writes a group in one round trip, with majority and journal. Raises `DuplicateKeyError` for a second group of
        that number. After any error the outcome is unknown."""
        row = {
            "_id": number,
            "first": first,
            "entries": [Binary(e) for e in entries],
            "leaves": Binary(leaves),
            "frontier": Binary(frontier),
            "delivered": {service: [d.position, d.events] for service, d in delivered.items()},
        }
        self._collection(LogGroupRow).insert_one(row)

    def last_group(self) -> int:
        """Returns the number of the newest group, or 0 for none. Groups are numbered from 1 without gaps, so a few
        lookups from where the tiles end find it, however well the store sorts."""
        progress = self._collection(ProgressRow).find_one({"_id": _PROGRESS}, {"groups": 1})
        low, step = int(progress["groups"]) if progress else 0, 1
        while self._has_group(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has_group(middle) else (low, middle)
        return low

    def _has_group(self, number: int) -> bool:
        return self._collection(LogGroupRow).find_one({"_id": number}, {"_id": 1}) is not None

    def groups(self, numbers: Iterable[int]) -> Iterator[LogGroup]:
        """Yields groups by number, ascending, and reads some at a time. It ends where a group is missing."""
        remaining = iter(numbers)
        while chunk := list(itertools.islice(remaining, _DOCUMENTS_PER_QUERY)):
            by_number = {row["_id"]: row for row in self._collection(LogGroupRow).find({"_id": {"$in": chunk}})}
            for number in chunk:
                if number not in by_number:
                    return
                yield _read_group(by_number[number])

    def groups_after(self, number: int) -> Iterator[LogGroup]:
        """Yields the groups after a number, to the newest."""
        return self.groups(itertools.count(number + 1))

    # Tiles

    def tile(self, level: int, index: int) -> bytes | None:
        """Returns the hashes of a full tile, or None while it is not full."""
        row = self._collection(TileRow).find_one({"_id": _key(level, index)}, {"hashes": 1})
        return bytes(row["hashes"]) if row else None

    def tile_roots(self, level: int, indexes: range) -> bytes:
        """Returns the roots of full tiles of a level, up to the first that is missing."""
        keys = [_key(level, index) for index in indexes]
        rows = {row["_id"]: row for row in self._collection(TileRow).find({"_id": {"$in": keys}}, {"root": 1})}
        present = itertools.takewhile(rows.__contains__, keys)
        return b"".join(bytes(rows[key]["root"]) for key in present)

    def save_tile(self, tile: merkle.Tile, hashes: bytes, root: bytes) -> bool:
        """Keeps a full tile. Returns False when the store already has a different one, which then stays."""
        row = {"hashes": Binary(hashes), "root": Binary(root)}
        key = {"_id": _key(tile.level, tile.index)}
        self._collection(TileRow).update_one(key, {"$setOnInsert": row}, upsert=True)
        stored = self._collection(TileRow).find_one(key)
        return stored is not None and (bytes(stored["hashes"]), bytes(stored["root"])) == (hashes, root)

    # Derivation

    def progress(self) -> tuple[int, merkle.Frontier]:
        """Returns how far the tiles are derived: the number of groups, and the frontier after them. Raises `ValueError`
        when what is stored is no frontier."""
        row = self._collection(ProgressRow).find_one({"_id": _PROGRESS})
        if row is None:
            return 0, merkle.Frontier()
        return row["groups"], merkle.Frontier.unpack(row["size"], bytes(row["frontier"]))

    def save_progress(self, groups: int, frontier: merkle.Frontier) -> None:
        """Remembers how far the tiles are derived."""
        row = {"groups": groups, "size": frontier.size, "frontier": Binary(frontier.pack())}
        self._collection(ProgressRow).update_one({"_id": _PROGRESS}, {"$set": row}, upsert=True)

    # The search index

    def segments(self) -> list[tuple[Segment, bytes]]:
        """Returns every segment, in order, each with the packed indexes of the first entries of its groups."""
        segments = [
            (Segment(r["_id"], r["start"], r["end"], r["earliest"], r["latest"]), bytes(r["firsts"]))
            for r in self._collection(SegmentRow).find({}, {"times": 0})
        ]
        return sorted(segments, key=lambda pair: pair[0].number)

    def save_segment(self, segment: Segment, buckets: Mapping[int, bytes], times: bytes, firsts: bytes) -> None:
        """Keeps a segment: first its buckets, then itself. A second call writes it again."""
        writes = []
        for bucket, packed in buckets.items():
            key = {"_id": _key(bucket, segment.number)}
            writes.append(ReplaceOne(key, key | {"packed": Binary(packed)}, upsert=True))
        if writes:
            self._collection(BucketRow).bulk_write(writes, ordered=False)
        row = vars(segment) | {"times": Binary(times), "firsts": Binary(firsts)}
        del row["number"]
        self._collection(SegmentRow).replace_one({"_id": segment.number}, row, upsert=True)

    def buckets(self, bucket: int, segments: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yields one bucket of each of these segments with the segment's number, in the order given. It reads some at a
        time and leaves empty ones out."""
        for start in range(0, len(segments), _DOCUMENTS_PER_QUERY):
            keys = {_key(bucket, number): number for number in segments[start : start + _DOCUMENTS_PER_QUERY]}
            rows = {r["_id"]: bytes(r["packed"]) for r in self._collection(BucketRow).find({"_id": {"$in": [*keys]}})}
            yield from ((number, rows[key]) for key, number in keys.items() if key in rows)

    def times(self, segment: int) -> bytes:
        """Returns the packed times of the entries of a segment."""
        row = self._collection(SegmentRow).find_one({"_id": segment}, {"times": 1})
        return bytes(row["times"]) if row else b""

    # Checkpoints

    def checkpoint(self) -> Published | None:
        """Returns the latest checkpoint, or None before the first."""
        row = self._collection(CheckpointRow).find_one({"_id": _LATEST})
        return Published(row["size"], row["note"], row["at"]) if row else None

    def save_checkpoint(self, published: Published) -> None:
        """Puts a checkpoint in the place of the one before. Raises `DuplicateKeyError` unless it is larger."""
        row = {"size": published.size, "note": published.note, "at": published.at}
        smaller = {"_id": _LATEST, "size": {"$lt": published.size}}
        self._collection(CheckpointRow).update_one(smaller, {"$set": row}, upsert=True)


def _key(level: int, index: int) -> str:
    return f"{level}/{index}"


def _read_group(row: RawDocument) -> LogGroup:
    return LogGroup(
        row["_id"],
        row["first"],
        [bytes(e) for e in row["entries"]],
        merkle.split(bytes(row["leaves"])),
        bytes(row["frontier"]),
        {service: RelayPosition(*position) for service, position in row["delivered"].items()},
    )
