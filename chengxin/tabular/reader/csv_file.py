"""Reads CSV as spreadsheets write it: UTF-8 with or without BOM, GB18030, UTF-16; commas, tabs or semicolons."""

import codecs
import csv
from collections.abc import Iterator
from typing import Final

from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_ITEMS
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import as_bytes, as_text

_PIECE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4096
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS: Final = ",\t;"
# The message of `csv` for a cell that is longer than its limit.
_TOO_LONG_MESSAGE: Final = "field larger than field limit"

csv.field_size_limit(LONGEST_RECORD)


def read_csv(out: Writer, most: int) -> None:
    """Writes the header and the first `most` rows that hold something. Raises the fault of the first bad row."""
    encoding = detect_encoding()
    out.put(frames.ABOUT, About(encoding))
    records = _read_records(encoding)
    header = _read_header(records)
    out.put(frames.HEADER, header)
    width = len(header)
    for number, cells in records:
        if len(cells) != width and not (len(cells) > width and not any(cells[width:])):
            if not any(cell.strip() for cell in cells):
                continue
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


def _read_records(encoding: str) -> Iterator[tuple[int, list[str]]]:
    delimiter = _guess_delimiter(encoding)
    with as_text(encoding) as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        number = 0
        while True:
            number += 1
            try:
                yield number, next(reader)
            except StopIteration:
                return
            except csv.Error as e:
                if str(e).startswith(_TOO_LONG_MESSAGE):
                    raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD) from None
                raise Fault("FILE_QUOTES_BROKEN", row=number, reason=e) from None


def _read_header(records: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, cells = next(records, (0, []))
    while cells and not cells[-1].strip():
        cells.pop()
    if not cells:
        raise Fault("FILE_EMPTY")
    if len(cells) > MOST_ITEMS:
        raise Fault("FILE_TOO_WIDE", actual=len(cells), limit=MOST_ITEMS)
    if sum(map(len, cells)) > LONGEST_RECORD:
        raise Fault("FILE_LINE_TOO_LONG", row=1, limit=LONGEST_RECORD)
    return cells


def _guess_delimiter(encoding: str) -> str:
    with as_text(encoding) as text:
        first = text.read(_HEAD_BYTES).split("\n", 1)[0]
    return max(_DELIMITERS, key=first.count)


def detect_encoding() -> str:
    """The encoding of a text file: by its mark, else the first of UTF-8 and GB18030 that decodes all of it.

    Raises FILE_ENCODING_UNKNOWN with the first byte that is neither.
    """
    with as_bytes() as file:
        head = file.read(_HEAD_BYTES)
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
    furthest = 0
    for name in candidates:
        offset = _find_undecodable(name)
        if offset is None:
            return name
        furthest = max(furthest, offset)
    raise Fault("FILE_ENCODING_UNKNOWN", offset=furthest)


def _find_undecodable(encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    bytes_read = 0
    with as_bytes() as file:
        while True:
            piece = file.read(_PIECE_BYTES)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as e:
                return max(0, bytes_read + e.start)
            if not piece:
                return None
            bytes_read += len(piece)
