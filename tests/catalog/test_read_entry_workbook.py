"""The circulated workbook: what clerks type is read as they mean it, or reported cell by cell (Art. 7)."""

import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.errors import Problem
from services.catalog.domain.entry_workbook import write_entry
from services.catalog.domain.findings_messages import RULES
from services.catalog.usecases.read_entry_workbook import read_entry_sheet
from tests.catalog.conftest import RunningCatalog
from tests.catalog.licensing_entry import CONTENT
from tests.catalog.workbooks import edited, imports
from tests.chengxin.tabular.files import CALLER

Change = Callable[[Any], object]


def row_of(sheet: Any, label: str) -> int:
    """The row of the first sheet that has a label."""
    return next(row[0].row for row in sheet.iter_rows() if row[0].value == label)


def column_of(sheet: Any, heading: str) -> int:
    """The column with a heading."""
    return next(cell.column for cell in sheet[1] if cell.value == heading)


def fill(book: Any, sheet: str, row: int, heading: str, value: object) -> None:
    """Types something in a cell."""
    book[sheet].cell(row, column_of(book[sheet], heading)).value = value


def enter(book: Any, label: str, *values: object) -> None:
    """Types something beside a label of the first sheet."""
    sheet = book["目录条目"]
    for n, value in enumerate(values):
        sheet.cell(row_of(sheet, label), 2 + n).value = value


@pytest.mark.parametrize(
    ("change", "field", "rule", "said"),
    [
        (lambda b: b.remove(b["信息项"]), "信息项", "sheet.missing", "信息项"),
        (lambda b: b["目录条目"].append(["颜色", "红"]), "目录条目!A28", "sheet.row_unknown", "颜色"),
        (lambda b: b["目录条目"].append([None, "红"]), "目录条目!A28", "sheet.row_unnamed", "红"),
        (lambda b: b["目录条目"].append(["条目名称", "别名"]), "目录条目!A28", "sheet.row_twice", "条目名称"),
        (lambda b: b["目录条目"].delete_rows(3), "目录条目", "sheet.row_missing", "条目名称"),
        (lambda b: enter(b, "更新周期", "每日", "每周"), "目录条目!A11", "sheet.cell_several", "每周"),
        (lambda b: enter(b, "更新周期", None), "目录条目!A11", "sheet.cell_missing", "更新周期"),
        (lambda b: enter(b, "更新周期", "每旬"), "目录条目!A11", "sheet.cell_word", "每季度"),
        (lambda b: enter(b, "公开方式", "内部"), "目录条目!A16", "sheet.cell_word", "行政机关共享"),
        (
            lambda b: enter(b, "变更报送时限（工作日）", "7个工作日"),
            "目录条目!A20",
            "sheet.cell_number",
            "7个工作日",
        ),
        (lambda b: enter(b, "变更报送时限（工作日）", 2**63), "目录条目!A20", "sheet.cell_number", "9"),
        (lambda b: fill(b, "代码表", 2, "代码", 441702189003020123), "代码表!B2", "sheet.cell_rounded", "15"),
        (lambda b: fill(b, "代码表", 2, "名称", 1234567890.1234567), "代码表!C2", "sheet.cell_rounded", "15"),
        (lambda b: fill(b, "信息项", 3, "长度", "9" * 19), "信息项!E3", "sheet.cell_number", "长度"),
        (lambda b: fill(b, "信息项", 2, "长度", "长"), "信息项!E2", "sheet.cell_number", "长"),
        (lambda b: fill(b, "信息项", 2, "必填", "也许"), "信息项!G2", "sheet.cell_word", "是、否"),
        (lambda b: fill(b, "信息项", 2, "类型", "picture"), "信息项!D2", "sheet.cell_word", "数值"),
        (lambda b: fill(b, "信息项", 2, "敏感级别", None), "信息项!K2", "sheet.cell_missing", "敏感级别"),
        (lambda b: fill(b, "信息项", 2, "信息项代码", None), "信息项!A2", "sheet.cell_missing", "信息项代码"),
        (lambda b: fill(b, "信息项", 2, "代码表版本", 1), "信息项!P2", "sheet.cell_missing", "引用代码表"),
        (lambda b: b["信息项"].delete_cols(1), "信息项", "sheet.column_missing", "信息项代码"),
        (lambda b: b["信息项"].delete_cols(11), "信息项", "sheet.column_missing", "敏感级别"),
        (lambda b: b["信息项"].cell(1, 11, "级别"), "信息项!K1", "sheet.column_unknown", "敏感级别"),
        (lambda b: b["信息项"].cell(1, 21, "长度"), "信息项!U1", "sheet.column_twice", "长度"),
        (lambda b: b["信息项"].cell(2, 21, "旁注"), "信息项!U2", "sheet.column_unnamed", "旁注"),
        (lambda b: b["代码表"].append(["NOPE", "1", "一"]), "代码表!A17", "sheet.item_unknown", "NOPE"),
        (lambda b: fill(b, "代码表", 2, "信息项代码", None), "代码表!A2", "sheet.cell_missing", "信息项代码"),
        (lambda b: fill(b, "代码表", 2, "代码", None), "代码表!B2", "sheet.cell_missing", "代码"),
        (lambda b: b["规则"].append(["不晚于", "XK_YXQZ", "XK_YXQZI"]), "规则!A5", "sheet.cell_word", "不早于"),
        (lambda b: b["规则"].append(["不早于", "XK_YXQZ"]), "规则!C5", "sheet.cell_missing", "另一信息项"),
        (lambda b: b["规则"].append(["不早于", None, "XK_YXQZ"]), "规则!B5", "sheet.cell_missing", "信息项"),
        (lambda b: b["规则"].append([None, "XK_YXQZ", "BZ"]), "规则!A5", "sheet.cell_missing", "规则"),
        (lambda b: b["提供单位"].cell(1, 1, "代码"), "提供单位", "sheet.column_missing", "统一社会信用代码"),
        (lambda b: b["提供单位"].cell(1, 1, "代码"), "提供单位!A1", "sheet.column_unknown", "名称"),
        (lambda b: b.create_sheet("信息项 "), "信息项 ", "sheet.twice", "信息项"),
    ],
)
def test_what_cannot_be_read_is_told_where_it_is(change: Change, field: str, rule: str, said: str) -> None:
    with pytest.raises(Problem) as refused:
        read_entry_sheet(edited(change), CALLER)
    assert refused.value.code == "ENTRY_SHEET_INVALID"
    [message] = [e.message for e in refused.value.fields if (e.field, e.rule) == (field, rule)]
    assert said in message
    assert {e.rule for e in refused.value.fields} <= RULES


