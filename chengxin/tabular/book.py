"""Reads a workbook of several sheets that is small enough to be held whole."""

import shutil
import tempfile
from contextlib import closing
from typing import IO, Final

import msgspec

from chengxin.bounds import FACE_THREADS, bound
from chengxin.concurrency.shares import Claimant
from chengxin.tabular import frames
from chengxin.tabular.bounds import MOST_ROWS_OF_BOOK
from chengxin.tabular.frames import Cells
from chengxin.tabular.reading import READERS

_NAME: Final = msgspec.msgpack.Decoder(str)
_ROWS: Final = msgspec.msgpack.Decoder(list[Cells])

bound(
    __name__,
    "TemporaryFile",
    resource="Copies of workbooks of the catalog",
    total=FACE_THREADS,
    share="a thread of the HTTP face",
    seconds=60.0,
    why="One for each request whose file is read, or waits for it; it has no name, so the system removes it",
    test="tests/chengxin/tabular/test_reading.py::test_one_too_many_is_told_to_try_again",
)


def tables(file: IO[bytes], caller: Claimant) -> dict[str, list[list[str]]]:
    """The rows of each sheet as texts, by sheet name, from the first cell on; a row ends with its last filled cell.

    Raises FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE, FILE_SHEET_TOO_LARGE, and what `Readers.read` raises.
    """
    # A small upload is in memory only, and a reader needs a file.
    with tempfile.TemporaryFile(prefix="chengxin-upload-") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        content = READERS.read(copy, "book", caller)
    sheets: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    with closing(content):
        for sort, piece in content.pieces():
            if sort == frames.SHEET:
                rows = sheets[content.decoded(_NAME, piece)] = []
            elif sort == frames.ROWS:
                for number, cells in content.decoded(_ROWS, piece):
                    # The reader has checked it.
                    assert number <= MOST_ROWS_OF_BOOK
                    rows.extend([] for _ in range(number - 1 - len(rows)))
                    rows.append(cells)
    return sheets
