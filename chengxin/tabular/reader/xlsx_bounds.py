"""Measures piece by piece what a workbook would take in memory, before calamine reads it whole.

This module and calamine must read the same. So it refuses whatever one of them could understand in another way: a cell
that is not written as `A1` or is out of order, and a part in another encoding than UTF-8.
"""

import re
import struct
import zipfile
import zlib
from typing import IO, Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.reader.fault import Fault

MOST_UNPACKED_BYTES: Final = 192 << 20
# A sheet is laid out as the whole rectangle around its cells: one cell far off makes a small file take gigabytes.
_MOST_CELLS: Final = 4_000_000
_PIECE: Final = 1 << 18
# A shared text is copied into every cell that names it: a long one named often makes a small file take gigabytes.
_MOST_CHARACTERS: Final = 256 << 20
SHEET: Final = re.compile(r"worksheets/[^/]+\.xml\Z", re.IGNORECASE)
TEXTS: Final = re.compile(r"sharedstrings\.xml\Z", re.IGNORECASE)
WORKBOOK: Final = re.compile(r"(?:\A|/)workbook\.xml\Z", re.IGNORECASE)
RELATIONS: Final = re.compile(r"/workbook\.xml\.rels\Z", re.IGNORECASE)
_MOST_CELLS_NAMED: Final = 5
# The parts that calamine reads.
_READ_PARTS: Final = (SHEET, TEXTS, WORKBOOK, RELATIONS, re.compile(r"styles\.xml\Z", re.IGNORECASE))
_UTF8: Final = ("utf-8", "us-ascii")
_BOMS_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_CELL: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})\Z", re.IGNORECASE | re.ASCII)
_ROW: Final = re.compile(r"[1-9][0-9]{0,6}\Z", re.ASCII)
_LAST_COLUMN: Final = 16_384
_LAST_ROW: Final = 1_048_576
# Lists for whose announced length calamine allocates memory before it reads them.
_ANNOUNCED_BY: Final = {"sst": "uniqueCount", "cellXfs": "count"}
# Bytes of the shortest element of such a list: `<xf/>`.
_SHORTEST_ELEMENT: Final = 5


class WorkbookParts:
    """What a pass over a workbook's parts has found."""

    def __init__(self) -> None:
        self._relations: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self._cells: dict[str, _Cells] = {}

    def without_value(self, sheet: str) -> list[str]:
        """The first few cells of the sheet with this name that readers return as empty although they are not."""
        cells = self._find_cells(sheet)
        return cells.without_value if cells else []

    def is_filled(self, sheet: str) -> bool:
        """Whether the sheet with this name has a filled cell."""
        cells = self._find_cells(sheet)
        return bool(cells and cells.lowest)

    def must_know(self, sheet: str) -> None:
        """Raises FILE_WORKBOOK_BROKEN when the part of the sheet with this name was not checked."""
        if self._find_cells(sheet) is None:
            place = "工作表不在 xl/worksheets 之下 / its sheet is not below xl/worksheets"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=place)

    def see_sheet(self, name: str, attributes: dict[str, str]) -> None:
        """Takes in an element of the workbook part."""
        if name.rpartition(":")[2] == "sheet":
            relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
            self._relations[attributes.get("name", "")] = relation

    def see_relation(self, name: str, attributes: dict[str, str]) -> None:
        """Takes in an element of the workbook's relations."""
        if name.rpartition(":")[2] == "Relationship":
            self._targets[attributes.get("Id", "")] = attributes.get("Target", "").rpartition("/")[2].lower()

    def see_cells(self, part: str, cells: "_Cells") -> None:
        """Takes in the cells of a sheet's part."""
        self._cells[part.rpartition("/")[2].lower()] = cells

    def _find_cells(self, sheet: str) -> "_Cells | None":
        return self._cells.get(self._targets.get(self._relations.get(sheet, ""), ""))


