"""Every way to alter one row of the log's store, from what its documents declare."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bson.binary import Binary

from services.audit.store.log import row_key
from services.audit.store.rows import ALL, BucketRow, CheckpointRow, LogGroupRow, SegmentRow, TileRow

Rows = dict[Any, dict[str, Any]]


@dataclass(frozen=True)
class Tampering:
    """A way to alter the rows of a collection. `of` gives, of its rows as they are, those that are written in their
    places; None for one that is removed. `after_restart` also begins the service on it."""

    name: str
    of: Callable[[Rows], dict[Any, dict[str, Any] | None]]
    after_restart: bool = True


# A row of each collection that has others before and after it, and where the next one will be.
MIDDLE = {LogGroupRow: 3, TileRow: "0/0", SegmentRow: 1, BucketRow: None}
NEXT = {
    LogGroupRow: lambda rows: max(rows) + 1,
    TileRow: lambda rows: row_key(0, len(rows)),
    SegmentRow: lambda rows: max(rows) + 1,
    BucketRow: lambda rows: row_key(0, 1 + max(int(key.split("/")[1]) for key in rows)),
}


def collection_of(document: Any) -> str:
    return str(document._get_collection_name())


def tamperings(document: Any) -> Iterator[Tampering]:
    """All of a collection: each field changed, cut short, left out; rows removed, added, swapped."""
    for name, field in document._fields.items():
        if not field.primary_key:
            yield Tampering(f"{name} changed", lambda rows, n=name: _with(document, rows, n, _changed))
            yield Tampering(f"{name} cut", lambda rows, n=name: _with(document, rows, n, _cut), False)
            yield Tampering(f"{name} left out", lambda rows, n=name: _without(document, rows, n), False)
    # A service that begins without a checkpoint signs one from the groups: a witness notices when they were rewritten.
    signed_again = document is CheckpointRow
    yield Tampering("row removed", lambda rows: {_middle(document, rows): None}, not signed_again)
    yield Tampering("field added", lambda rows: _with(document, rows, "more", lambda _: 1), False)
    yield Tampering("row added", lambda rows: _added(document, rows))
    if document in MIDDLE:
        yield Tampering("rows swapped", lambda rows: _swapped(document, rows))


def all_collections() -> list[Any]:
    return list(ALL)


def _middle(document: Any, rows: Rows) -> Any:
    found = MIDDLE.get(document)
    return sorted(rows)[len(rows) // 2] if found is None else found


def _with(document: Any, rows: Rows, name: str, change: Callable[[Any], Any]) -> dict[Any, dict[str, Any] | None]:
    key = _middle(document, rows)
    return {key: rows[key] | {name: change(rows[key].get(name))}}


def _without(document: Any, rows: Rows, name: str) -> dict[Any, dict[str, Any] | None]:
    key = _middle(document, rows)
    return {key: {n: v for n, v in rows[key].items() if n != name}}


def _added(document: Any, rows: Rows) -> dict[Any, dict[str, Any] | None]:
    key = NEXT[document](rows) if document in NEXT else "another"
    return {key: rows[_middle(document, rows)] | {"_id": key}}


def _swapped(document: Any, rows: Rows) -> dict[Any, dict[str, Any] | None]:
    one = _middle(document, rows)
    other = next(key for key in sorted(rows) if key != one and _rest(rows[key]) != _rest(rows[one]))
    return {one: rows[other] | {"_id": one}, other: rows[one] | {"_id": other}}


def _rest(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "_id"}


def _changed(value: Any) -> Any:
    match value:
        case bytes():
            return Binary(bytes([value[0] ^ 1]) + value[1:])
        case str():
            return value[:-2] + ("0" if value[-2] != "0" else "1") + value[-1:]
        case int():
            return value + 1
        case dict():
            return {name: [at + 1, events] for name, (at, events) in value.items()}
        case [first, *others]:
            return [Binary(bytes(first).replace(b'"ok"', b'"no"')), *others]
    raise AssertionError(value)


def _cut(value: Any) -> Any:
    match value:
        case bytes():
            return Binary(value[:-1])
        case int():
            return value - 1
        case dict():
            return {}
    return value[:-1]
