"""Measures piece by piece what a workbook would take in memory, before calamine reads it whole.

This module and calamine must read the same. So it refuses whatever one of them could understand in another way: a cell
that is not written as `A1` or is out of order, and a part in another encoding than UTF-8.
"""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO, Any, Final, NoReturn
from xml.parsers import expat

from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.xlsx_cells import Cells, Texts
from chengxin.tabular.reader.xlsx_places import local_name
from chengxin.tabular.reader.xlsx_styles import Styles

MOST_UNPACKED_BYTES: Final = 192 << 20
_PIECE: Final = 1 << 18
SHEET: Final = re.compile(r"worksheets/[^/]+\.xml\Z", re.IGNORECASE)
TEXTS: Final = re.compile(r"sharedstrings\.xml\Z", re.IGNORECASE)
WORKBOOK: Final = re.compile(r"(?:\A|/)workbook\.xml\Z", re.IGNORECASE)
RELATIONS: Final = re.compile(r"/workbook\.xml\.rels\Z", re.IGNORECASE)
_STYLES: Final = re.compile(r"(?:\A|/)styles\.xml\Z", re.IGNORECASE)
# The parts that calamine reads.
_READ_PARTS: Final = (SHEET, TEXTS, WORKBOOK, RELATIONS, _STYLES)
# Sheets name texts and styles by number, and the workbook tells from which day they count: these are read before them.
_READ_FIRST: Final = (WORKBOOK, _STYLES, TEXTS)
_UTF8: Final = ("utf-8", "us-ascii")
_BOMS_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
# Lists for whose announced length calamine allocates memory before it reads them.
_ANNOUNCED_BY: Final = {"sst": "uniqueCount", "cellXfs": "count"}
# Bytes of the shortest element of such a list: `<xf/>`.
_SHORTEST_ELEMENT: Final = 5

# What zipfile and expat raise for a part that is not what it claims to be.
BROKEN_PARTS: Final = (
    zlib.error,
    expat.ExpatError,
    # A compression that zipfile does not know, and a password.
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    # An encoding that expat does not know.
    ValueError,
    LookupError,
    # A directory that contradicts itself.
    struct.error,
)


class WorkbookParts:
    """What a pass over a workbook's parts has found."""

    def __init__(self) -> None:
        self._relations: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        self._cells: dict[str, Cells] = {}
        self.texts = Texts()
        self.styles = Styles()

    def without_value(self, sheet: str) -> list[str]:
        """The first few cells of the sheet with this name that readers return as empty although they are not."""
        cells = self._find_cells(sheet)
        return cells.without_value if cells else []

    def shown_otherwise(self, sheet: str) -> list[str]:
        """The first few cells of the sheet with this name that show another number than they hold."""
        cells = self._find_cells(sheet)
        return cells.shown_otherwise if cells else []

    def hidden(self, sheet: str) -> list[str]:
        """The first few rows and columns of the sheet with this name that nobody sees although they hold something."""
        cells = self._find_cells(sheet)
        return cells.hidden.names() if cells else []

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
        if local_name(name) == "sheet":
            relation = next((v for k, v in attributes.items() if local_name(k) == "id"), "")
            self._relations[attributes.get("name", "")] = relation
        elif local_name(name) == "workbookPr":
            self.styles.see_workbook(attributes)

    def see_relation(self, name: str, attributes: dict[str, str]) -> None:
        """Takes in an element of the workbook's relations."""
        if local_name(name) == "Relationship":
            self._targets[attributes.get("Id", "")] = attributes.get("Target", "").rpartition("/")[2].lower()

    def cells_of(self, part: str) -> Cells:
        """Begins the cells of a sheet's part."""
        return self._cells.setdefault(part.rpartition("/")[2].lower(), Cells(self.texts, self.styles))

    def _find_cells(self, sheet: str) -> Cells | None:
        return self._cells.get(self._targets.get(self._relations.get(sheet, ""), ""))


