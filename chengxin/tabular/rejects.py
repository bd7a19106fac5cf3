"""Writes rejects like the delivered file: its columns, and the reasons for each row. No cell can become a formula."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from chengxin.tabular.columns import REJECT_COLUMNS

# Also matches marks that were there when the cell was delivered, so that exactly the added one is removed again.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")

# The characters that no cell of a workbook can hold, and how many characters one can.
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONGEST_CELL: Final = 32_767
_ESCAPE_LIKE: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")

# (row in the delivered file, items by code, reasons as texts)
Rejected = tuple[int, Mapping[str, str], Sequence[str]]


def write_rejects(
    file: IO[bytes], kind: str, encoding: str, columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]
) -> None:
    """Writes the file as the delivered kind (`csv`, `xlsx`, `jsonl`), with text in `encoding`, by Python's name."""
    if kind == "xlsx":
        write_rejects_xlsx(file, columns, rejects)
        return
    lines = rejects_csv(columns, rejects) if kind == "csv" else rejects_jsonl(columns, rejects)
    # Spreadsheets recognise UTF-8 by its byte order mark.
    has_mark = kind == "csv" and encoding == "utf-8"
    # One encoder serves all lines, so that it writes the mark once.
    encoder = codecs.getincrementalencoder("utf-8-sig" if has_mark else encoding)()
    file.writelines(encoder.encode(line) for line in lines)


def rejects_csv(columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> Iterator[str]:
    """The file in pieces: a header with the labels of `columns` (label, item code), then a line for each reject."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*(escape_formula(label) for label, _ in columns), *REJECT_COLUMNS])
    yield _drain(buffer)
    for row, items, reasons in rejects:
        cells = [escape_formula(items.get(code, "")) for _, code in columns]
        writer.writerow([*cells, row, escape_formula("；".join(reasons))])
        yield _drain(buffer)


def rejects_jsonl(columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> Iterator[str]:
    """The file in lines: an object for each reject, with its items under the labels of their columns."""
    row_name, reasons_name = REJECT_COLUMNS
    for row, items, reasons in rejects:
        items_by_label: dict[str, Any] = {label: items[code] for label, code in columns if code in items}
        yield json.dumps(items_by_label | {row_name: row, reasons_name: "；".join(reasons)}, ensure_ascii=False) + "\n"


def write_rejects_xlsx(file: IO[bytes], columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> None:
    """Writes the file as a workbook: every cell is text and stays text when it is corrected, so that no digit is lost.

    What a cell cannot hold is replaced (control characters) or cut (at 32,767 characters).
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet("退回")

    def cell(text: str) -> Any:
        made = WriteOnlyCell(
            sheet, _ESCAPE_LIKE.sub("_x005F_", _UNWRITABLE.sub("\ufffd", escape_formula(text)))[:_LONGEST_CELL]
        )
        made.data_type, made.number_format = "s", "@"
        return made

    for number in range(1, len(columns) + 1):
        sheet.column_dimensions[get_column_letter(number)].number_format = "@"
    sheet.append([cell(label) for label in (*(label for label, _ in columns), *REJECT_COLUMNS)])
    for row, items, reasons in rejects:
        cells = [cell(items[code]) if code in items else None for _, code in columns]
        sheet.append([*cells, cell(str(row)), cell("；".join(reasons))])
    book.save(file)


def escape_formula(cell: str) -> str:
    """The cell with a `'` before what a spreadsheet would take for a formula; a plain number stays."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """A cell of a rejects file without the mark by which `escape_formula` keeps spreadsheets from evaluating it."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
