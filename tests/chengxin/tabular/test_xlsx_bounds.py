"""A workbook is bounded before it is read, and the check sees the cells that the parser sees."""

import io

import pytest
from hypothesis import event, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from chengxin.errors import Problem
from chengxin.tabular.book import tables
from chengxin.tabular.reader.fault import Fault
from chengxin.tabular.reader.xlsx_bounds import must_be_bounded
from tests.chengxin.tabular.files import CALLER, given
from tests.hostile import MAIN, SHEET, changed, packed, parts_of, plain_book


def test_a_book_is_bounded_for_whoever_holds_it() -> None:
    with given(changed(plain_book(), "xl/worksheets/sheet1.xml", b'<row r="3"', b'<row r="50003"')) as file:
        # Its cells still say row 3.
        assert len(tables(file, CALLER)["数据"]) == 3
    sheet = b'<row r="60000"><c r="A60000"><v>1</v></c></row></sheetData>'
    far = changed(plain_book(), "xl/worksheets/sheet1.xml", b"</sheetData>", sheet)
    with given(far) as file, pytest.raises(Problem) as told:
        tables(file, CALLER)
    assert told.value.code == "FILE_SHEET_TOO_LARGE"


references = st.one_of(
    st.none(),
    st.from_regex(r"[A-Za-z]{1,3}[0-9]{1,4}", fullmatch=True),
    st.tuples(st.sampled_from("ABCZ"), st.integers(1, 9)).map(lambda at: f"{at[0]}{at[1]}"),
    st.sampled_from(["", "A", "1", "A01", "$A$1", "A1:B2", "Ａ1", "A+1", "A 1", " A1", "a1"]),
)
rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(1, 9).map(str), st.sampled_from(["0", "01", "", "x", "+1"])), references
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400)
@drawn(rows)
def test_a_cell_is_where_the_check_and_calamine_say(told: list[tuple[str | None, str | None]]) -> None:
    def attribute(value: str | None) -> str:
        return "" if value is None else f' r="{value}"'

    cells = "".join(
        f"<row{attribute(row)}><c{attribute(cell)}><v>{n}</v></c></row>" for n, (row, cell) in enumerate(told, 1)
    )
    parts = parts_of(plain_book())
    sheet = f'<worksheet xmlns="{MAIN.decode()}"><sheetData>{cells}</sheetData></worksheet>'
    book = packed(parts | {SHEET: sheet.encode()})
    try:
        seen = must_be_bounded(io.BytesIO(book))
    except Fault:
        event("refused")
        return
    event("understood")
    [found] = seen._cells.values()
    laid_out = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_index(0)
    values = [value for row in laid_out.to_python() for value in row if value != ""]
    # Each cell is there once, in the order of the sheet, and the last row and column agree.
    assert values == list(range(1, len(told) + 1))
    assert laid_out.end == (found.lowest - 1, found._rightmost - 1)
