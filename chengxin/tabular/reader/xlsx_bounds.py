"""What a workbook would take in memory, found out piece by piece before anything reads it whole.

What is read here and what is read by calamine after it must be the same. So what one of them could take in another way is
refused: a cell that is not written as `A1`, or stands before the one before it; parts in another encoding than UTF-8.
"""

import re
import struct
import zipfile
import zlib
from typing import IO, Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.reader.fault import Fault

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
# The parts that calamine reads.
_READ: Final = (_SHEET, _TEXTS, _WORKBOOK, _RELATIONS, re.compile(r"styles\.xml\Z", re.IGNORECASE))
_UTF8: Final = ("utf-8", "us-ascii")
_BOMS_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_CELL: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})\Z", re.IGNORECASE | re.ASCII)
_ROW: Final = re.compile(r"[1-9][0-9]{0,6}\Z", re.ASCII)
_LAST_COLUMN: Final = 16_384
_LAST_ROW: Final = 1_048_576
# Lists whose announced length calamine makes room for before it reads them.
_COUNTED: Final = {"sst": "uniqueCount", "cellXfs": "count"}
# No element of such a list is shorter: `<xf/>`.
_SHORTEST: Final = 5


class WorkbookParts:
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

    def must_know(self, sheet: str) -> None:
        """Raises FILE_WORKBOOK_BROKEN for a sheet, by its name, whose part was not looked at."""
        if self._of_sheet(sheet) is None:
            place = "工作表不在 xl/worksheets 之下 / its sheet is not below xl/worksheets"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=place)

    def see_sheet(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the workbook part."""
        if name.rpartition(":")[2] == "sheet":
            relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
            self._relations[attributes.get("name", "")] = relation

    def see_relation(self, name: str, attributes: dict[str, str]) -> None:
        """An element of the workbook's relations."""
        if name.rpartition(":")[2] == "Relationship":
            self._targets[attributes.get("Id", "")] = attributes.get("Target", "").rpartition("/")[2].lower()

    def see_cells(self, part: str, cells: "_Cells") -> None:
        """The part of a sheet."""
        self._cells[part.rpartition("/")[2].lower()] = cells

    def _of_sheet(self, sheet: str) -> "_Cells | None":
        return self._cells.get(self._targets.get(self._relations.get(sheet, ""), ""))


def must_be_bounded(file: IO[bytes]) -> WorkbookParts:
    """Unpacks the parts once; sizes in the directory can lie. Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN,
    FILE_SHEET_TOO_LARGE."""
    unpacked = 0
    texts = _Texts()
    seen = WorkbookParts()
    try:
        with zipfile.ZipFile(file) as parts:
            # Shared texts first: sheets name them by number.
            for part in sorted(parts.infolist(), key=lambda part: not _TEXTS.search(part.filename)):
                counts = _Counts(part.filename)
                parser = _parser(part.filename, texts, seen, counts)
                before = unpacked
                with parts.open(part) as content:
                    while piece := content.read(_PIECE):
                        if parser and unpacked == before:
                            _must_be_utf8(part.filename, piece)
                        unpacked += len(piece)
                        if unpacked > _MOST_BYTES:
                            raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=f"{_MOST_BYTES >> 20} MiB")
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
        # Of expat: an encoding that it does not know.
        ValueError,
        LookupError,
        # Of zipfile: a directory that contradicts itself.
        struct.error,
    ) as e:
        # What a system says of a place that no file has tells nobody anything.
        reason = "ZIP" if isinstance(e, OSError) else str(e)[:120] or type(e).__name__
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason) from None
    return seen


def _must_be_utf8(part: str, begin: bytes) -> None:
    if begin.startswith(_BOMS_OF_UTF16) and any(pattern.search(part) for pattern in _READ):
        _refuse_encoding(part, "UTF-16")


def _refuse_encoding(part: str, encoding: str) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason=f"{part}: 编码 {encoding} / encoding {encoding}"[:120])


