"""Reads Excel workbooks: the first visible sheet, with values as last calculated. It evaluates and fetches nothing."""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from chengxin.tabular import frames
from chengxin.tabular.bounds import LONGEST_RECORD, MOST_ITEMS, MOST_ROWS_OF_BOOK
from chengxin.tabular.frames import About, Writer
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.given import PATH, as_bytes
from chengxin.tabular.reader.xlsx_bounds import WorkbookParts, must_be_bounded
from chengxin.tabular.reader.xlsx_header import find_labels
from chengxin.tabular.reader.xlsx_places import column_name

_MOST_RANGES: Final = 5
# The digits that a spreadsheet keeps of a number.
_DIGITS: Final = 15
# The process that asks holds a whole book. An entry of 500 items with long code lists has a tenth of this.
_MOST_CELLS_OF_BOOK: Final = 400_000
_MOST_CHARACTERS_OF_BOOK: Final = 8 << 20
# Such a book has less than half of this, unpacked.
_MOST_BYTES_OF_BOOK: Final = 64 << 20


def read_xlsx(out: Writer, most: int) -> None:
    """Writes the header and the first `most` filled rows of the first visible sheet. Raises the first fault.

    The labels come first, where they can be found early: a file of other columns is then refused at once.
    """
    with as_bytes() as file:
        if (labels := find_labels(file)) is not None:
            out.put(frames.LABELS, labels)
    with as_bytes() as file:
        parts = must_be_bounded(file)
    try:
        workbook = CalamineWorkbook.from_path(PATH)
        visible = [
            n
            for n, sheet in enumerate(workbook.sheets_metadata)
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
        ]
        if not visible:
            raise _no_sheet([name for name in workbook.sheet_names if parts.is_filled(name)])
        parts.must_know(workbook.sheet_names[visible[0]])
        sheet: CalamineSheet = workbook.get_sheet_by_index(visible[0])
        # Hidden ones too: the provider may have forgotten what is in them.
        names = [name for n, name in enumerate(workbook.sheet_names) if n != visible[0]]
        unread = [name for name in names if parts.is_filled(name)]
    except (CalamineError, OSError) as e:
        raise Fault("FILE_WORKBOOK_BROKEN", reason=str(e)[:120] or type(e).__name__) from None
    if sheet.start is None:
        raise _no_sheet(unread)
    _must_be_clear(parts, sheet)
    out.put(frames.ABOUT, About(unread=unread))
    _write_rows(out, sheet, most)


def read_book(out: Writer, most: int) -> None:
    """Writes the rows of every sheet, from its first cell on. Raises the first fault."""
    with as_bytes() as file:
        parts = must_be_bounded(file, _MOST_BYTES_OF_BOOK)
    cells = characters = 0
    try:
        workbook = CalamineWorkbook.from_path(PATH)
        for about in workbook.sheets_metadata:
            name = about.name
            parts.must_know(name)
            if about.visible != SheetVisibleEnum.Visible and parts.is_filled(name):
                raise Fault("FILE_WORKBOOK_HIDDEN", sheet=name[:40], places=name[:40])
            sheet = workbook.get_sheet_by_name(name)
            _must_be_clear(parts, sheet)
            out.put(frames.SHEET, name)
            for number, values in _read_rows(sheet):
                row = [_text_of_book_cell(value) for value in values]
                while row and not row[-1]:
                    row.pop()
                cells += len(row)
                characters += (size := sum(map(len, row)))
                if cells > _MOST_CELLS_OF_BOOK or characters > _MOST_CHARACTERS_OF_BOOK:
                    limit = f"{_MOST_CELLS_OF_BOOK:,} cells, {_MOST_CHARACTERS_OF_BOOK >> 20} Mi characters"
                    raise Fault("FILE_WORKBOOK_TOO_LARGE", limit=limit)
                if row and number > MOST_ROWS_OF_BOOK:
                    raise Fault("FILE_SHEET_TOO_LARGE", cell=f"A{number}", limit=f"{MOST_ROWS_OF_BOOK:,} rows")
                if row:
                    out.add(number, row, size)
    except (CalamineError, OSError) as e:
        raise Fault("FILE_WORKBOOK_BROKEN", reason=str(e)[:120] or type(e).__name__) from None


def _no_sheet(filled: list[str]) -> Fault:
    """The fault of a workbook without a first visible sheet that holds something, by the sheets that do."""
    return (
        Fault("FILE_SHEET_NOT_READ", sheets=", ".join(name[:40] for name in filled)) if filled else Fault("FILE_EMPTY")
    )