def must_be_bounded(file: IO[bytes], most: int = MOST_UNPACKED_BYTES) -> WorkbookParts:
    """Unpacks each part once, because sizes in the directory can lie; returns what it has found.

    Unpacked, it may have `most` bytes. A directory that claims more is believed: nothing is unpacked then.

    Raises FILE_WORKBOOK_TOO_LARGE, FILE_WORKBOOK_BROKEN, FILE_SHEET_TOO_LARGE.
    """
    unpacked = 0
    seen = WorkbookParts()
    try:
        with zipfile.ZipFile(file) as parts:
            _must_fit(sum(part.file_size for part in parts.infolist()), most)
            _must_be_single(parts.namelist())
            for part in sorted(parts.infolist(), key=lambda part: not _is_one_of(_READ_FIRST, part.filename)):
                counts = _Counts(part.filename)
                parser = _create_parser(part.filename, seen, counts)
                before = unpacked
                with parts.open(part) as content:
                    while piece := content.read(_PIECE):
                        if parser and unpacked == before:
                            _must_be_utf8(part.filename, piece)
                        unpacked += len(piece)
                        _must_fit(unpacked, most)
                        if parser:
                            parser.Parse(piece, False)
                if _is_one_of(_READ_PARTS, part.filename) and parser:
                    # Refuses a part that is cut.
                    parser.Parse(b"", True)
                counts.must_fit(unpacked - before)
    except zipfile.BadZipFile:
        reason = "它不是 Excel 工作簿，例如改了扩展名的文本文件，或不完整 / it is no workbook, such as a text that was renamed, or cut"
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason) from None
    except BROKEN_PARTS as e:
        # The system's text about an offset that no file has would help no provider.
        reason = "ZIP" if isinstance(e, OSError) else str(e)[:120] or type(e).__name__
        raise Fault("FILE_WORKBOOK_BROKEN", reason=reason) from None
    return seen


def _must_fit(unpacked: int, most: int) -> None:
    if unpacked > most:
        raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=f"{most >> 20} MiB")


def _is_one_of(patterns: Iterable[re.Pattern[str]], part: str) -> bool:
    return any(pattern.search(part) for pattern in patterns)


def _must_be_single(names: Iterable[str]) -> None:
    """Raises FILE_WORKBOOK_BROKEN when there are two of a part, of which readers choose one or the other."""
    seen = set()
    for name in filter(lambda name: _is_one_of(_READ_PARTS, name), names):
        # Sheets are found by the last part of their name.
        key = name.rpartition("/")[2].lower()
        if key in seen:
            raise Fault("FILE_WORKBOOK_BROKEN", reason=f"{name[:60]}: 出现多次 / it is there twice")
        seen.add(key)


def _must_be_utf8(part: str, begin: bytes) -> None:
    if begin.startswith(_BOMS_OF_UTF16) and _is_one_of(_READ_PARTS, part):
        _refuse_encoding(part, "UTF-16")


def _refuse_encoding(part: str, encoding: str) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason=f"{part}: 编码 {encoding} / encoding {encoding}"[:120])


def _create_parser(name: str, seen: WorkbookParts, counts: "_Counts") -> expat.XMLParserType | None:
    """A parser for an XML part, else None. It refuses document types, and bounds sheets and shared texts."""
    if not name.lower().endswith((".xml", ".rels")):
        return None
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if _is_one_of(_READ_PARTS, name):

        def check_encoding(_: str, encoding: str | None, __: int) -> None:
            if encoding and encoding.lower() not in _UTF8:
                _refuse_encoding(name, encoding)

        parser.XmlDeclHandler = check_encoding
        parser.StartElementHandler = counts.begin
    if TEXTS.search(name):

        def begin(element: str, attributes: dict[str, str]) -> None:
            seen.texts.begin(element, attributes)
            counts.begin(element, attributes)

        parser.StartElementHandler = begin
        parser.CharacterDataHandler = seen.texts.add_text
    elif SHEET.search(name):
        parser.buffer_text = True
        cells = seen.cells_of(name)
        parser.StartElementHandler = cells.begin
        parser.EndElementHandler = cells.end
        parser.CharacterDataHandler = cells.add_text
        parser.StartCdataSectionHandler = cells.begin_cdata
    elif _STYLES.search(name):

        def begin_style(element: str, attributes: dict[str, str]) -> None:
            seen.styles.begin(element, attributes)
            counts.begin(element, attributes)

        parser.StartElementHandler = begin_style
        parser.EndElementHandler = seen.styles.end
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
        announced = attributes.get(_ANNOUNCED_BY.get(local_name(name), ""), "").strip().lstrip("+")
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


def _refuse_doctype(*_: Any) -> NoReturn:
    raise Fault("FILE_WORKBOOK_BROKEN", reason="DOCTYPE")