def _parser(name: str, texts: "_Texts", seen: WorkbookParts, counts: "_Counts") -> expat.XMLParserType | None:
    """Reads one XML part: none may have a document type, and what sheets and shared texts come to is bounded."""
    if not name.lower().endswith((".xml", ".rels")):
        return None
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse
    if any(pattern.search(name) for pattern in _READ):

        def declared(_: str, encoding: str | None, __: int) -> None:
            if encoding and encoding.lower() not in _UTF8:
                _refuse_encoding(name, encoding)

        parser.XmlDeclHandler = declared
        parser.StartElementHandler = counts.begin
    if _TEXTS.search(name):

        def begin(element: str, attributes: dict[str, str]) -> None:
            texts.begin(element, attributes)
            counts.begin(element, attributes)

        parser.StartElementHandler = begin
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


class _Counts:
    """What lengths the lists of a part announce."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._greatest = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        told = attributes.get(_COUNTED.get(name.rpartition(":")[2], ""), "").strip().lstrip("+")
        if told.isascii() and told.isdigit():
            # Longer than 18 digits is too many anyway, and int() would refuse very long ones.
            self._greatest = max(self._greatest, int(told[:18]))

    def must_fit(self, size: int) -> None:
        """Raises FILE_WORKBOOK_BROKEN when a part of this size cannot hold what it announces."""
        if self._greatest * _SHORTEST > size + _PIECE:
            reason = f"{self._part}: 声称有 {self._greatest} 项 / it claims {self._greatest} elements"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=reason[:120])


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
        # How the row that is being read is written in its cells, and columns that were met.
        self._digits = "0"
        self._letters: dict[str, int] = {}
        # The last cell that holds something, and whether it is the one that is being read.
        self._reached = (0, 0)
        self._again = False
        self._is_error = self._is_text = self._is_formula = self._in_any_value = self._has_value = False
        # Cells whose value is an error, or a formula that nobody has computed: readers give them as empty ones, and an
        # empty cell would take back what was recorded.
        self.without_value: list[str] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "c":
            self._go(attributes.get("r"))
            sort = attributes.get("t")
            self._names_text, self._is_error, self._is_text = sort == "s", sort == "e", sort == "str"
            self._is_formula = self._has_value = self._again = False
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
            told = attributes.get("r")
            if told is not None and not (_ROW.match(told) and int(told) <= _LAST_ROW):
                self._refuse(f"row {told}")
            self._row = int(told) if told is not None else self._row + 1
            self._column, self._digits = 0, str(self._row)

    def _go(self, told: str | None) -> None:
        """To the cell that is told, or where none is told the one after the last."""
        if told is None:
            self._line, self._column = self._row, self._column + 1
            return
        # Nearly always a column that was met before, of the row that is being read.
        digits = self._digits
        if told.endswith(digits) and (column := self._letters.get(told[: -len(digits)])):
            self._line, self._column = self._row, column
            return
        at = _CELL.match(told)
        if at is None or int(at[2]) > _LAST_ROW or _column(at[1]) > _LAST_COLUMN:
            self._refuse(told)
        else:
            self._line, self._column = int(at[2]), _column(at[1])
            self._letters[at[1]] = self._column

    @staticmethod
    def _refuse(place: str) -> NoReturn:
        reason = f"单元格位置“{place[:20]}”有误 / there is no cell {place[:20]}"
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason)

    def _reach(self) -> None:
        # Cells that are only formatted hold nothing, and are not laid out.
        here = (self._line, self._column)
        # Rows in any order, or a cell told twice: calamine keeps one and drops others in silence. A cell with a formula
        # reaches more than once.
        if here < self._reached or (here == self._reached and not self._again):
            reason = f"单元格 {self._where()} 的次序有误 / cell {self._where()} is out of order"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=reason)
        self._reached, self._again = here, True
        self.lowest = self._line
        if self._column > self._rightmost:
            self._rightmost = self._column
        if self.lowest * self._rightmost > _MOST_CELLS:
            raise Fault("FILE_SHEET_TOO_LARGE", cell=self._where(), limit=f"{_MOST_CELLS:,}")

    def hear(self, text: str) -> None:
        if self._in_any_value and not self._has_value:
            self._has_value = not text.isspace()
        if self._in_value:
            self._value += text

    def _where(self) -> str:
        return f"{column_name(self._column)}{self._line}"

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "c":
            unreadable = self._is_error or (self._is_formula and not self._has_value)
            if unreadable and len(self.without_value) < _MOST_NAMED:
                self.without_value.append(self._where())
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


def _refuse(*_: Any) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason="DOCTYPE")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _column(letters: str) -> int:
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
