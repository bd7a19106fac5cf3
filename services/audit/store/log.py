"""Every query on the log's collections; `rows.py` has the documents.

`groups` is the log: each write is one document, which holds the entries and, apart from them, their leaf hashes.
`tiles` holds full tiles, each with its root. `checkpoints` holds what was signed. `segments` and `buckets` are the
search index. The service serves what is stored and computes nothing again from the entries, so an altered entry shows.

Every query finds documents by their `_id`, one or several at once. An `_id` is a number, or is made of numbers, and the
numbers have no gaps. Such a query is quick in every store; for a range of `_id`s, a sorted list or a count, the embedded
store reads a whole collection.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo import ReplaceOne
from pymongo.errors import DuplicateKeyError

from chengxin.store.database import Store
from chengxin.store.documents import DocumentClass
from chengxin.tlog import merkle
from chengxin.values.document import RawDocument
from services.audit.domain.alterations import LogAltered, RowFault
from services.audit.domain.search_encoding import BUCKETS
from services.audit.store.rows import (
    ALL,
    BucketRow,
    CheckpointRow,
    LogGroup,
    LogGroupRow,
    ProgressRow,
    Published,
    Segment,
    SegmentRow,
    TileRow,
    altered,
    read_binary,
    read_group,
    read_progress,
    read_published,
    read_segment,
    write_group,
)

PROGRESS: Final = "log"
LATEST: Final = "latest"
# Documents that one query asks for.
_DOCUMENTS_PER_QUERY: Final = 64


class AuditStore:
    """The audit service's database."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._collection = store.collection

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(ALL)

    # The log

    def append(self, group: LogGroup) -> None:
        """Writes a group in one round trip, with majority and journal. Raises `DuplicateKeyError` for a second group of
        that number. After any error the outcome is unknown."""
        self._collection(LogGroupRow).insert_one(write_group(group))

    def last_group(self) -> int:
        """Returns the number of the newest group, or 0 for none. Groups are numbered from 1 without gaps, so a few
        lookups from where the tiles end find it, however well the store sorts."""
        known = (self._row(ProgressRow, PROGRESS) or {}).get("groups")
        # What is derived may have been altered, and must not lead past the end or into a gap.
        low = known if isinstance(known, int) and known > 0 and self._has_group(known) else 0
        step = 1
        while self._has_group(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._has_group(middle) else (low, middle)
        return low

    def has_groups_after_gap(self, last: int) -> bool:
        """Whether there are groups soon after the one that comes after `last`: then `last` is not the newest."""
        return bool(self.rows(LogGroupRow, range(last + 2, last + 2 + _DOCUMENTS_PER_QUERY)))

    def _has_group(self, number: int) -> bool:
        return self._collection(LogGroupRow).find_one({"_id": number}, {"_id": 1}) is not None

    def groups(self, numbers: Iterable[int]) -> Iterator[LogGroup]:
        """Yields groups by number, ascending, and reads some at a time. It ends where a group is missing. Raises
        `LogAltered` at one that does not have the form of a group."""
        remaining = iter(numbers)
        while chunk := list(itertools.islice(remaining, _DOCUMENTS_PER_QUERY)):
            by_number = self.rows(LogGroupRow, chunk)
            for number in chunk:
                if number not in by_number:
                    return
                yield read_group(by_number[number])

    def groups_among(self, numbers: Sequence[int]) -> Iterator[LogGroup]:
        """Yields those of these groups that are there, in order. Raises `LogAltered` as `groups` does."""
        for start in range(0, len(numbers), _DOCUMENTS_PER_QUERY):
            rows = self.rows(LogGroupRow, numbers[start : start + _DOCUMENTS_PER_QUERY])
            yield from (read_group(rows[number]) for number in sorted(rows))

    def groups_after(self, number: int) -> Iterator[LogGroup]:
        """Yields the groups after a number, to the newest."""
        return self.groups(itertools.count(number + 1))

    # Tiles

    def tile(self, level: int, index: int) -> bytes | None:
        """Returns the hashes of a full tile, or None while it is not full."""
        row = self._row(TileRow, row_key(level, index))
        return read_binary(TileRow, row, "hashes") if row else None

    def tile_roots(self, level: int, indexes: range) -> bytes:
        """Returns the roots of full tiles of a level, up to the first that is missing."""
        keys = [row_key(level, index) for index in indexes]
        found = self._collection(TileRow).find({"_id": {"$in": keys}}, {"root": 1})
        rows = {row["_id"]: row for row in found}
        present = itertools.takewhile(rows.__contains__, keys)
        return b"".join(read_binary(TileRow, rows[key], "root") for key in present)

    def save_tile(self, tile: merkle.Tile, hashes: bytes, root: bytes) -> None:
        """Keeps a full tile. Raises `LogAltered` when the store already has a different one, which then stays."""
        row = tile_row(tile, hashes, root)
        key = {"_id": row.pop("_id")}
        self._collection(TileRow).update_one(key, {"$setOnInsert": row}, upsert=True)
        if self._collection(TileRow).find_one(key) != key | row:
            raise LogAltered(altered(TileRow, key["_id"], RowFault.DIFFERS))

    # Derivation

    def progress(self) -> tuple[int, merkle.Frontier] | None:
        """Returns how far the tiles are derived: the number of groups, and the frontier after them. None before
        anything is. Raises `LogAltered` unless these are what the group of that number says."""
        if (row := self._row(ProgressRow, PROGRESS)) is None:
            return None
        groups, frontier = read_progress(row)
        if self.frontier_after(groups) != frontier:
            raise LogAltered(altered(ProgressRow, PROGRESS, RowFault.DIFFERS, "groups, size, frontier"))
        return groups, frontier

    def frontier_after(self, number: int) -> merkle.Frontier | None:
        """Returns the frontier of the tree after the group of this number, as that group has it; None without one."""
        if number == 0:
            return merkle.Frontier()
        if (row := self._row(LogGroupRow, number)) is None:
            return None
        group = read_group(row)
        try:
            return merkle.Frontier.unpack(group.end, group.frontier)
        except ValueError:
            raise LogAltered(altered(LogGroupRow, number, RowFault.DIFFERS, "frontier")) from None

    def save_progress(self, groups: int, frontier: merkle.Frontier) -> None:
        """Remembers how far the tiles are derived."""
        row = {"groups": groups, "size": frontier.size, "frontier": frontier.pack()}
        self._collection(ProgressRow).update_one({"_id": PROGRESS}, {"$set": row}, upsert=True)

    # The search index

    def segments(self) -> list[tuple[Segment, bytes]]:
        """Returns every segment, in order, each with the packed indexes of the first entries of its groups. Raises
        `LogAltered` unless each begins where the one before it ends."""
        rows = {row["_id"]: row for row in self._collection(SegmentRow).find({}, {"times": 0})}
        found: list[tuple[Segment, bytes]] = []
        for number in range(len(rows)):
            if number not in rows:
                raise LogAltered(altered(SegmentRow, number, RowFault.MISSING))
            found.append(read_segment(rows[number], found[-1][0] if found else None))
        return found

    def segment_numbers(self) -> list[int]:
        """Returns the numbers of all segments that are stored, ascending."""
        found = (row["_id"] for row in self._collection(SegmentRow).find({}, {"_id": 1}))
        return sorted(number for number in found if isinstance(number, int))

    def save_segment(self, segment: Segment, buckets: Mapping[int, bytes], times: bytes, firsts: bytes) -> None:
        """Keeps a segment: first its buckets, then itself. A second call writes it again."""
        rows = [bucket_row(bucket, segment.number, packed) for bucket, packed in buckets.items()]
        # Of a segment that was here before, buckets may be left that this one does not have.
        self.remove(BucketRow, [row_key(b, segment.number) for b in range(BUCKETS) if b not in buckets])
        if rows:
            writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
            self._collection(BucketRow).bulk_write(writes, ordered=False)
        self.replace(SegmentRow, segment_row(segment, times, firsts))

    def buckets(self, bucket: int, segments: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yields one bucket of each of these segments with the segment's number, in the order given. It reads some at a
        time and leaves empty ones out."""
        for start in range(0, len(segments), _DOCUMENTS_PER_QUERY):
            keys = {row_key(bucket, number): number for number in segments[start : start + _DOCUMENTS_PER_QUERY]}
            rows = self.rows(BucketRow, keys)
            for key, number in keys.items():
                if key in rows:
                    yield number, read_binary(BucketRow, rows[key], "packed")

    def times(self, segment: Segment) -> bytes:
        """Returns the packed times of the entries of a segment. Raises `LogAltered`."""
        row = self._row(SegmentRow, segment.number)
        if row is None:
            raise LogAltered(altered(SegmentRow, segment.number, RowFault.MISSING))
        packed = read_binary(SegmentRow, row, "times")
        if len(packed) != 8 * (segment.end - segment.start):
            raise LogAltered(altered(SegmentRow, segment.number, RowFault.DIFFERS, "times"))
        return packed

    # Checkpoints

    def checkpoint(self) -> Published | None:
        """Returns the latest checkpoint, or None before the first. Raises `LogAltered`."""
        row = self._row(CheckpointRow, LATEST)
        return read_published(row) if row else None

    def save_checkpoint(self, published: Published, before: Published | None) -> bool:
        """Puts a checkpoint in the place of the one before. Returns False when something else is there, which stays.
        Raises `LogAltered` when that is no checkpoint."""
        if self.checkpoint() != before:
            return False
        row = {
            "_id": LATEST,
            "size": published.size,
            "note": published.note,
            "at": published.at,
            "seal": published.seal,
        }
        if before is not None:
            held = {"_id": LATEST, "size": before.size, "note": before.note, "at": before.at}
            return self._collection(CheckpointRow).replace_one(held, row).matched_count == 1
        try:
            self._collection(CheckpointRow).insert_one(row)
        except DuplicateKeyError:
            return False
        return True

    # Rows as they are stored, for those who inspect and mend them

    def rows(self, document: DocumentClass, keys: Iterable[Any]) -> dict[Any, RawDocument]:
        """Returns the rows with these `_id`s, by `_id`."""
        return {row["_id"]: row for row in self._collection(document).find({"_id": {"$in": [*keys]}})}

    def some_keys(self, document: DocumentClass, limit: int) -> list[Any]:
        """Returns some `_id`s of a collection that has few."""
        return [row["_id"] for row in self._collection(document).find({}, {"_id": 1}).limit(limit)]

    def replace(self, document: DocumentClass, row: RawDocument) -> None:
        """Puts a row in the place of what has its `_id`."""
        self._collection(document).replace_one({"_id": row["_id"]}, row, upsert=True)

    def remove(self, document: DocumentClass, keys: Sequence[Any]) -> None:
        """Removes the rows with these `_id`s."""
        self._collection(document).delete_many({"_id": {"$in": [*keys]}})

    def _row(self, document: DocumentClass, key: Any) -> RawDocument | None:
        return self._collection(document).find_one({"_id": key})


def row_key(first: int, second: int) -> str:
    """The `_id` of a tile (level, index) or a bucket (bucket, segment)."""
    return f"{first}/{second}"


def tile_row(tile: merkle.Tile, hashes: bytes, root: bytes) -> RawDocument:
    """The row of a full tile."""
    return {"_id": row_key(tile.level, tile.index), "hashes": hashes, "root": root}


def bucket_row(bucket: int, segment: int, packed: bytes) -> RawDocument:
    """The row of a bucket of a segment."""
    return {"_id": row_key(bucket, segment), "packed": packed}


def segment_row(segment: Segment, times: bytes, firsts: bytes) -> RawDocument:
    """The row of a segment."""
    row = vars(segment) | {"times": times, "firsts": firsts}
    return {"_id": row.pop("number")} | row
