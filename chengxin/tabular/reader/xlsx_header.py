"""Finds the header of a workbook before the workbook is bounded and laid out, which costs a hundred times as much.

What it finds only serves to refuse a file early: rows are read under the header that calamine reads. So it says nothing
wherever the two could differ: numbers in the header, escapes, a header that does not come soon.
"""

import contextlib
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Final
from xml.parsers import expat

from chengxin.tabular.bounds import LONGEST_RECORD
from chengxin.tabular.reader.xlsx_bounds import BROKEN_PARTS, RELATIONS, SHEET, TEXTS, WORKBOOK
from chengxin.tabular.reader.xlsx_places import column_of, local_name

# Of a workbook with fewer bytes, unpacked, all is read in a moment, and its faults are told in their order.
_LEAST_BYTES: Final = 2 << 20
# Bytes that are unpacked of a part, at most.
_MOST_BYTES: Final = 16 << 20
_PIECE: Final = 1 << 16
_MOST_COLUMNS: Final = 16_384
# How a text tells a character by its code; readers differ.
_ESCAPE: Final = "_x"


class _Found(Exception):
    """What was looked for is found, or cannot be told."""


def find_labels(file: IO[bytes]) -> list[str] | None:
    """The labels of the first filled row of the first visible sheet of a large workbook; None when they cannot be told
    cheaply, and for a small workbook."""
    with contextlib.suppress(zipfile.BadZipFile, *BROKEN_PARTS), zipfile.ZipFile(file) as parts:
        if sum(part.file_size for part in parts.infolist()) < _LEAST_BYTES:
            return None
        sheet = _find_first_sheet(parts)
        row = _FirstRow()
        if sheet is None or not _parse(parts, sheet, row.begin, row.end, row.add_text) or not row.is_plain:
            return None
        texts = _SharedTexts({n for n in row.cells.values() if isinstance(n, int)})
        if texts.wanted and not _parse(parts, _part(parts, TEXTS.search), texts.begin, texts.end, texts.add_text):
            return None
        return _labels({at: texts.found.get(v, "") if isinstance(v, int) else v for at, v in row.cells.items()})
    return None


def _labels(cells: dict[int, str]) -> list[str] | None:
    filled = {column: text for column, text in cells.items() if text.strip()}
    if not filled or sum(map(len, filled.values())) > LONGEST_RECORD or any(_ESCAPE in t for t in filled.values()):
        return None
    return [cells.get(column, "") for column in range(1, max(filled) + 1)]


def _part(parts: zipfile.ZipFile, fits: Callable[[str], object]) -> str | None:
    return next((name for name in parts.namelist() if fits(name)), None)


def _find_first_sheet(parts: zipfile.ZipFile) -> str | None:
    """The name of the part of the first visible sheet."""
    relations: list[str] = []
    targets: dict[str, str] = {}

    def see_sheet(name: str, attributes: dict[str, str]) -> None:
        if local_name(name) == "sheet" and attributes.get("state", "visible") == "visible":
            relations.extend(v for k, v in attributes.items() if local_name(k) == "id")

    def see_relation(name: str, attributes: dict[str, str]) -> None:
        if local_name(name) == "Relationship":
            targets[attributes.get("Id", "")] = attributes.get("Target", "").rpartition("/")[2].lower()

    _parse(parts, _part(parts, WORKBOOK.search), see_sheet)
    _parse(parts, _part(parts, RELATIONS.search), see_relation)
    wanted = targets.get(relations[0]) if relations else None
    return _part(parts, lambda name: SHEET.search(name) and name.rpartition("/")[2].lower() == wanted)


def _parse(
    parts: zipfile.ZipFile,
    part: str | None,
    begin: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> bool:
    """Parses a part until its end, or until `_Found`; returns whether one of them came within the bound."""
    if part is None:
        return False
    parser = expat.ParserCreate()
    parser.buffer_text = True
    # An entity could make a text of any length.
    parser.StartDoctypeDeclHandler = _give_up
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    with parts.open(part) as content:
        try:
            for piece in _pieces(content):
                parser.Parse(piece, False)
        except _Found:
            return True
        return not content.read(1)


def _give_up(*_: object) -> None:
    raise ValueError("DOCTYPE")


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    for _ in range(_MOST_BYTES // _PIECE):
        if not (piece := content.read(_PIECE)):
            return
        yield piece


class _FirstRow:
    """The cells of the first row that has any."""

    def __init__(self) -> None:
        # By column, counted from 1: the text, or the number of a shared text.
        self.cells: dict[int, str | int] = {}
        # Whether all its cells are texts.
        self.is_plain = True
        self._column = 0
        self._type = ""
        self._text = ""
        self._reads = self._is_phonetic = self._is_filled = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match local_name(name):
            case "row":
                self._column = 0
            case "c":
                reference = attributes.get("r")
                self._column = self._column + 1 if reference is None else column_of(reference.rstrip("0123456789"))
                self._type, self._text, self._is_filled = attributes.get("t", "n"), "", False
            case "v" | "t":
                self._reads, self._is_filled = not self._is_phonetic, True
            case "rPh":
                self._is_phonetic = True

    def add_text(self, text: str) -> None:
        if self._reads:
            self._text += text

    def end(self, name: str) -> None:
        match local_name(name):
            case "v" | "t":
                self._reads = False
            case "rPh":
                self._is_phonetic = False
            case "c" if self._is_filled:
                self._end_cell()
            case "row" if self.cells:
                raise _Found

    def _end_cell(self) -> None:
        if self._type not in ("s", "str", "inlineStr") or not 0 < self._column <= _MOST_COLUMNS:
            self.is_plain = False
            raise _Found
        self.cells[self._column] = int(self._text.strip()) if self._type == "s" else self._text


class _SharedTexts:
    """The shared texts with the wanted numbers."""

    def __init__(self, wanted: set[int]) -> None:
        self.wanted = wanted
        self.found: dict[int, str] = {}
        self._number = -1
        self._last = max(wanted, default=-1)
        self._reads = self._is_phonetic = False

    def begin(self, name: str, _: dict[str, str]) -> None:
        match local_name(name):
            case "si":
                self._number += 1
                if self._number > self._last:
                    raise _Found
                if self._number in self.wanted:
                    self.found[self._number] = ""
            case "t":
                self._reads = self._number in self.wanted and not self._is_phonetic
            case "rPh":
                self._is_phonetic = True

    def add_text(self, text: str) -> None:
        if self._reads:
            self.found[self._number] += text

    def end(self, name: str) -> None:
        match local_name(name):
            case "t":
                self._reads = False
            case "rPh":
                self._is_phonetic = False
