"""What a workbook would take in memory, found out piece by piece before anything reads it whole."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.problems import FILE_SHEET_TOO_LARGE, FILE_WORKBOOK_BROKEN, FILE_WORKBOOK_TOO_LARGE

_MOST_BYTES: Final = 192 << 20
# A sheet is laid out as the whole rectangle around its cells: one cell far off makes a small file take gigabytes.
_MOST_CELLS: Final = 4_000_000
_PIECE: Final = 1 << 18
# A shared text is copied into every cell that names it: a long one named often makes a small file take gigabytes.
_MOST_CHARACTERS: Final = 256 << 20
_SHEET: Final = re.compile(r"worksheets/[^/]+\.xml\Z", re.IGNORECASE)
_TEXTS: Final = re.compile(r"sharedstrings\.xml\Z", re.IGNORECASE)
_WORKBOOK: Final = re.compile(r"(?:\A|/)workbook\.xml\Z", re.IGNORECASE)
_RELATIONS: Final = re.compile(r"/workbook\.xml\.rels\Z", re.IGNORECASE)
_MOST_NAMED: Final = 5
_CELL: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")


class Parts:
    """What was seen of a workbook's parts."""

    def __init__(self) -> None:
        self._relations: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self._cells: dict[str, _Cells] = {}

    def without_value(self, sheet: str) -> list[str]:
        """The first few cells of a sheet, by its name, that readers give as empty though they are not."""
        cells = self._of_sheet(sheet)
        return cells.without_value if cells else []

    def is_filled(self, sheet: str) -> bool:
        """Whether a sheet, by its name, has a cell that holds something."""
        cells = self._of_sheet(sheet)
        return bool(cells and cells.lowest)

    def see_sheet(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the workbook part."""
        if name.rpartition(":")[2] == "sheet":
            relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
            self._relations[attributes.get("name", "")] = relation

    def see_relation(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the workbook's relations."""
        if name.rpartition(":")[2] == "Relationship":
            self._targets[attributes.get("Id", "")] = attributes.get("Target", "").rpartition("/")[2]

    def see_cells(self, part: str, cells: "_Cells") -> None:
        """The part of a sheet."""
        self._cells[part.rpartition("/")[2]] = cells

    def _of_sheet(self, sheet: str) -> "_Cells | None":
        return self._cells.get(self._targets.get(self._relations.get(sheet, ""), ""))


def must_be_bounded(file: Path | IO[bytes]) -> Parts:
    """Unpacks the parts once; sizes in the directory can lie. Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN,
    FILE_SHEET_TOO_LARGE."""
    unpacked = 0
    texts = _Texts()
    seen = Parts()
    try:
        with zipfile.ZipFile(file) as parts:
            # Shared texts first: sheets name them by number.
            for part in sorted(parts.infolist(), key=lambda part: not _TEXTS.search(part.filename)):
                parser = _parser(part.filename, texts, seen)
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
    return seen


def _parser(name: str, texts: "_Texts", seen: Parts) -> expat.XMLParserType | None:
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
        seen.see_cells(name, cells)
        parser.StartElementHandler = cells.begin
        parser.EndElementHandler = cells.end
        parser.CharacterDataHandler = cells.hear
    elif _WORKBOOK.search(name):
        parser.StartElementHandler = seen.see_sheet
    elif _RELATIONS.search(name):
        parser.StartElementHandler = seen.see_relation
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
        self._row = self._line = self._column = self.lowest = self._rightmost = self._characters = 0
        self._names_text = self._in_value = False
        self._value = ""
        self._where = ""
        self._is_error = self._is_text = self._is_formula = self._in_any_value = self._has_value = False
        # Cells whose value is an error, or a formula that nobody has computed: readers give them as empty ones, and an
        # empty cell would take back what was recorded.
        self.without_value: list[str] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        if kind == "c":
            at = _CELL.match(attributes.get("r", ""))
            # A cell that does not say where it is follows the one before.
            self._column = _column(at[1]) if at else self._column + 1
            self._line = int(at[2]) if at else self._row
            self._names_text = attributes.get("t") == "s"
            self._where = attributes.get("r", "") or f"row {self._row}"
            self._is_error, self._is_text = attributes.get("t") == "e", attributes.get("t") == "str"
            self._is_formula = self._has_value = False
        elif kind == "is":
            self._reach()
        elif kind == "v":
            self._reach()
            self._in_value, self._value = self._names_text, ""
            # Only a formula of text may have the empty text as its result.
            self._in_any_value, self._has_value = True, self._is_text
        elif kind == "f":
            self._is_formula = True
        elif kind == "row":
            self._row = _number(attributes.get("r", "")) or self._row + 1
            self._column = 0

    def _reach(self) -> None:
        # Cells that are only formatted hold nothing, and are not laid out.
        self.lowest = max(self.lowest, self._line)
        self._rightmost = max(self._rightmost, self._column)
        if self.lowest * self._rightmost > _MOST_CELLS:
            raise FILE_SHEET_TOO_LARGE(cell=self._where, limit=f"{_MOST_CELLS:,}")

    def hear(self, text: str) -> None:
        self._has_value = self._has_value or (self._in_any_value and not text.isspace())
        if self._in_value:
            self._value += text

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2]
        if kind == "v":
            self._in_any_value = False
        unreadable = self._is_error or (self._is_formula and not self._has_value)
        if kind == "c" and unreadable and len(self.without_value) < _MOST_NAMED:
            self.without_value.append(self._where)
        if not self._in_value or kind != "v":
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
