"""A workbook of several sheets, small enough to be held whole."""

import shutil
import tempfile
from contextlib import closing
from typing import IO, Final

import msgspec

from chengxin.tabular import frames
from chengxin.tabular.bounds import MOST_ROWS_OF_BOOK
from chengxin.tabular.frames import Cells
from chengxin.tabular.reading import READERS

_NAME: Final = msgspec.msgpack.Decoder(str)
_ROWS: Final = msgspec.msgpack.Decoder(list[Cells])


def tables(file: IO[bytes]) -> dict[str, list[list[str]]]:
    """Sheet name to its rows of texts, from the first cell on; a row ends with its last cell that is not empty.

    Raises FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE, FILE_SHEET_TOO_LARGE, and that it could not be read.
    """
    # Uploads that are small have no place on the disk.
    with tempfile.TemporaryFile(prefix="chengxin-upload-") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        content = READERS.read(copy, "book")
    found: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    with closing(content):
        for sort, piece in content.pieces():
            if sort == frames.SHEET:
                rows = found[content.decoded(_NAME, piece)] = []
            elif sort == frames.ROWS:
                for number, cells in content.decoded(_ROWS, piece):
                    # As its reader has seen to.
                    assert number <= MOST_ROWS_OF_BOOK
                    rows.extend([] for _ in range(number - 1 - len(rows)))
                    rows.append(cells)
    return found
