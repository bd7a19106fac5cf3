"""Spreadsheets as this service writes them: texts only, nothing that a spreadsheet would evaluate.

A text that a spreadsheet would take for a formula begins with an apostrophe in the file; reading takes it off again.
"""

import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Rows = Iterable[Sequence[str]]

# What the format takes for the code of a character, as `_x0041_`.
_CODED: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_FORMULA: Final = re.compile(r"['=+\-@\t\r]")
_WIDEST: Final = 40


def neutral(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """The text that `neutral` was given."""
    return text[1:] if text.startswith("'") else text


def write_book(sheets: Iterable[tuple[str, Rows]]) -> bytes:
    """A workbook of sheets, each with its first row as a heading."""
    book = Workbook(write_only=True)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        write_rows(sheet, rows)
    return saved(book)


def write_rows(sheet: Any, rows: Rows) -> None:
    """Fills a write-only sheet; the first row is bold, stays in view and sets the widths.

    Its columns are of texts, so that a code 01 that somebody types below stays what it is.
    """
    sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    for n, row in enumerate(rows):
        cells = []
        for column, text in enumerate(row, 1):
            if n == 0:
                # Chinese characters are twice as wide.
                dimension = sheet.column_dimensions[get_column_letter(column)]
                dimension.width, dimension.number_format = min(2 * len(text) + 4, _WIDEST), "@"
            cell = WriteOnlyCell(sheet, _CODED.sub("_x005F_", neutral(text)) or None)
            # Numbers of 18 digits would become floats.
            cell.number_format = "@"
            if n == 0:
                cell.font = bold
            cells.append(cell)
        sheet.append(cells)


def offer(sheet: Any, cells: str, choices: str, blank: bool = True, strict: bool = True) -> None:
    """Cells of a sheet, as `B2:B9`, offer the values of other cells to choose from; `strict` lets nothing else be typed.

    To be called before the rows of a write-only sheet are written.
    """
    rule = DataValidation(type="list", formula1=choices, allow_blank=blank, showErrorMessage=strict)
    rule.errorTitle, rule.error = "代码", "请从下拉列表中选择"
    rule.add(cells)
    sheet.data_validations.append(rule)


def saved(book: Workbook) -> bytes:
    """The file of a workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
