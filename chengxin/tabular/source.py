"""A file of records, whatever its kind: its columns, and its rows one at a time."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from chengxin.tabular.bounds import LONGEST_RECORD, is_bounded
from chengxin.tabular.columns import Column, Columns
from chengxin.tabular.problems import (
    FILE_EMPTY,
    FILE_KIND_UNKNOWN,
    FILE_LINE_TOO_LONG,
    FILE_NO_RECORDS,
    FILE_WORKBOOK_OTHER,
)

# What Office wrote before it wrote ZIP files, and still writes around an encrypted one.
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")


class Row(NamedTuple):
    """One record: its row as a spreadsheet counts (the header is row 1; a JSON line counts from 1), item code to value."""

    number: int
    items: dict[str, str]


class Source(Protocol):
    """A readable file of records."""

    # What its text is encoded in, as Python names it.
    encoding: str
    # `csv`, `xlsx` or `jsonl`.
    kind: str
    # Names of its further sheets that people see and that hold something: they are not read, and whoever delivers is told.
    unread: Sequence[str]

    def columns(self, entry: Columns) -> list[Column]:
        """Its columns in order. Raises the problem of the header."""
        ...

    def rows(self, entry: Columns) -> Iterator[Row]:
        """Its records in order; empty cells and empty rows are left out. Raises the problem of the first bad row."""
        ...


def open_source(path: Path, name: str) -> Source:
    """The file at `path`, called `name`. Raises FILE_EMPTY, FILE_KIND_UNKNOWN, FILE_WORKBOOK_OTHER, or what is wrong."""
    from chengxin.tabular.csv_source import CsvSource
    from chengxin.tabular.jsonl_source import JsonlSource
    from chengxin.tabular.xlsx_source import XlsxSource

    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise FILE_EMPTY()
    if head == _OLE:
        raise FILE_WORKBOOK_OTHER(name=name[:80])
    suffix = Path(name.lower()).suffix
    if head.startswith(b"PK\x03\x04") or suffix == ".xlsx":
        return XlsxSource(path)
    if suffix in (".jsonl", ".ndjson") or (suffix not in (".csv", ".txt") and head.lstrip()[:1] == b"{"):
        return JsonlSource(path)
    if suffix in (".csv", ".txt", ".tsv"):
        return CsvSource(path)
    raise FILE_KIND_UNKNOWN(name=name[:80])


def must_be_whole(source: Source, entry: Columns) -> int:
    """Reads a file to its end and counts its records, so that a broken one is found before anything is stored.

    Raises whatever is wrong with it, FILE_LINE_TOO_LONG, FILE_NO_RECORDS.
    """
    count = 0
    for row in source.rows(entry):
        count += 1
        if not is_bounded(row.items):
            raise FILE_LINE_TOO_LONG(row=row.number, limit=LONGEST_RECORD)
    if not count:
        raise FILE_NO_RECORDS()
    return count


def id_of_file(entry: str, sha256: str, mapping: Mapping[str, str] | None = None) -> str:
    """The submission id of a file that comes without one: the same file for the same entry, its columns read in the
    same way, is the same delivery."""
    read = json.dumps(sorted(mapping.items()), ensure_ascii=False) if mapping else ""
    return "f-" + hashlib.sha256(f"{entry}\0{sha256}{read}".encode()).hexdigest()[:40]