def test_everything_wrong_with_a_workbook_is_told_at_once_in_the_language_asked_for(catalog: RunningCatalog) -> None:
    def change(book: Any) -> None:
        book["信息项"].delete_cols(11)
        fill(book, "信息项", 4, "类型", "图片")
        enter(book, "变更报送时限（工作日）", "7个工作日")

    refused = imports(catalog, edited(change), "en")
    assert (refused.status_code, refused.json["code"]) == (400, "ENTRY_SHEET_INVALID")
    assert [e["field"] for e in refused.json["errors"]] == ["目录条目!A20", "信息项", "信息项!D4"]
    assert "whole number" in refused.json["errors"][0]["message"]
    chinese = imports(catalog, edited(change)).json["errors"][0]["message"]
    assert chinese == "“目录条目”表第 20 行“变更报送时限（工作日）”填的是“7个工作日”，应为不超过 9 位的整数，请只填数字"


def test_not_every_cell_of_another_form_is_told() -> None:
    def change(book: Any) -> None:
        for row in range(2, 400):
            book["信息项"].cell(row, 30, "x")

    with pytest.raises(Problem) as refused:
        read_entry_sheet(edited(change), CALLER)
    # A problem tells so many (chengxin.errors).
    assert len(refused.value.fields) == 100


def spaced(book: Any) -> None:
    for sheet in book:
        sheet.title = f" {sheet.title}\u3000"
        for row in sheet.iter_rows():
            for cell in row:
                if cell.value and cell.column != 10:
                    cell.value = f" {cell.value}\u3000"


def shifted(book: Any) -> None:
    for sheet in book:
        for column in (3, 2, 1):
            sheet.insert_cols(column)


