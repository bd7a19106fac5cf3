"""Follows the cells of a sheet as calamine reads them: where they are, and what they hold.

Whatever calamine would drop in silence, or read as another value than a spreadsheet shows, is refused with its place.
"""

import math
import re
from typing import Final, NoReturn

from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.xlsx_hidden import HiddenPlaces
from chengxin.tabular.reader.xlsx_places import column_name, column_of
from chengxin.tabular.reader.xlsx_styles import Styles

# A sheet is laid out as the whole rectangle around its cells: one cell far off makes a small file take gigabytes.
_MOST_CELLS: Final = 4_000_000
# A shared text is copied into every cell that names it: a long one named often makes a small file take gigabytes.
_MOST_CHARACTERS: Final = 256 << 20
_MOST_CELLS_NAMED: Final = 5
_CELL: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})\Z", re.IGNORECASE | re.ASCII)
_ROW: Final = re.compile(r"[1-9][0-9]{0,6}\Z", re.ASCII)
_LAST_COLUMN: Final = 16_384
_LAST_ROW: Final = 1_048_576
_INDEX: Final = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z", re.ASCII)


class Texts:
    """The length of each shared text."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "si":
            self.lengths.append(0)

    def add_text(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class Cells:
    """The rectangle around a sheet's cells, and the shared texts that they name."""

    def __init__(self, texts: Texts, styles: Styles) -> None:
        self._texts, self._styles = texts, styles
        self._row = self._cell_row = self._column = self.lowest = self._rightmost = self._characters = 0
        self._type, self._style, self._value, self._values = "n", "", "", 0
        self._has_sheet = self._in_value = False
        # The digits of the current row as its cells write them, and the columns that were parsed before.
        self._digits = "0"
        self._letters: dict[str, int] = {}
        # The last filled cell, and whether it is the current one.
        self._last_filled = (0, 0)
        self._is_marked = False
        self._is_formula = self._has_value = False
        # Cells whose value is an error, or a formula without a computed result: readers return them as empty, and an
        # empty cell would take back what was recorded.
        self.without_value: list[str] = []
        # Cells that show another number or text than they hold, or nothing.
        self.shown_otherwise: list[str] = []
        self.hidden = HiddenPlaces()

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "c":
            self._move_to(attributes.get("r"))
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._is_formula = self._has_value = self._is_marked = False
            self._values = 0
        elif kind == "is":
            self._begin_value()
        elif kind == "v":
            self._begin_value()
            if self._type == "inlineStr":
                self._refuse_value("文本不在其位 / its text is elsewhere")
            # Only a text formula may have the empty text as its result.
            self._in_value, self._value, self._has_value = True, "", self._type == "str"
        elif kind == "f":
            self._is_formula = True
        elif kind == "row":
            row = attributes.get("r")
            if row is not None and not (_ROW.match(row) and int(row) <= _LAST_ROW):
                self._refuse(f"row {row}")
            self._row = int(row) if row is not None else self._row + 1
            self._column, self._digits = 0, str(self._row)
            self.hidden.begin(kind, attributes)
        elif kind in ("col", "sheetFormatPr"):
            self.hidden.begin(kind, attributes)
        elif kind == "sheetData":
            if self._has_sheet:
                raise Fault("FILE_WORKBOOK_BROKEN", reason="sheetData ×2")
            self._has_sheet = True

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

    def _refuse_value(self, fault: str) -> NoReturn:
        zh, en = fault.split(" / ")
        name = self._cell_name()
        raise Fault("FILE_WORKBOOK_BROKEN", reason=f"单元格 {name} {zh} / cell {name}: {en}")

    def begin_cdata(self) -> None:
        """Refuses a value that calamine reads as empty."""
        if self._in_value:
            self._refuse_value("的写法有误 / CDATA")

    def _begin_value(self) -> None:
        """Begins the value of a cell; of two, calamine drops one."""
        self._values += 1
        if self._values > 1:
            self._refuse_value("有两个值 / it has two values")
        self._mark_filled()

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
        if self.hidden.are_possible:
            self.hidden.mark(*here)
        if self._column > self._rightmost:
            self._rightmost = self._column
        if self.lowest * self._rightmost > _MOST_CELLS:
            raise Fault("FILE_SHEET_TOO_LARGE", cell=self._cell_name(), limit=f"{_MOST_CELLS:,}")

    def add_text(self, text: str) -> None:
        if self._in_value:
            if not self._has_value:
                self._has_value = not text.isspace()
            # Of other types calamine takes the text as it is.
            if self._type in ("s", "n"):
                self._value += text

    def _cell_name(self) -> str:
        return f"{column_name(self._column)}{self._cell_row}"

    def end(self, name: str) -> None:
        kind = name.rpartition(":")[2] if ":" in name else name
        if kind == "v":
            self._in_value = False
            if self._type == "s":
                self._end_shared_text()
            elif self._type == "n" and self._value:
                self._end_number()
        elif kind == "c":
            is_missing = self._type == "e" or (self._is_formula and not self._has_value)
            is_text = self._values and self._type in ("s", "str", "inlineStr")
            if is_text and self._style and self._styles.shows_another_text(self._style):
                self._name_shown_otherwise()
            if is_missing and len(self.without_value) < _MOST_CELLS_NAMED:
                self.without_value.append(self._cell_name())

    def _end_shared_text(self) -> None:
        # calamine takes what is no number for the first text of the list, and an empty value for no value.
        if not _INDEX.match(self._value) or (number := int(self._value)) >= len(self._texts.lengths):
            self._refuse_value("没有指向文本 / it names no text")
        self._characters += self._texts.lengths[number]
        if self._characters > _MOST_CHARACTERS:
            raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=f"{_MOST_CHARACTERS >> 20} Mi characters")

    def _end_number(self) -> None:
        # calamine makes a text of what is no number.
        if not _NUMBER.match(self._value) or not math.isfinite(float(self._value)):
            self._refuse_value("不是数值 / it is not a number")
        if not self._style:
            return
        if self._styles.is_no_date(self._style, self._value):
            self._refuse_value("不是有效的日期 / it is no date")
        if self._styles.shows_another(self._style, self._value):
            self._name_shown_otherwise()

    def _name_shown_otherwise(self) -> None:
        if len(self.shown_otherwise) < _MOST_CELLS_NAMED:
            self.shown_otherwise.append(self._cell_name())
