"""What a workbook would take in memory, found out piece by piece before anything reads it whole."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.problems import FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE

_MOST_BYTES: Final = 192 << 20
# A sheet is laid out as the whole rectangle around its cells: one cell far off makes a small file take gigabytes.
_MOST_CELLS: Final = 4_000_000
_PIECE: Final = 1 << 18
_SHEET: Final = re.compile(r"worksheets/[^/]+\.xml\Z", re.IGNORECASE)
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")


def must_be_bounded(path: Path) -> None:
    """Unpacks the parts once; sizes in the directory can lie. Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN."""
    unpacked = 0
    try:
        with zipfile.ZipFile(path) as parts:
            for part in parts.infolist():
                scan = _Scan(bool(_SHEET.search(part.filename))) if part.filename.endswith((".xml", ".rels")) else None
                with parts.open(part) as content:
                    while piece := content.read(_PIECE):
                        unpacked += len(piece)
                        if unpacked > _MOST_BYTES:
                            raise FILE_WORKBOOK_TOO_LARGE(limit=f"{_MOST_BYTES >> 20} MiB")
                        if scan:
                            scan.parser.Parse(piece, False)
    except (
        zipfile.BadZipFile,
        zlib.error,
        expat.ExpatError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
    ) as e:
        raise FILE_WORKBOOK_BROKEN(reason=str(e)[:120] or type(e).__name__) from None


class _Scan:
    """Reads one XML part: no document type, and for a sheet a bounded rectangle of cells."""

    def __init__(self, sheet: bool) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = _refuse
        self._row = self._column = self._lowest = self._rightmost = 0
        if sheet:
            self.parser.StartElementHandler = self._element

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "row":
            self._row = _number(attributes.get("r", "")) or self._row + 1
            self._column = 0
        elif kind == "c":
            at = _CELL.match(attributes.get("r", ""))
            # A cell that does not say where it is follows the one before.
            self._column = _column(at[1]) if at else self._column + 1
            self._lowest = max(self._lowest, int(at[2]) if at else self._row)
            self._rightmost = max(self._rightmost, self._column)
            if self._lowest * self._rightmost > _MOST_CELLS:
                raise FILE_WORKBOOK_TOO_LARGE(limit=f"{_MOST_CELLS:,} cells")


def _refuse(*_: Any) -> NoReturn:
    raise FILE_WORKBOOK_BROKEN(reason="DOCTYPE")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
