"""The format in which a reader passes on what it has read: pieces, each with its sort and its length."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import msgspec

# The sorts of pieces: the labels of a header as they are found early, which only serve to refuse a file; what is known
# about the file; the labels of its header; the name of a sheet, whose rows follow;
# rows; what is wrong; the end. A reader whose last piece is neither of the last two has died.
LABELS: Final = b"L"
ABOUT: Final = b"A"
HEADER: Final = b"H"
SHEET: Final = b"S"
ROWS: Final = b"R"
FAULT: Final = b"F"
END: Final = b"E"
# The pieces by which a file of other columns is recognised. With the first of them the reader gives a sign.
TELLING: Final = (LABELS, HEADER, ROWS)

# Characters of a row, well above those of a record (`bounds.LONGEST_RECORD`), since some columns may not be read.
LONGEST_ROW: Final = 4 << 20
# Characters after which a piece of rows ends.
_PIECE_CHARACTERS: Final = 1 << 16
# Bytes of a piece, unpacked: a reader that works as written stays below.
_MOST_PIECE_BYTES: Final = 32 << 20
# The head of a piece: its sort, whether it is packed, its length.
_HEAD: Final = struct.Struct(">c?I")
# Bytes that are written before pieces are packed. Packed, a large file takes a fifth of the space, which counts because
# the temporary directory may be a small one in memory. For a small file packing would only take time.
_UNPACKED_BYTES: Final = 8 << 20

# A row's number and its cells. In JSON Lines a label comes before each value, and a number stands for a value that is
# not text.
Cells = tuple[int, list[str]]
Pairs = tuple[int, list[str | int]]


@dataclass(frozen=True)
class About:
    """What is known about a file besides its rows."""

    encoding: str = "utf-8"
    unread: list[str] = field(default_factory=list)
    # Of attachments: the media type of each.
    types: list[str] = field(default_factory=list)


class Writer:
    """Writes pieces; gathers rows until they fill a piece. Calls `sign` once the first telling piece is written."""

    def __init__(self, file: IO[bytes], sign: Callable[[], object]) -> None:
        self._file = file
        self._sign: Callable[[], object] | None = sign
        self._rows: list[tuple[int, list[Any]]] = []
        self._size = 0
        self._written = 0

    def put(self, sort: bytes, value: Any) -> None:
        """Writes a piece, after the rows before it."""
        if self._rows:
            rows, self._rows, self._size = self._rows, [], 0
            self._write(ROWS, rows)
        self._write(sort, value)

    def add(self, number: int, cells: list[Any], size: int) -> None:
        """Adds a row of about `size` characters."""
        self._rows.append((number, cells))
        # Empty cells take space, too.
        self._size += size + len(cells)
        if self._size >= _PIECE_CHARACTERS:
            rows, self._rows, self._size = self._rows, [], 0
            self._write(ROWS, rows)

    def _write(self, sort: bytes, value: Any) -> None:
        content = msgspec.msgpack.encode(value)
        if packed := self._written > _UNPACKED_BYTES:
            content = zlib.compress(content, 1)
        self._written += len(content)
        self._file.write(_HEAD.pack(sort, packed, len(content)))
        self._file.write(content)
        if self._sign and sort in TELLING:
            self._file.flush()
            self._sign()
            self._sign = None


class BrokenFrames(Exception):
    """The file does not consist of pieces that a reader wrote."""


def last_sort(file: IO[bytes]) -> bytes:
    """The sort of the last piece. Raises BrokenFrames."""
    descriptor, offset, sort = file.fileno(), 0, b""
    size = os.fstat(descriptor).st_size
    while offset < size:
        sort, _, length = _parse_head(os.pread(descriptor, _HEAD.size, offset))
        offset += _HEAD.size + length
    if offset != size:
        raise BrokenFrames
    return sort


def _parse_head(content: bytes) -> tuple[bytes, bool, int]:
    if len(content) < _HEAD.size:
        raise BrokenFrames
    sort, packed, length = _HEAD.unpack(content)
    if length > _MOST_PIECE_BYTES:
        raise BrokenFrames
    return sort, packed, length


def pieces(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The pieces of a file, each with its sort. Raises BrokenFrames. Each iteration keeps its own position."""
    descriptor, offset = file.fileno(), 0
    while head := os.pread(descriptor, _HEAD.size, offset):
        sort, packed, length = _parse_head(head)
        content = os.pread(descriptor, length, offset + _HEAD.size)
        offset += _HEAD.size + length
        yield sort, _unpack(content) if packed else content


def _unpack(content: bytes) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(content, _MOST_PIECE_BYTES)
    except zlib.error:
        raise BrokenFrames from None
    if not decompressor.eof:
        raise BrokenFrames
    return unpacked
