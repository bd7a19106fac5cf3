"""Excel workbooks: the first visible sheet, the values as last calculated; nothing is evaluated or fetched."""

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from chengxin.tabular.columns import Column, Columns
from chengxin.tabular.problems import (
    FILE_CELL_OUTSIDE,
    FILE_EMPTY,
    FILE_WORKBOOK_BROKEN,
    FILE_WORKBOOK_MERGED,
    FILE_WORKBOOK_VALUE_MISSING,
)
from chengxin.tabular.rejects import armed
from chengxin.tabular.source import Row
from chengxin.tabular.xlsx_bounds import must_be_bounded

_SHOWN: Final = 5
# From here on a spreadsheet's number has lost digits.
_INEXACT: Final = 1e15


class XlsxSource:
    """An Excel workbook."""

    encoding = "utf-8"
    kind = "xlsx"

    def __init__(self, path: Path) -> None:
        parts = must_be_bounded(path)
        try:
            workbook = CalamineWorkbook.from_path(str(path))
            shown = [
                n
                for n, sheet in enumerate(workbook.sheets_metadata)
                if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
            ]
            if not shown:
                raise FILE_EMPTY()
            self._sheet: CalamineSheet = workbook.get_sheet_by_index(shown[0])
            names = [workbook.sheet_names[n] for n in shown[1:]]
            self.unread: Sequence[str] = [name for name in names if parts.is_filled(name)]
        except (CalamineError, OSError) as e:
            raise FILE_WORKBOOK_BROKEN(reason=str(e)[:120] or type(e).__name__) from None
        if self._sheet.start is None:
            raise FILE_EMPTY()
        if missing := parts.without_value(self._sheet.name):
            raise FILE_WORKBOOK_VALUE_MISSING(cells=", ".join(missing))
        if merged := self._sheet.merged_cell_ranges:
            raise FILE_WORKBOOK_MERGED(ranges=", ".join(map(_range, merged[:_SHOWN])))

    def columns(self, entry: Columns) -> list[Column]:
        """The columns of the header. Raises the problem of the header."""
        return entry.of_header(self._header(self._records()))

    def rows(self, entry: Columns) -> Iterator[Row]:
        """The records. Raises FILE_CELL_OUTSIDE for a value beside the columns."""
        records = self._records()
        columns = entry.of_header(self._header(records))
        codes = [column.code for column in columns]
        # As in a CSV file: a rejects file has its formulas disarmed.
        disarmed = "" in codes
        for number, cells in records:
            outside = next((n for n, cell in enumerate(cells[len(codes) :], len(codes)) if cell.strip()), None)
            if outside is not None:
                raise FILE_CELL_OUTSIDE(cell=f"{_name(outside)}{number}", last=_name(len(codes) - 1))
            items = {code: cell for code, cell in zip(codes, cells, strict=False) if code and cell.strip()}
            if items:
                yield Row(number, {c: armed(v) for c, v in items.items()} if disarmed else items)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        start = self._sheet.start
        assert start is not None
        # Rows above and columns left of the first value are not given.
        before = [""] * start[1]
        for number, cells in enumerate(self._sheet.iter_rows(), start[0] + 1):
            yield number, before + [_text(cell) for cell in cells]

    @staticmethod
    def _header(records: Iterator[tuple[int, list[str]]]) -> list[str]:
        _, cells = next(records, (0, []))
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            raise FILE_EMPTY()
        return cells


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, (int, float)):
        # As a spreadsheet shows it: 15 digits. A longer number was rounded when it was typed: it stays in exponent form,
        # which no text item takes (rule `spreadsheet_number`).
        return f"{cell:.0f}" if abs(cell) < _INEXACT and cell == int(cell) else f"{cell:.15g}"
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, (datetime.date, datetime.time)) else str(cell)


def _range(cells: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (top, left), (bottom, right) = cells
    return f"{_name(left)}{top + 1}:{_name(right)}{bottom + 1}"


def _name(column: int) -> str:
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