def _must_be_clear(parts: WorkbookParts, sheet: CalamineSheet) -> None:
    """Raises the fault of a sheet whose content is not what its author sees."""
    if missing := parts.without_value(sheet.name):
        raise Fault("FILE_WORKBOOK_VALUE_MISSING", cells=", ".join(missing))
    if shown := parts.shown_otherwise(sheet.name):
        raise Fault("FILE_WORKBOOK_SHOWN_OTHERWISE", cells=", ".join(shown))
    if merged := sheet.merged_cell_ranges:
        raise Fault("FILE_WORKBOOK_MERGED", ranges=", ".join(map(_range_name, merged[:_MOST_RANGES])))
    if hidden := parts.hidden(sheet.name):
        raise Fault("FILE_WORKBOOK_HIDDEN", sheet=sheet.name[:40], places=", ".join(hidden))


def _write_rows(out: Writer, sheet: CalamineSheet, most: int) -> None:
    records = ((number, [_text_of_cell(value) for value in values]) for number, values in _read_rows(sheet))
    header_number, header = next(records, (0, []))
    while header and not header[-1].strip():
        header.pop()
    if not header:
        raise Fault("FILE_EMPTY")
    if (width := len(header)) > MOST_ITEMS:
        raise Fault("FILE_TOO_WIDE", actual=width, limit=MOST_ITEMS)
    if sum(map(len, header)) > LONGEST_RECORD:
        raise Fault("FILE_LINE_TOO_LONG", row=1, limit=LONGEST_RECORD)
    out.put(frames.HEADER, header)
    for number, cells in records:
        if len(cells) > width:
            outside = next((n for n, cell in enumerate(cells[width:], width) if cell.strip()), None)
            if outside is not None and width == 1:
                raise Fault("FILE_TITLE_ABOVE", row=header_number, title=header[0].strip()[:40])
            if outside is not None:
                raise Fault("FILE_CELL_OUTSIDE", cell=f"{column_name(outside + 1)}{number}", last=column_name(width))
            del cells[width:]
        if not (size := sum(map(len, cells))):
            continue
        if size > frames.LONGEST_ROW:
            raise Fault("FILE_LINE_TOO_LONG", row=number, limit=LONGEST_RECORD)
        out.add(number, cells, size)
        most -= 1
        if not most:
            return


def _read_rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Any]]]:
    """The values of the rows of the sheet with their numbers."""
    if sheet.start is None:
        return
    # calamine leaves out the rows above and the columns left of the first value.
    number, before = sheet.start[0], [""] * sheet.start[1]
    rows = sheet.iter_rows()
    while True:
        number += 1
        try:
            cells = next(rows, None)
        # A panic of Rust is no Exception. calamine panics at a date before the first day.
        except BaseException as e:
            if isinstance(e, (Exception, SystemExit)):
                raise
            reason = f"第 {number} 行有读不出的值，例如负的日期 / row {number} has a value that cannot be read, such as a negative date"
            raise Fault("FILE_WORKBOOK_BROKEN", reason=reason) from None
        if cells is None:
            return
        yield number, [*before, *cells]


def _text_of_cell(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, (int, float)):
        return _text_of_number(cell)
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, (datetime.date, datetime.time)) else str(cell)


def _text_of_number(number: float) -> str:
    # What was rounded when it was typed has the form of an exponent, which no item accepts (rule `spreadsheet_number`).
    if not _has_lost_digits(number):
        return f"{number:.0f}" if number == int(number) else f"{Decimal(f'{number:.{_DIGITS}g}'):f}"
    return f"{number:.{_DIGITS + 1}E}" if abs(number) >= 1 else f"{Decimal(repr(number)):f}E+00"


def _has_lost_digits(cell: Any) -> bool:
    """Whether a cell is a number that nobody can have typed into a spreadsheet as it is: it has more digits than that
    keeps. Fifteen digits with noise behind them may be as many with others lost."""
    if not isinstance(cell, (int, float)) or isinstance(cell, bool):
        return False
    if abs(cell) >= 10**_DIGITS:
        return True
    kept = f"{cell:.{_DIGITS - 1}e}"
    return float(kept) != cell and kept.partition("e")[0][-1] != "0"


def _text_of_book_cell(cell: Any) -> str:
    """A cell of a catalog as a text; a spreadsheet stores as a number whatever looks like one."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return _text_of_number(cell) if isinstance(cell, (int, float)) else str(cell)


def _range_name(cells: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (top, left), (bottom, right) = cells
    return f"{column_name(left + 1)}{top + 1}:{column_name(right + 1)}{bottom + 1}"
