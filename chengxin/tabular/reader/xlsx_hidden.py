"""Finds the rows and columns of a sheet that nobody sees although they hold something."""

import re
from typing import Final

from chengxin.tabular.reader.xlsx_places import column_name, is_true, small_number

_MOST_NAMED: Final = 5
_ZERO: Final = re.compile(r"0+(\.0*)?\Z", re.ASCII)


class HiddenPlaces:
    """The hidden rows and columns of a sheet: by a filter, a collapsed group, by hand, or without any height."""

    def __init__(self) -> None:
        self._row_is_hidden = self._rows_are_hidden = False
        self._columns: list[range] = []
        # The first and last of rows that follow each other.
        self._rows: list[list[int]] = []
        self._filled_columns: set[int] = set()

    @property
    def are_possible(self) -> bool:
        """Whether a filled cell in the current row may be hidden."""
        return self._row_is_hidden or bool(self._columns)

    def begin(self, kind: str, attributes: dict[str, str]) -> None:
        """Takes in an element that tells how rows and columns are shown: `sheetFormatPr`, `col`, `row`."""
        match kind:
            case "sheetFormatPr":
                self._rows_are_hidden = is_true(attributes.get("zeroHeight"))
            case "row":
                self._row_is_hidden = is_true(attributes.get("hidden")) or self._is_flat(attributes.get("ht"))
            case _ if is_true(attributes.get("hidden")) or _ZERO.match(attributes.get("width", "")):
                first, last = (small_number(attributes.get(name, "")) for name in ("min", "max"))
                self._columns.append(range(first, last + 1))

    def _is_flat(self, height: str | None) -> bool:
        return self._rows_are_hidden if height is None else _ZERO.match(height) is not None

    def mark(self, row: int, column: int) -> None:
        """Takes in a filled cell."""
        if self._row_is_hidden:
            if self._rows and row - self._rows[-1][1] <= 1:
                self._rows[-1][1] = row
            elif len(self._rows) < _MOST_NAMED:
                self._rows.append([row, row])
        if column not in self._filled_columns and any(column in hidden for hidden in self._columns):
            self._filled_columns.add(column)

    def names(self) -> list[str]:
        """The first few of them, as a spreadsheet names them: `3:5`, `C:C`."""
        columns = [column_name(column) for column in sorted(self._filled_columns)[:_MOST_NAMED]]
        return [f"{first}:{last}" for first, last in self._rows] + [f"{name}:{name}" for name in columns]
