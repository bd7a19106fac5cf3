"""Finds the rows and columns of a sheet that nobody sees although they hold something."""

import math
from typing import Final

from chengxin.tabular.reader.xlsx_places import column_name, is_true, small_number

_MOST_NAMED: Final = 5
# In characters, and in points: less shows no character that anybody reads.
_LEAST_WIDTH: Final = 1.0
_LEAST_HEIGHT: Final = 4.0


class HiddenPlaces:
    """The hidden rows and columns of a sheet: by a filter, a collapsed group, by hand, or too small to be seen."""

    def __init__(self) -> None:
        self._row_is_hidden = self._rows_are_hidden = self._columns_are_hidden = False
        # In which of them the columns are hidden; it is the first that counts.
        self._columns: list[tuple[range, bool]] = []
        # The first and last of rows that follow each other.
        self._rows: list[list[int]] = []
        self._filled_columns: set[int] = set()

    @property
    def are_possible(self) -> bool:
        """Whether a filled cell in the current row may be hidden."""
        return self._row_is_hidden or self._columns_are_hidden or bool(self._columns)

    def begin(self, kind: str, attributes: dict[str, str]) -> None:
        """Takes in an element that tells how rows and columns are shown: `sheetFormatPr`, `col`, `row`."""
        match kind:
            case "sheetFormatPr":
                is_low = _is_less(attributes.get("defaultRowHeight"), _LEAST_HEIGHT)
                self._rows_are_hidden = is_true(attributes.get("zeroHeight")) or is_low
                self._columns_are_hidden = _is_less(attributes.get("defaultColWidth"), _LEAST_WIDTH)
            case "row":
                self._row_is_hidden = is_true(attributes.get("hidden")) or self._is_flat(attributes.get("ht"))
            case _:
                width = attributes.get("width")
                is_narrow = self._columns_are_hidden if width is None else _is_less(width, _LEAST_WIDTH)
                first, last = (small_number(attributes.get(name, "")) for name in ("min", "max"))
                self._columns.append((range(first, last + 1), is_true(attributes.get("hidden")) or is_narrow))

    def _is_flat(self, height: str | None) -> bool:
        return self._rows_are_hidden if height is None else _is_less(height, _LEAST_HEIGHT)

    def _is_column_hidden(self, column: int) -> bool:
        return next((is_hidden for columns, is_hidden in self._columns if column in columns), self._columns_are_hidden)

    def mark(self, row: int, column: int) -> None:
        """Takes in a filled cell."""
        if self._row_is_hidden:
            if self._rows and row - self._rows[-1][1] <= 1:
                self._rows[-1][1] = row
            elif len(self._rows) < _MOST_NAMED:
                self._rows.append([row, row])
        if column not in self._filled_columns and self._is_column_hidden(column):
            self._filled_columns.add(column)

    def names(self) -> list[str]:
        """The first few of them, as a spreadsheet names them: `3:5`, `C:C`."""
        columns = [column_name(column) for column in sorted(self._filled_columns)[:_MOST_NAMED]]
        return [f"{first}:{last}" for first, last in self._rows] + [f"{name}:{name}" for name in columns]


def _is_less(size: str | None, least: float) -> bool:
    try:
        number = math.inf if size is None else float(size)
    except ValueError:
        return False
    return number < least
