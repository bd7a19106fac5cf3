"""Reads a file of records of any kind: its columns, and its rows one at a time."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

import msgspec

from chengxin.concurrency.shares import Claimant
from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD, is_bounded
from chengxin.tabular.columns import Column, Columns, are_of_rejects_file
from chengxin.tabular.frames import Cells, Pairs
from chengxin.tabular.problems import (
    FILE_CHARACTER_BROKEN,
    FILE_COLUMN_TWICE,
    FILE_EMPTY,
    FILE_KIND_UNKNOWN,
    FILE_LINE_NOT_JSON,
    FILE_LINE_TOO_LONG,
    FILE_NO_RECORDS,
    FILE_WORKBOOK_OTHER,
)
from chengxin.tabular.reading import READERS, Content
from chengxin.tabular.rejects import unescape_formula

# The first bytes of the container that Office wrote before ZIP, and still writes around an encrypted file.
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_HEADER: Final = msgspec.msgpack.Decoder(list[str])
_ROWS: Final = msgspec.msgpack.Decoder(list[Cells])
_LINES: Final = msgspec.msgpack.Decoder(list[Pairs])


class SourceRow(NamedTuple):
    """One record: its row as a spreadsheet counts (the header is row 1; JSON lines count from 1), its items by code."""

    number: int
    items: dict[str, str]


class Source:
    """A file of records that was read: until `close`, its content is in pieces in a file without a name."""

    def __init__(self, content: Content, kind: str) -> None:
        about = content.about()
        self._content = content
        # `csv`, `xlsx` or `jsonl`.
        self.kind = kind
        # The encoding of its text, by Python's name.
        self.encoding = about.encoding
        # Names of its further sheets that are visible and not empty: they are not read, and the provider is informed.
        self.unread: Sequence[str] = about.unread

    def close(self) -> None:
        """Frees its disk space; afterwards its rows cannot be read."""
        self._content.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def columns(self, entry: Columns) -> list[Column]:
        """Its columns in order. Raises the problem of the header."""
        if self.kind == "jsonl":
            # Each line names its items itself, so all items of the entry are possible.
            return [Column(item.code, item.code) for item in entry.items]
        labels: list[str] = self._content.first(frames.HEADER, _HEADER)
        return entry.of_header(labels)

    def rows(self, entry: Columns) -> Iterator[SourceRow]:
        """Its records in order; empty cells and empty rows are left out. Raises the problem of the first bad row."""
        for row in self._read_lines(entry) if self.kind == "jsonl" else self._read_table(entry):
            if not is_bounded(row.items):
                raise FILE_LINE_TOO_LONG(row=row.number, limit=LONGEST_RECORD)
            yield row

    def _read_table(self, entry: Columns) -> Iterator[SourceRow]:
        columns = self.columns(entry)
        codes = [column.code for column in columns]
        # In a rejects file a mark disarms each formula; when the file comes back corrected, the mark is removed.
        has_marks = are_of_rejects_file(columns)
        for sort, piece in self._content.pieces():
            if sort != frames.ROWS:
                continue
            for number, cells in self._content.decoded(_ROWS, piece):
                items = {code: cell for code, cell in zip(codes, cells, strict=False) if code and cell.strip()}
                if items:
                    yield SourceRow(number, {c: unescape_formula(v) for c, v in items.items()} if has_marks else items)

    def _read_lines(self, entry: Columns) -> Iterator[SourceRow]:
        for sort, piece in self._content.pieces():
            if sort != frames.ROWS:
                continue
            for number, pairs in self._content.decoded(_LINES, piece):
                if items := _items_of_line(entry, number, pairs):
                    yield SourceRow(number, items)


def _items_of_line(entry: Columns, number: int, pairs: Sequence[str | int]) -> dict[str, str]:
    """The items of a JSON line; `pairs` holds its labels and values in turn."""
    items: dict[str, str] = {}
    labels: dict[str, str] = {}
    unknown = []
    for label, value in zip(map(str, pairs[::2]), pairs[1::2], strict=False):
        code = entry.code(label)
        if code is None:
            unknown.append(label)
        elif code in labels:
            raise FILE_COLUMN_TWICE(item=code, columns=f"“{labels[code]}”, “{label}”（{number}）")
        elif code:
            labels[code] = label
            if not isinstance(value, str):
                raise _describe_bad_value(number, label, value)
            if value.strip():
                items[code] = value
    if unknown:
        raise entry.unknown([f"{label}（{number}）" for label in unknown], set(items))
    return items


def _describe_bad_value(number: int, label: str, value: int) -> Exception:
    if value:
        return FILE_CHARACTER_BROKEN(row=number, column=label[:40], character=f"\\u{value:04x}")
    return FILE_LINE_NOT_JSON(row=number, reason=f"“{label[:40]}”: list or object")


def kind_of(file: IO[bytes], name: str) -> str:
    """The kind of an open file by its first bytes and its name. Raises FILE_EMPTY, FILE_KIND_UNKNOWN, FILE_WORKBOOK_OTHER."""
    file.seek(0)
    head = file.read(8)
    if not head:
        raise FILE_EMPTY()
    if head == _OLE:
        raise FILE_WORKBOOK_OTHER(name=name[:80])
    kind = _detect_kind(head, Path(name.lower()).suffix)
    if not kind:
        raise FILE_KIND_UNKNOWN(name=name[:80])
    return kind


def open_source(file: IO[bytes], name: str, entry: Columns, caller: Claimant, most: int = 0) -> Source:
    """Reads the open file `name` in a process of its own; at least the first `most` records when that is not 0.

    A file of other columns than the entry's is refused as soon as they are read. `caller` has a share of the readers.

    Raises FILE_EMPTY, FILE_KIND_UNKNOWN, FILE_WORKBOOK_OTHER, a problem before its first row, or a problem of the
    reader (`chengxin.tabular.reading`).
    """
    kind = kind_of(file, name)
    content = READERS.read(file, kind, caller, most, lambda begun: _must_have_columns(begun, kind, entry))
    try:
        return Source(content, kind)
    except BaseException:
        content.close()
        raise


def _must_have_columns(begun: Content, kind: str, entry: Columns) -> None:
    """Raises the problem of a header, or of the first JSON lines, of which nothing more is known yet."""
    for sort, piece in begun.pieces():
        if sort in (frames.LABELS, frames.HEADER):
            labels: list[str] = begun.decoded(_HEADER, piece)
            entry.of_header(labels)
            return
        if sort == frames.ROWS and kind == "jsonl":
            for number, pairs in begun.decoded(_LINES, piece):
                _items_of_line(entry, number, pairs)
            return


def _detect_kind(head: bytes, suffix: str) -> str:
    if head.startswith(b"PK\x03\x04") or suffix == ".xlsx":
        return "xlsx"
    if suffix in (".jsonl", ".ndjson") or (suffix not in (".csv", ".txt") and head.lstrip()[:1] == b"{"):
        return "jsonl"
    return "csv" if suffix in (".csv", ".txt", ".tsv") else ""


def must_be_whole(source: Source, entry: Columns) -> int:
    """Reads a file to its end and counts its records, so that a broken one is found before anything is stored.

    Raises the first problem of the file, FILE_NO_RECORDS.
    """
    count = sum(1 for _ in source.rows(entry))
    if not count:
        raise FILE_NO_RECORDS()
    return count


def id_of_file(entry: str, sha256: str, mapping: Mapping[str, str] | None = None) -> str:
    """The submission id of a file that comes without one.

    The same file for the same entry, with its columns read in the same way, is the same delivery.
    """
    columns_read = json.dumps(sorted(mapping.items()), ensure_ascii=False) if mapping else ""
    return "f-" + hashlib.sha256(f"{entry}\0{sha256}{columns_read}".encode()).hexdigest()[:40]