def turned(book: Any) -> None:
    """Columns in another order."""
    for name in ("提供单位", "信息项", "代码表"):
        for row in [[cell.value for cell in row] for row in book[name].iter_rows()]:
            book[name].append(row[::-1])
        book[name].delete_rows(1, book[name].max_row // 2)


def merged(book: Any) -> None:
    sheet, above = book["代码表"], None
    for row in range(2, sheet.max_row + 1):
        here = sheet.cell(row, 1)
        if here.value == above:
            here.value = None
        else:
            above = here.value


def coded(book: Any) -> None:
    enter(book, "更新周期", "daily")
    enter(book, "公开方式", "public", "授权查询", "shared")
    fill(book, "信息项", 2, "类型", "text")
    fill(book, "信息项", 2, "必填", "true")
    fill(book, "规则", 2, "规则", "required_one_of")


def sparse(book: Any) -> None:
    enter(
        book,
        "覆盖区域",
        None,
        None,
        *(cell.value for cell in book["目录条目"][row_of(book["目录条目"], "覆盖区域")][1:]),
    )
    book["信息项"].insert_rows(3)
    for row in range(2, book["信息项"].max_row + 1):
        for heading in ("可多选", "脱敏", "标识校验"):
            cell = book["信息项"].cell(row, column_of(book["信息项"], heading))
            if cell.value in ("否", "无", "不脱敏"):
                cell.value = None


@pytest.mark.parametrize("change", [spaced, shifted, turned, merged, coded, sparse])
def test_what_a_clerk_does_to_a_workbook_changes_nothing(change: Change) -> None:
    assert read_entry_sheet(edited(change), CALLER) == CONTENT


def test_a_space_in_a_pattern_is_part_of_it() -> None:
    content = read_entry_sheet(edited(lambda b: fill(b, "信息项", 2, "格式", " ?[0-9]+ ")), CALLER)
    assert content.items[0].pattern == " ?[0-9]+ "


def test_a_workbook_has_chinese_words_and_offers_them() -> None:
    book = openpyxl.load_workbook(io.BytesIO(write_entry(CONTENT)))
    sheet = book["目录条目"]
    assert sheet.cell(row_of(sheet, "更新周期"), 2).value == "每日"
    assert sheet.cell(row_of(sheet, "共享属性"), 2).value == "无条件共享"
    assert [c.value for c in sheet[row_of(sheet, "公开方式")]][1:4] == ["依法公开", "授权查询", "行政机关共享"]
    cells = {cell.value for name in book.sheetnames for row in book[name].iter_rows() for cell in row}
    assert not cells & {"daily", "unconditional", "text", "open", "not_before", "required_one_of", "uscc", "public"}

    # Cells typed below are texts, too.
    assert book["代码表"].column_dimensions["B"].number_format == "@"

    def offered(name: str, cell: str) -> list[str]:
        [rule] = [v for v in book[name].data_validations.dataValidation if cell in v.sqref]
        where, _, place = rule.formula1.partition("!")
        return [c.value for row in book[where.strip("'")][place.replace("$", "")] for c in row]

    assert offered("目录条目", f"B{row_of(sheet, '更新周期')}") == ["实时", "每日", "每周", "每月", "每季度", "每年"]
    assert offered("目录条目", f"D{row_of(sheet, '公开方式')}") == ["依法公开", "授权查询", "行政机关共享"]
    assert offered("信息项", "G30") == ["是", "否"]
    assert offered("规则", "A2")[0] == "至少填一项"


places = st.tuples(
    st.sampled_from(["目录条目", "提供单位", "信息项", "代码表", "规则"]), st.integers(1, 12), st.integers(1, 20)
)
typed = st.sampled_from(
    ["", " ", "是", "每日", "不早于", "XK_WSH", "-1", "1e9", str(2**63), True, 1.5, 10**20, "'", "长度"]
)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(places, typed), max_size=3),
    st.lists(
        st.tuples(places, st.sampled_from(["insert_rows", "delete_rows", "insert_cols", "delete_cols"])), max_size=2
    ),
)
def test_whatever_is_typed_is_read_or_told(
    cells: list[tuple[tuple[str, int, int], object]], moves: list[tuple[tuple[str, int, int], str]]
) -> None:
    def change(book: Any) -> None:
        for (sheet, row, column), value in cells:
            book[sheet].cell(row, column).value = value
        for (sheet, row, column), move in moves:
            getattr(book[sheet], move)(row if move.endswith("rows") else column)

    try:
        read_entry_sheet(edited(change), CALLER)
    except Problem as problem:
        told = problem
    else:
        return
    assert (told.code, bool(told.fields)) == ("ENTRY_SHEET_INVALID", True)
