"""The log's collections and every query on them.

`groups` is the log: one document for each write, holding entries and, apart from them, their leaf hashes. `tiles` holds
full tiles, each with its root; `checkpoints` what was signed; `events` the search index. What is served is what is
stored: nothing is computed again from the entries, so an altered one shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pymongo
from bson.binary import Binary
from mongoengine import BinaryField, DictField, Document, IntField, ListField, LongField, StringField
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from chengxin import tlog
from chengxin.mongo import Store
from services.audit.model import Delivered, IndexRow, Logged, Search

Plain = dict[str, Any]

# A store that does not answer a write within this many seconds is treated as lost: the outcome is unknown.
_WRITE_SECONDS: Final = 4.0
_DUPLICATE: Final = 11000
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


class EventRow(Document):
    """What is searched for of an entry: (e)vent id, re(q)uest id, (a)ct, acting (s)ubject claim, s(u)bject refs, those
    (w)hose records were queried; and its place in (t)ime, which all lists are ordered by."""

    index = LongField(primary_key=True)
    t = StringField()
    e = StringField()
    q = StringField()
    a = StringField()
    s = StringField()
    u = ListField(StringField())
    w = ListField(StringField())
    meta = {
        "db_alias": "audit",
        "collection": "events",
        "indexes": ["e", ["q", "t"], ["a", "t"], ["s", "t"], ["u", "t"], ["w", "t"], ["t"]],
    }


class ProgressRow(Document):
    """How far tiles and index are derived from the groups, with the frontier there."""

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
class Place:
    """Where an event is: its index in the log, and its place in the order of time."""

    index: int
    at: str


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
        for row in (GroupRow, TileRow, CheckpointRow, EventRow, ProgressRow):
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
        """How far tiles and index are derived. Raises `ValueError` when what is stored is no frontier."""
        found = _rows(ProgressRow).find_one({"_id": _PROGRESS})
        return tlog.Frontier.unpack(found["size"], bytes(found["frontier"])) if found else tlog.Frontier()

    def save_progress(self, frontier: tlog.Frontier) -> None:
        """Remembers how far tiles and index are derived."""
        row = {"size": frontier.size, "frontier": Binary(frontier.pack())}
        _rows(ProgressRow).update_one({"_id": _PROGRESS}, {"$set": row}, upsert=True)

    def save_index(self, rows: Sequence[IndexRow]) -> None:
        """Keeps rows of the search index; those that are there already stay as they are."""
        if not rows:
            return
        try:
            _rows(EventRow).insert_many([_fields(r) for r in rows], ordered=False)
        except BulkWriteError as e:
            if any(error["code"] != _DUPLICATE for error in e.details["writeErrors"]):
                raise

    def search(self, search: Search, before: str, limit: int) -> list[Place]:
        """Where events are, newest first, before a place; an empty one is the end."""
        query: Plain = {}
        for field, value in (
            ("e", search.event_id),
            ("q", search.request_id),
            ("u", search.subject_ref),
            ("s", search.actor),
            ("a", search.act),
        ):
            if value:
                query[field] = value
        return self._newest(query, search.since, search.until, before, limit)

    def queries_of(self, subject_ref: str, before: str, limit: int) -> list[Place]:
        """Where queries of a subject's records are, newest first, before a place."""
        return self._newest({"w": subject_ref}, "", "", before, limit)

    def _newest(self, query: Plain, since: str, until: str, before: str, limit: int) -> list[Place]:
        span: Plain = {"$gte": since} if since else {}
        if ends := [end for end in (until, before) if end]:
            span["$lt"] = min(ends)
        if span:
            query = query | {"t": span}
        found = _rows(EventRow).find(query, {"t": 1}).sort("t", -1).limit(limit)
        return [Place(row["_id"], row["t"]) for row in found]

    def index_of(self, event_id: str) -> int | None:
        """Where an event is; the first place, should an id be there twice."""
        return min((row["_id"] for row in _rows(EventRow).find({"e": event_id}, {"_id": 1})), default=None)

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


def _fields(row: IndexRow) -> Plain:
    found: Plain = {"_id": row.index, "t": row.place, "e": row.event_id, "q": row.request_id, "a": row.act}
    found["s"] = row.actor
    if row.subject_refs:
        found["u"] = list(row.subject_refs)
    if row.queried:
        found["w"] = list(row.queried)
    return found
