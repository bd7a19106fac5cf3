"""The log's documents, and the values that are read from them.

A row that was altered may hold anything. `read_group` and its like raise `LogAltered`, which names the row, for one that
does not have its form.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mongoengine import BinaryField, DictField, Document, ListField, LongField, StringField

from chengxin.store.documents import DocumentClass, collection_name
from chengxin.store.retention import bounded, kept
from chengxin.tlog import merkle
from chengxin.values.document import RawDocument
from services.audit.domain.alterations import Alteration, LogAltered, RowFault
from services.audit.domain.event import LoggedEntry, RelayPosition

T = TypeVar("T")


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
    # A MAC over all of it but the entries, which the leaf hashes stand for; without one: of a version before seals.
    seal = BinaryField()
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
        "direct_writes": {
            "save_tile": "derived from the log",
            "replace": "what is derived is made again",
            "remove": "as `replace`",
        },
    }


class CheckpointRow(Document):
    """The latest signed checkpoint, the only document here."""

    key = StringField(primary_key=True)
    size = LongField()
    note = StringField()
    at = StringField()
    seal = BinaryField()
    meta = {
        "collection": "checkpoints",
        "retention": bounded("the newest takes the place of the one before"),
        "direct_writes": {
            "save_checkpoint": "derived from the log",
            "replace": "what is derived is made again",
            "remove": "as `replace`",
        },
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
        "direct_writes": {
            "save_segment": "derived from the log",
            "replace": "what is derived is made again",
            "remove": "as `replace`",
        },
    }


class BucketRow(Document):
    """A part of a segment: see `domain/search_encoding.py`."""

    key = StringField(primary_key=True)  # <bucket>/<number of the segment>
    packed = BinaryField()
    meta = {
        "collection": "buckets",
        "retention": kept("as `segments`"),
        "direct_writes": {
            "save_segment": "derived from the log",
            "replace": "what is derived is made again",
            "remove": "as `replace`",
        },
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
        "direct_writes": {
            "save_progress": "derived from the log",
            "replace": "what is derived is made again",
            "remove": "as `replace`",
        },
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
    seal: bytes = b""

    @property
    def end(self) -> int:
        """The size of the log after this group."""
        return self.first + len(self.leaves)

    def sealed_text(self) -> bytes:
        """What the seal is over: all of the group. The leaf hashes stand for the entries."""
        delivered = {service: [d.position, d.events] for service, d in self.delivered.items()}
        text = [self.number, self.first, b"".join(self.leaves).hex(), self.frontier.hex(), delivered]
        return json.dumps(text, sort_keys=True).encode()

    def altered_entries(self) -> list[int]:
        """The indexes of entries that do not have their leaf hashes; of those that are missing, or too many, the first."""
        wrong = [
            self.first + n
            for n, (entry, leaf) in enumerate(zip(self.entries, self.leaves, strict=False))
            if merkle.leaf_hash(entry) != leaf
        ]
        if len(self.entries) != len(self.leaves):
            wrong.append(self.first + min(len(self.entries), len(self.leaves)))
        return wrong

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
    seal: bytes = b""

    def sealed_text(self) -> bytes:
        """What the seal is over."""
        return json.dumps([self.size, self.note, self.at]).encode()


def altered(document: DocumentClass, key: object, fault: RowFault, fields: str = "") -> Alteration:
    """The alteration of a row, by its `_id`."""
    return Alteration(collection_name(document), str(key)[:64], fault, fields)


def read_group(row: RawDocument) -> LogGroup:
    """Reads a row of the log. Raises `LogAltered`."""

    def read() -> LogGroup:
        entries = [_typed("entries", entry, bytes) for entry in _typed("entries", row.get("entries"), list)]
        leaves = _hashes(row, "leaves")
        return LogGroup(
            _typed("_id", row["_id"], int),
            _typed("first", row.get("first"), int),
            [bytes(entry) for entry in entries],
            leaves,
            b"".join(_hashes(row, "frontier")),
            {s: _position(p) for s, p in _typed("delivered", row.get("delivered"), dict).items()},
            bytes(_typed("seal", row.get("seal", b""), bytes)),
        )

    return _read(LogGroupRow, row, read)


def write_group(group: LogGroup) -> RawDocument:
    """The row of a group."""
    return {
        "_id": group.number,
        "first": group.first,
        "entries": group.entries,
        "leaves": b"".join(group.leaves),
        "frontier": group.frontier,
        "delivered": {service: [d.position, d.events] for service, d in group.delivered.items()},
        "seal": group.seal,
    }


def read_tile(row: RawDocument) -> tuple[bytes, bytes]:
    """Reads the hashes and the root of a full tile. Raises `LogAltered`."""

    def read() -> tuple[bytes, bytes]:
        hashes, root = _hashes(row, "hashes"), _hashes(row, "root")
        if len(hashes) != merkle.WIDTH or len(root) != 1:
            raise ValueError("hashes" if len(root) == 1 else "root")
        return b"".join(hashes), root[0]

    return _read(TileRow, row, read)


def read_published(row: RawDocument) -> Published:
    """Reads the row of the latest checkpoint. Raises `LogAltered`."""

    def read() -> Published:
        if extra := undeclared_fields(CheckpointRow, row):
            raise ValueError(extra)
        return Published(
            _typed("size", row.get("size"), int),
            _typed("note", row.get("note"), str),
            _typed("at", row.get("at"), str),
            bytes(_typed("seal", row.get("seal", b""), bytes)),
        )

    return _read(CheckpointRow, row, read)


def read_progress(row: RawDocument) -> tuple[int, merkle.Frontier]:
    """Reads how far the tiles are derived: groups, and the frontier after them. Raises `LogAltered`."""

    def read() -> tuple[int, merkle.Frontier]:
        size = _typed("size", row.get("size"), int)
        groups = _typed("groups", row.get("groups"), int)
        hashes = _hashes(row, "frontier")
        if size < 0 or groups < 0 or len(hashes) != size.bit_count():
            raise ValueError("frontier")
        return groups, merkle.Frontier(size, hashes)

    return _read(ProgressRow, row, read)


def read_segment(row: RawDocument, before: Segment | None) -> tuple[Segment, bytes]:
    """Reads a segment, without its times, and the packed indexes of the first entries of its groups. It begins where the
    segment before it ends. Raises `LogAltered`."""

    def read() -> tuple[Segment, bytes]:
        names = ("_id", "start", "end", "earliest", "latest")
        segment = Segment(*(_typed(name, row.get(name), int) for name in names))
        firsts = bytes(_typed("firsts", row.get("firsts"), bytes))
        if segment.start != (before.end if before else 0):
            raise ValueError("start")
        if segment.end <= segment.start:
            raise ValueError("end")
        if not firsts or len(firsts) % 8:
            raise ValueError("firsts")
        return segment, firsts

    return _read(SegmentRow, row, read)


def read_binary(document: DocumentClass, row: RawDocument, name: str) -> bytes:
    """Reads the bytes of a field. Raises `LogAltered`."""
    return _read(document, row, lambda: bytes(_typed(name, row.get(name), bytes)))


def differing_fields(stored: RawDocument, expected: RawDocument) -> str:
    """The names of the fields in which two rows differ, and of those that only one of them has; empty for none."""
    names = [n for n in {**expected, **stored} if not _equal(stored.get(n), expected.get(n))]
    return ", ".join(names)


def undeclared_fields(document: DocumentClass, row: RawDocument) -> str:
    """The names of fields that a row has and its document does not declare; empty for none."""
    declared = {field.db_field for field in document._fields.values()}
    return ", ".join(sorted(set(row) - declared))


def _equal(one: Any, other: Any) -> bool:
    # In Python 1 == True == 1.0.
    return (
        bool(one == other)
        and isinstance(one, bool) == isinstance(other, bool)
        and isinstance(one, float) == (isinstance(other, float))
    )


def _read(document: DocumentClass, row: RawDocument, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as e:
        raise LogAltered(altered(document, row.get("_id"), RowFault.DIFFERS, str(e))) from None


def _typed(name: str, value: object, kind: type[T]) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(name)
    return value


def _hashes(row: RawDocument, name: str) -> list[bytes]:
    packed = bytes(_typed(name, row.get(name), bytes))
    if len(packed) % merkle.HASH:
        raise ValueError(name)
    return merkle.split(packed)


def _position(stored: object) -> RelayPosition:
    if not isinstance(stored, list) or len(stored) != 2:
        raise ValueError("delivered")
    return RelayPosition(*(_typed("delivered", number, int) for number in stored))
