"""What a workbook would take in memory, found out piece by piece before anything reads it whole."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.problems import FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE

_MOST_BYTES: Final = 192 << 20
# A sheet is laid out as the whole rectangle around its cells: one cell far off makes a small file take gigabytes.
_MOST_CELLS: Final = 4_000_000
_PIECE: Final = 1 << 18
# A shared text is copied into every cell that names it: a long one named often makes a small file take gigabytes.
_MOST_CHARACTERS: Final = 256 << 20
_SHEET: Final = re.compile(r"worksheets/[^/]+\.xml\Z", re.IGNORECASE)
_TEXTS: Final = re.compile(r"sharedstrings\.xml\Z", re.IGNORECASE)
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")


def must_be_bounded(file: Path | IO[bytes]) -> None:
    """Unpacks the parts once; sizes in the directory can lie. Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN."""
    unpacked = 0
    texts = _Texts()
    try:
        with zipfile.ZipFile(file) as parts:
            # Shared texts first: sheets name them by number.
            for part in sorted(parts.infolist(), key=lambda part: not _TEXTS.search(part.filename)):
                parser = _parser(part.filename, texts)
                with parts.open(part) as content:
                    while piece := content.read(_PIECE):
                        unpacked += len(piece)
                        if unpacked > _MOST_BYTES:
                            raise FILE_WORKBOOK_TOO_LARGE(limit=f"{_MOST_BYTES >> 20} MiB")
                        if parser:
                            parser.Parse(piece, False)
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


def _parser(name: str, texts: "_Texts") -> expat.XMLParserType | None:
    """Reads one XML part: none may have a document type, and what sheets and shared texts come to is bounded."""
    if not name.lower().endswith((".xml", ".rels")):
        return None
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    if _TEXTS.search(name):
        parser.StartElementHandler = texts.begin
        parser.CharacterDataHandler = texts.hear
    elif _SHEET.search(name):
        parser.buffer_text = True
        cells = _Cells(texts)
        parser.StartElementHandler = cells.begin
        parser.EndElementHandler = cells.end
        parser.CharacterDataHandler = cells.hear
    return parser


class _Texts:
    """How long each shared text is."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "si":
            self.lengths.append(0)

    def hear(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class _Cells:
    """The rectangle around a sheet's cells, and the shared texts that they name."""

    def __init__(self, texts: _Texts) -> None:
        self._texts = texts
        self._row = self._column = self._lowest = self._rightmost = self._characters = 0
        self._names_text = self._in_value = False
        self._value = ""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "c":
            at = _CELL.match(attributes.get("r", ""))
            # A cell that does not say where it is follows the one before.
            self._column = _column(at[1]) if at else self._column + 1
            self._lowest = max(self._lowest, int(at[2]) if at else self._row)
            self._rightmost = max(self._rightmost, self._column)
            self._names_text = attributes.get("t") == "s"
            if self._lowest * self._rightmost > _MOST_CELLS:
                raise FILE_WORKBOOK_TOO_LARGE(limit=f"{_MOST_CELLS:,} cells")
        elif kind == "v":
            self._in_value, self._value = self._names_text, ""
        elif kind == "row":
            self._row = _number(attributes.get("r", "")) or self._row + 1
            self._column = 0

    def hear(self, text: str) -> None:
        if self._in_value:
            self._value += text

    def end(self, name: str) -> None:
        if not self._in_value or name.rpartition(":")[2] != "v":
            return
        self._in_value = False
        number = _number(self._value.strip())
        if number < len(self._texts.lengths):
            self._characters += self._texts.lengths[number]
            if self._characters > _MOST_CHARACTERS:
                raise FILE_WORKBOOK_TOO_LARGE(limit=f"{_MOST_CHARACTERS >> 20} Mi characters")


def _refuse(*_: Any) -> NoReturn:
    raise FILE_WORKBOOK_BROKEN(reason="DOCTYPE")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
