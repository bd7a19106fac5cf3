"""Reads CSV as spreadsheets write it: UTF-8 with or without BOM, GB18030, UTF-16; commas, tabs or semicolons."""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Final

from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_ITEMS, MOST_ROWS
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.encoding import detect_encoding, must_be_only_utf8
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import as_bytes, as_text

_HEAD_CHARACTERS: Final = 4096
_DELIMITERS: Final = ",\t;"
# The first line by which a file tells spreadsheets its delimiter; they do not count it as a row.
_TOLD_DELIMITER: Final = re.compile(r"sep=([,;\t|])[\r\n]*\Z", re.IGNORECASE)
_QUOTED: Final = re.compile('"[^"]*"')
# The character with which DOS ended a text.
_END_OF_TEXT: Final = "\x1a"
_MARK: Final = "\ufeff"
# The message of `csv` for a cell that is longer than its limit.
_TOO_LONG_MESSAGE: Final = "field larger than field limit"

csv.field_size_limit(LONGEST_RECORD)


def read_csv(out: Writer, most: int) -> None:
    """Writes the header and the first `most` rows that hold something. Raises the fault of the first bad row."""
    with as_bytes() as file:
        encoding = detect_encoding(file)
        if encoding == "utf-8":
            must_be_only_utf8(file)
    out.put(frames.ABOUT, About(encoding))
    records = _read_records(encoding)
    header_number, header = _read_header(records)
    out.put(frames.HEADER, header)
    width = len(header)
    for number, cells in records:
        if len(cells) != width and not (len(cells) > width and not any(cells[width:])):
            if not _is_filled(cells):
                continue
            if width == 1:
                raise Fault("FILE_TITLE_ABOVE", row=header_number, title=header[0].strip()[:40])
            raise Fault("FILE_ROW_WIDTH", row=number, actual=len(cells), expected=width)
        del cells[width:]
        size = sum(map(len, cells))
        if size > frames.LONGEST_ROW:
            raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD)
        if size:
            out.add(number, cells, size)
            most -= 1
            if not most:
                return


def _is_filled(cells: Sequence[str]) -> bool:
    return any(cell.strip() not in ("", _END_OF_TEXT) for cell in cells)


def _read_records(encoding: str) -> Iterator[tuple[int, list[str]]]:
    """The rows with their numbers, empty ones too, because their number tells where the others are."""
    delimiter, is_told = _find_delimiter(encoding)
    with as_text(encoding) as text:
        if is_told:
            text.readline()
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        for number in itertools.count(1):
            # Rows that hold nothing take time as others do.
            if number > MOST_ROWS:
                raise Fault("FILE_TOO_LONG", limit=f"{MOST_ROWS:,}")
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as e:
                if str(e).startswith(_TOO_LONG_MESSAGE):
                    raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD) from None
                raise Fault("FILE_QUOTES_BROKEN", row=number, reason=e) from None
            if cells and cells[0].startswith(_MARK):
                raise Fault("FILE_MARK_INSIDE", row=number)
            yield number, cells


def _read_header(records: Iterator[tuple[int, list[str]]]) -> tuple[int, list[str]]:
    """The first row that holds something, as in a workbook, with its number."""
    number, cells = next(((n, c) for n, c in records if _is_filled([cell.strip(_DELIMITERS) for cell in c])), (0, []))
    if not number:
        raise Fault("FILE_EMPTY")
    while not cells[-1].strip():
        cells.pop()
    if len(cells) > MOST_ITEMS:
        raise Fault("FILE_TOO_WIDE", actual=len(cells), limit=MOST_ITEMS)
    if sum(map(len, cells)) > LONGEST_RECORD:
        raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD)
    return number, cells


def _find_delimiter(encoding: str) -> tuple[str, bool]:
    """The delimiter, and whether the file tells it in a line before the header."""
    with as_text(encoding) as text:
        lines = iter(lambda: text.readline(_HEAD_CHARACTERS), "")
        for number, line in enumerate(itertools.islice(lines, MOST_ROWS)):
            if number == 0 and (told := _TOLD_DELIMITER.match(line)):
                return told[1], True
            if line.strip(_DELIMITERS + " \r\n"):
                unquoted = _QUOTED.sub("", line)
                return max(_DELIMITERS, key=unquoted.count), False
    return _DELIMITERS[0], False
