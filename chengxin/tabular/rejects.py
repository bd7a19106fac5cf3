"""Rejects as a file like the delivered one: its columns, and why each row came back; no cell can become a formula."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from chengxin.tabular.columns import REJECT_COLUMNS

# With the marks that were before it when it was delivered, so that one comes off again and no other.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")

# What no cell of a workbook can hold, and how much of a text one can.
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_LONGEST: Final = 32_767
_CODED: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")

# (row in the delivered file, item code to value, reasons in words)
Rejected = tuple[int, Mapping[str, str], Sequence[str]]


def write_rejects(
    file: IO[bytes], kind: str, encoding: str, columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]
) -> None:
    """Writes the file as the kind that was delivered (`csv`, `xlsx`, `jsonl`), its text in `encoding`, as Python names it."""
    if kind == "xlsx":
        write_rejects_xlsx(file, columns, rejects)
        return
    lines = rejects_csv(columns, rejects) if kind == "csv" else rejects_jsonl(columns, rejects)
    # Spreadsheets know UTF-8 by its mark.
    marked = kind == "csv" and encoding == "utf-8"
    # One for all lines: it writes its mark once.
    encoder = codecs.getincrementalencoder("utf-8-sig" if marked else encoding)()
    file.writelines(encoder.encode(line) for line in lines)


def rejects_csv(columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> Iterator[str]:
    """The file in pieces: a header of the columns' labels, `columns` being (label, item code), then a line a reject."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([*(disarmed(label) for label, _ in columns), *REJECT_COLUMNS])
    yield _taken(buffer)
    for row, items, reasons in rejects:
        cells = [disarmed(items.get(code, "")) for _, code in columns]
        writer.writerow([*cells, row, disarmed("；".join(reasons))])
        yield _taken(buffer)


def rejects_jsonl(columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> Iterator[str]:
    """The file in lines: an object a reject, with the items that it has under the labels of their columns."""
    row_name, reasons_name = REJECT_COLUMNS
    for row, items, reasons in rejects:
        told: dict[str, Any] = {label: items[code] for label, code in columns if code in items}
        yield json.dumps(told | {row_name: row, reasons_name: "；".join(reasons)}, ensure_ascii=False) + "\n"


def write_rejects_xlsx(file: IO[bytes], columns: Sequence[tuple[str, str]], rejects: Iterable[Rejected]) -> None:
    """Writes the file as a workbook: every cell is text and stays text when it is mended, so that no digit is lost.

    What a cell cannot hold is replaced (control characters) or cut (at 32,767 characters).
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet("退回")

    def cell(text: str) -> Any:
        made = WriteOnlyCell(sheet, _CODED.sub("_x005F_", _UNWRITABLE.sub("\ufffd", disarmed(text)))[:_LONGEST])
        made.data_type, made.number_format = "s", "@"
        return made

    for number in range(1, len(columns) + 1):
        sheet.column_dimensions[get_column_letter(number)].number_format = "@"
    sheet.append([cell(label) for label in (*(label for label, _ in columns), *REJECT_COLUMNS)])
    for row, items, reasons in rejects:
        cells = [cell(items[code]) if code in items else None for _, code in columns]
        sheet.append([*cells, cell(str(row)), cell("；".join(reasons))])
    book.save(file)


def disarmed(cell: str) -> str:
    """The cell with a `'` before what a spreadsheet would take for a formula; a plain number stays."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell


def armed(cell: str) -> str:
    """A cell of a rejects file without the mark that keeps a spreadsheet from evaluating it: what was disarmed."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
