"""Workbooks that this service writes: they hold texts only, and no text that a spreadsheet would evaluate.

If a spreadsheet would take a text for a formula, the file has an apostrophe before it; the reader removes it again.
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

# The file format reads `_x0041_` as the code of a character.
_CHARACTER_CODE: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_FORMULA_START: Final = re.compile(r"['=+\-@\t\r]")
_GREATEST_WIDTH: Final = 40


def escape_formula(text: str) -> str:
    """Returns the text in a form that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA_START.match(text) else text


def unescape_formula(text: str) -> str:
    """Returns the text from which `escape_formula` made its argument."""
    return text[1:] if text.startswith("'") else text


def write_book(sheets: Iterable[tuple[str, Rows]]) -> bytes:
    """Returns the file of a workbook; the first row of each sheet is its heading."""
    book = Workbook(write_only=True)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        write_rows(sheet, rows)
    return to_bytes(book)


def write_rows(sheet: Any, rows: Rows) -> None:
    """Fills a write-only sheet; the first row is bold, stays in view and sets the widths.

    The columns have the text format, so that a spreadsheet keeps a code 01 that a person types below.
    """
    sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    for n, row in enumerate(rows):
        cells = []
        for column, text in enumerate(row, 1):
            if n == 0:
                # Chinese characters are twice as wide as Latin letters.
                dimension = sheet.column_dimensions[get_column_letter(column)]
                dimension.width, dimension.number_format = min(2 * len(text) + 4, _GREATEST_WIDTH), "@"
            cell = WriteOnlyCell(sheet, _CHARACTER_CODE.sub("_x005F_", escape_formula(text)) or None)
            # Without the text format, numbers of 18 digits would become floats.
            cell.number_format = "@"
            if n == 0:
                cell.font = bold
            cells.append(cell)
        sheet.append(cells)


def add_choices(sheet: Any, cells: str, choices: str, blank: bool = True, strict: bool = True) -> None:
    """Lets cells of a sheet (`B2:B9`) offer the values of other cells as choices; `strict` forbids other values.

    Call it before the rows of a write-only sheet are written.
    """
    rule = DataValidation(type="list", formula1=choices, allow_blank=blank, showErrorMessage=strict)
    rule.errorTitle, rule.error = "代码", "请从下拉列表中选择"
    rule.add(cells)
    sheet.data_validations.append(rule)


def to_bytes(book: Workbook) -> bytes:
    """Returns the file of a workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