def must_be_bounded(file: IO[bytes], most: int = MOST_UNPACKED_BYTES) -> WorkbookParts:
    """Unpacks each part once, because sizes in the directory can lie; returns what it has found.

    Unpacked, it may have `most` bytes. A directory that claims more is believed: nothing is unpacked then.

    Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN, FILE_SHEET_TOO_LARGE.
    """
    unpacked = 0
    texts = _Texts()
    seen = WorkbookParts()
    try:
        with zipfile.ZipFile(file) as parts:
            _must_fit(sum(part.file_size for part in parts.infolist()), most)
            # Shared texts first: sheets name them by number.
            for part in sorted(parts.infolist(), key=lambda part: not TEXTS.search(part.filename)):
                counts = _Counts(part.filename)
                parser = _create_parser(part.filename, texts, seen, counts)
                before = unpacked
                with parts.open(part) as content:
                    while piece := content.read(_PIECE):
                        if parser and unpacked == before:
                            _must_be_utf8(part.filename, piece)
                        unpacked += len(piece)
                        _must_fit(unpacked, most)
                        if parser:
                            parser.Parse(piece, False)
                counts.must_fit(unpacked - before)
    except (
        zipfile.BadZipFile,
        zlib.error,
        expat.ExpatError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        # expat raises these for an encoding that it does not know.
        ValueError,
        LookupError,
        # zipfile raises this for a directory that contradicts itself.
        struct.error,
    ) as e:
        # The system's text about an offset that no file has would help no provider.
        reason = "ZIP" if isinstance(e, OSError) else str(e)[:120] or type(e).__name__
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason) from None
    return seen


def _must_fit(unpacked: int, most: int) -> None:
    if unpacked > most:
        raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=f"{most >> 20} MiB")


def _must_be_utf8(part: str, begin: bytes) -> None:
    if begin.startswith(_BOMS_OF_UTF16) and any(pattern.search(part) for pattern in _READ_PARTS):
        _refuse_encoding(part, "UTF-16")


def _refuse_encoding(part: str, encoding: str) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason=f"{part}: 编码 {encoding} / encoding {encoding}"[:120])


def _create_parser(name: str, texts: "_Texts", seen: WorkbookParts, counts: "_Counts") -> expat.XMLParserType | None:
    """A parser for an XML part, else None. It refuses document types, and bounds sheets and shared texts."""
    if not name.lower().endswith((".xml", ".rels")):
        return None
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if any(pattern.search(name) for pattern in _READ_PARTS):

        def check_encoding(_: str, encoding: str | None, __: int) -> None:
            if encoding and encoding.lower() not in _UTF8:
                _refuse_encoding(name, encoding)

        parser.XmlDeclHandler = check_encoding
        parser.StartElementHandler = counts.begin
    if TEXTS.search(name):

        def begin(element: str, attributes: dict[str, str]) -> None:
            texts.begin(element, attributes)
            counts.begin(element, attributes)

        parser.StartElementHandler = begin
        parser.CharacterDataHandler = texts.add_text
    elif SHEET.search(name):
        parser.buffer_text = True
        cells = _Cells(texts)
        seen.see_cells(name, cells)
        parser.StartElementHandler = cells.begin
        parser.EndElementHandler = cells.end
        parser.CharacterDataHandler = cells.add_text
    elif WORKBOOK.search(name):
        parser.StartElementHandler = seen.see_sheet
    elif RELATIONS.search(name):
        parser.StartElementHandler = seen.see_relation
    return parser


