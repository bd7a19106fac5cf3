"""Spreadsheets as this service writes and reads them: texts only, nothing that a spreadsheet would evaluate.

A text that a spreadsheet would take for a formula begins with an apostrophe in the file; reading takes it off again.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from python_calamine import CalamineError, CalamineWorkbook

from chengxin.errors import invalid

SPREADSHEET_UNREADABLE = invalid(
    "SPREADSHEET_UNREADABLE",
    "文件不是可读取的 XLSX 工作簿：{reason}",
    "The file is not an XLSX workbook that can be read: {reason}",
)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Rows = Iterable[Sequence[str]]

# What the format takes for the code of a character, as `_x0041_`.
_CODED: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_FORMULA: Final = re.compile(r"['=+\-@\t\r]")
# What unpacked sheets may take; an entry with 300 items takes 1 MB.
_MOST_UNPACKED: Final = 64 * 1024 * 1024
_MOST_PARTS: Final = 200
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
    """Fills a write-only sheet; the first row is bold, stays in view and sets the widths."""
    sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    for n, row in enumerate(rows):
        cells = []
        for column, text in enumerate(row, 1):
            if n == 0:
                # Chinese characters are twice as wide.
                sheet.column_dimensions[get_column_letter(column)].width = min(2 * len(text) + 4, _WIDEST)
            cell = WriteOnlyCell(sheet, _CODED.sub("_x005F_", neutral(text)) or None)
            # Numbers of 18 digits would become floats.
            cell.number_format = "@"
            if n == 0:
                cell.font = bold
            cells.append(cell)
        sheet.append(cells)


def saved(book: Workbook) -> bytes:
    """The file of a workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read_book(file: bytes) -> dict[str, list[list[str]]]:
    """Sheet name to its rows of texts. Raises SPREADSHEET_UNREADABLE."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            parts = archive.infolist()
        if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED:
            raise SPREADSHEET_UNREADABLE(reason=f"> {_MOST_UNPACKED >> 20} MiB")
        book = CalamineWorkbook.from_filelike(io.BytesIO(file))
        return {
            name: [
                [_text(cell) for cell in row] for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            ]
            for name in book.sheet_names
        }
    except (zipfile.BadZipFile, CalamineError) as e:
        raise SPREADSHEET_UNREADABLE(reason=str(e) or type(e).__name__) from None


def _text(cell: object) -> str:
    """A cell as a text; a spreadsheet keeps what looks like a number as one."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return original(str(cell))
