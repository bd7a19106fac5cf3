"""CSV as spreadsheets write it: UTF-8 with or without BOM, GB18030, UTF-16; commas, tabs or semicolons."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chengxin.tabular.bounds import LONGEST_RECORD
from chengxin.tabular.columns import Column, Columns
from chengxin.tabular.problems import (
    FILE_EMPTY,
    FILE_ENCODING_UNKNOWN,
    FILE_LINE_TOO_LONG,
    FILE_QUOTES_BROKEN,
    FILE_ROW_WIDTH,
)
from chengxin.tabular.rejects import armed
from chengxin.tabular.source import Row

_PIECE: Final = 1 << 20
_HEAD: Final = 4096
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS: Final = ",\t;"
# How `csv` says that a cell has more than its limit.
_TOO_LONG: Final = "field larger than field limit"

csv.field_size_limit(LONGEST_RECORD)


class CsvSource:
    """A CSV file."""

    kind = "csv"
    unread: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding = told_encoding(path)
        self._delimiter = self._told_delimiter()

    def columns(self, entry: Columns) -> list[Column]:
        """The columns of the header. Raises the problem of the header."""
        return entry.of_header(self._header(self._records()))

    def rows(self, entry: Columns) -> Iterator[Row]:
        """The records. Raises FILE_QUOTES_BROKEN, FILE_LINE_TOO_LONG, FILE_ROW_WIDTH."""
        records = self._records()
        columns = entry.of_header(self._header(records))
        width = len(columns)
        codes = [column.code for column in columns]
        # A rejects file has its formulas disarmed; mended and delivered again, the mark comes off.
        disarmed = "" in codes
        for number, cells in records:
            if len(cells) != width and not (len(cells) > width and not any(cells[width:])):
                if not any(cell.strip() for cell in cells):
                    continue
                raise FILE_ROW_WIDTH(row=number, actual=len(cells), expected=width)
            items = {code: cell for code, cell in zip(codes, cells, strict=False) if code and cell.strip()}
            if items:
                yield Row(number, {c: armed(v) for c, v in items.items()} if disarmed else items)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        with self._path.open(encoding=self.encoding, newline="") as text:
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            number = 0
            while True:
                number += 1
                try:
                    yield number, next(reader)
                except StopIteration:
                    return
                except csv.Error as e:
                    if str(e).startswith(_TOO_LONG):
                        raise FILE_LINE_TOO_LONG(row=number, limit=LONGEST_RECORD) from None
                    raise FILE_QUOTES_BROKEN(row=number, reason=e) from None

    @staticmethod
    def _header(records: Iterator[tuple[int, list[str]]]) -> list[str]:
        _, cells = next(records, (0, []))
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            raise FILE_EMPTY()
        return cells

    def _told_delimiter(self) -> str:
        with self._path.open(encoding=self.encoding, newline="") as text:
            first = text.read(_HEAD).split("\n", 1)[0]
        return max(_DELIMITERS, key=first.count)


def told_encoding(path: Path) -> str:
    """What a text file is encoded in: by its mark, else the first of UTF-8 and GB18030 that all of it is.

    Raises FILE_ENCODING_UNKNOWN with the first byte that is neither.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for mark, name in _BOMS:
        if head.startswith(mark):
            candidates = [name]
            break
    else:
        # UTF-16 without a mark: every other byte of an ASCII comma or digit is zero.
        zeros = [head[0::2].count(0), head[1::2].count(0)]
        if max(zeros) > len(head) // 20:
            candidates = ["utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"]
        else:
            candidates = ["utf-8", "gb18030"]
    broken = 0
    for name in candidates:
        wrong = _first_wrong(path, name)
        if wrong is None:
            return name
        broken = max(broken, wrong)
    raise FILE_ENCODING_UNKNOWN(offset=broken)


def _first_wrong(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    read = 0
    with path.open("rb") as file:
        while True:
            piece = file.read(_PIECE)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as e:
                return max(0, read + e.start)
            if not piece:
                return None
            read += len(piece)