class _Counts:
    """The greatest length that a list of a part announces."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._greatest_announced = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        announced = attributes.get(_ANNOUNCED_BY.get(name.rpartition(":")[2], ""), "").strip().lstrip("+")
        if announced.isascii() and announced.isdigit():
            # Longer than 18 digits is too many anyway, and int() would refuse very long ones.
            self._greatest_announced = max(self._greatest_announced, int(announced[:18]))

    def must_fit(self, size: int) -> None:
        """Raises FILE_WORKBOOK_BROKEN when a part of this size cannot hold what it announces."""
        if self._greatest_announced * _SHORTEST_ELEMENT > size + _PIECE:
            reason = (
                f"{self._part}: 声称有 {self._greatest_announced} 项 / it claims {self._greatest_announced} elements"
            )
            raise Fault("FILE_WORKBOOK_BROKEN", reason=reason[:120])


class _Texts:
    """The length of each shared text."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "si":
            self.lengths.append(0)

    def add_text(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class _Cells:
    """The rectangle around a sheet's cells, and the shared texts that they name."""

    def __init__(self, texts: _Texts) -> None:
        self._texts = texts
        self._row = self._cell_row = self._column = self.lowest = self._rightmost = self._characters = 0
        self._names_text = self._in_value = False
        self._value = ""
        # The digits of the current row as its cells write them, and the columns that were parsed before.
        self._digits = "0"
        self._letters: dict[str, int] = {}
        # The last filled cell, and whether it is the current one.
        self._last_filled = (0, 0)
        self._is_marked = False
        self._is_error = self._is_text = self._is_formula = self._in_any_value = self._has_value = False
        # Cells whose value is an error, or a formula without a computed result: readers return them as empty, and an
        # empty cell would take back what was recorded.
        self.without_value: list[str] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "c":
            self._move_to(attributes.get("r"))
            value_type = attributes.get("t")
            self._names_text, self._is_error, self._is_text = value_type == "s", value_type == "e", value_type == "str"
            self._is_formula = self._has_value = self._is_marked = False
        elif kind == "is":
            self._mark_filled()
        elif kind == "v":
            self._mark_filled()
            self._in_value, self._value = self._names_text, ""
            # Only a text formula may have the empty text as its result.
            self._in_any_value, self._has_value = True, self._is_text
        elif kind == "f":
            self._is_formula = True
        elif kind == "row":
            row = attributes.get("r")
            if row is not None and not (_ROW.match(row) and int(row) <= _LAST_ROW):
                self._refuse(f"row {row}")
            self._row = int(row) if row is not None else self._row + 1
            self._column, self._digits = 0, str(self._row)

    def _move_to(self, position: str | None) -> None:
        """Moves to the cell at `position`; without one, to the cell after the last."""
        if position is None:
            self._cell_row, self._column = self._row, self._column + 1
            return
        # The cell is nearly always in the current row, and in a column that was parsed before.
        digits = self._digits
        if position.endswith(digits) and (column := self._letters.get(position[: -len(digits)])):
            self._cell_row, self._column = self._row, column
            return
        match = _CELL.match(position)
        if match is None or int(match[2]) > _LAST_ROW or column_of(match[1]) > _LAST_COLUMN:
            self._refuse(position)
        else:
            self._cell_row, self._column = int(match[2]), column_of(match[1])
            self._letters[match[1]] = self._column

    @staticmethod
    def _refuse(place: str) -> NoReturn:
        reason = f"单元格位置“{place[:20]}”有误 / there is no cell {place[:20]}"
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason)

    def _mark_filled(self) -> None:
        # Cells that are only formatted hold nothing, and calamine does not lay them out.
        here = (self._cell_row, self._column)
        # When rows are out of order or a cell occurs twice, calamine keeps one and silently drops others. A cell with a
        # formula comes here more than once.
        if here < self._last_filled or (here == self._last_filled and not self._is_marked):
            reason = f"单元格 {self._cell_name()} 的次序有误 / cell {self._cell_name()} is out of order"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=reason)
        self._last_filled, self._is_marked = here, True
        self.lowest = self._cell_row
        if self._column > self._rightmost:
            self._rightmost = self._column
        if self.lowest * self._rightmost > _MOST_CELLS:
            raise Fault("FILE_SHEET_TOO_LARGE", cell=self._cell_name(), limit=f"{_MOST_CELLS:,}")

    def add_text(self, text: str) -> None:
        if self._in_any_value and not self._has_value:
            self._has_value = not text.isspace()
        if self._in_value:
            self._value += text

    def _cell_name(self) -> str:
        return f"{column_name(self._column)}{self._cell_row}"

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "c":
            unreadable = self._is_error or (self._is_formula and not self._has_value)
            if unreadable and len(self.without_value) < _MOST_CELLS_NAMED:
                self.without_value.append(self._cell_name())
        if kind != "v":
            return
        self._in_any_value = False
        if not self._in_value:
            return
        self._in_value = False
        number = _number(self._value.strip())
        if number < len(self._texts.lengths):
            self._characters += self._texts.lengths[number]
            if self._characters > _MOST_CHARACTERS:
                raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=f"{_MOST_CHARACTERS >> 20} Mi characters")


def _refuse_doctype(*_: Any) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason="DOCTYPE")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def local_name(name: str) -> str:
    """The name of an element or attribute without its prefix."""
    return name.rpartition(":")[2]


def column_of(letters: str) -> int:
    """The number of a column, counted from 1, by its letters."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_name(column: int) -> str:
    """The letters of a column, counted from 1."""
    name = ""
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
