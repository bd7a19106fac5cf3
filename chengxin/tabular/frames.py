"""How a reader writes down what it has read, and how that is taken: pieces, each with its sort and its length."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import msgspec

# A sort: what is known of the file; the labels of its header; the name of a sheet, whose rows follow; rows; what is wrong;
# the end, without which a reader has died.
ABOUT: Final = b"A"
HEADER: Final = b"H"
SHEET: Final = b"S"
ROWS: Final = b"R"
FAULT: Final = b"F"
END: Final = b"E"

# Characters of a row, well above those of a record (`bounds.LONGEST_RECORD`), since some columns may not be read.
LONGEST_ROW: Final = 4 << 20
# Characters after which a piece of rows ends.
_PIECE: Final = 1 << 16
# Bytes of a piece, unpacked: what no reader exceeds that is still itself.
_MOST_BYTES: Final = 32 << 20
# A sort, whether it is packed, its length.
_HEAD: Final = struct.Struct(">c?I")
# Written before pieces are packed: a large file takes a fifth of its room then, for the temporary directory may be a small
# one in memory; with a small one it would only take time.
_PLAIN: Final = 8 << 20

# A row's number and its cells; of JSON Lines a label before each value, where a number stands for what is no text.
Cells = tuple[int, list[str]]
Pairs = tuple[int, list[str | int]]


@dataclass(frozen=True)
class About:
    """What is known of a file beside its rows."""

    encoding: str = "utf-8"
    unread: list[str] = field(default_factory=list)
    # Of attachments: what each one is.
    types: list[str] = field(default_factory=list)


class Writer:
    """Writes pieces; rows are gathered until they fill one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
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
        # What is empty takes room, too.
        self._size += size + len(cells)
        if self._size >= _PIECE:
            rows, self._rows, self._size = self._rows, [], 0
            self._write(ROWS, rows)

    def _write(self, sort: bytes, value: Any) -> None:
        content = msgspec.msgpack.encode(value)
        if packed := self._written > _PLAIN:
            content = zlib.compress(content, 1)
        self._written += len(content)
        self._file.write(_HEAD.pack(sort, packed, len(content)))
        self._file.write(content)


class BrokenFrames(Exception):
    """These are no pieces of a reader."""


def last_sort(file: IO[bytes]) -> bytes:
    """The sort of the last piece. Raises BrokenFrames."""
    descriptor, offset, sort = file.fileno(), 0, b""
    size = os.fstat(descriptor).st_size
    while offset < size:
        sort, _, length = _head(os.pread(descriptor, _HEAD.size, offset))
        offset += _HEAD.size + length
    if offset != size:
        raise BrokenFrames
    return sort


def _head(content: bytes) -> tuple[bytes, bool, int]:
    if len(content) < _HEAD.size:
        raise BrokenFrames
    sort, packed, length = _HEAD.unpack(content)
    if length > _MOST_BYTES:
        raise BrokenFrames
    return sort, packed, length


def pieces(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The pieces of a file, each by its sort. Raises BrokenFrames. Each walk reads at places of its own."""
    descriptor, offset = file.fileno(), 0
    while head := os.pread(descriptor, _HEAD.size, offset):
        sort, packed, length = _head(head)
        content = os.pread(descriptor, length, offset + _HEAD.size)
        offset += _HEAD.size + length
        yield sort, _unpacked(content) if packed else content


def _unpacked(content: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(content, _MOST_BYTES)
    except zlib.error:
        raise BrokenFrames from None
    if not unpacking.eof:
        raise BrokenFrames
    return plain
