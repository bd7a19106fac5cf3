"""Rejects come back in the form they came in."""

import io
import json
import re
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from chengxin.tabular.rejects import escape_formula, unescape_formula
from tests.ingest.files import as_sheet, registration, table, workbook
from tests.ingest.previews import looks, remembers
from tests.ingest.running_ingest import RunningIngest


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rejects_come_back_in_the_encoding_they_came_in(ingest: RunningIngest, kind: str, encoding: str) -> None:
    rows = [registration(n, 登记状态="没有") for n in range(1, 4)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(encoding)
    content = table(rows, encoding) if kind == "csv" else lines
    told = ingest.regulator.uploads(content, f"a.{kind}", "QYDJ").json
    path = f"/v1/submissions/{told['submission_id']}/rejects?format="
    answer = ingest.regulator.get(f"{path}file")
    assert answer.headers["Content-Type"].endswith(f"; charset={encoding.removesuffix('-sig')}")
    text = answer.data.decode(encoding)
    # One mark at most, where there was one; a spreadsheet gets it for UTF-8 always.
    assert text.count("\ufeff") == int((kind, encoding) == ("csv", "utf-8"))
    assert text.count("没有") == 3
    # A caller who asks for a format gets one that every program reads.
    assert "没有" in ingest.regulator.get(f"{path}{kind}").data.decode()


def _as_texts(sheet: Any) -> None:
    for cell in ("B3", "D4"):
        sheet[cell].data_type = "s"


NASTY = {"主体名称": '=HYPERLINK("http://x")', "登记机关": "'=机关", "经营范围": "第一行\n第二行", "登记状态": "没有"}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_rejects_come_back_in_the_form_they_came_in_and_are_taken_when_mended(ingest: RunningIngest, kind: str) -> None:
    rows = [registration(n) for n in range(1, 4)]
    rows[1] |= NASTY
    # An error as a spreadsheet shows it is a text here, too.
    rows[2] |= {"登记状态": "没有", "登记机关": "#N/A"}
    files = {
        "csv": table(rows),
        # A text, not a formula.
        "xlsx": workbook(as_sheet(rows), _as_texts),
        "jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
    }
    told = ingest.regulator.uploads(files[kind], f"a.{kind}", "QYDJ").json
    assert (told["counts"]["accepted"], told["counts"]["rejected"]) == (1, 2)
    answer = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects?format=file")
    assert answer.headers["Content-Disposition"].endswith(f".rejects.{kind}")
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    # The value is corrected where the list says so, whatever the format.
    mended = answer.data.replace("没有".encode(), "存续".encode())
    if kind == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(answer.data))
        sheet = book.active
        assert sheet is not None
        header = [cell.value for cell in sheet[1]]
        assert header == [*rows[0], "退回行号", "退回原因"]
        assert (sheet.cell(2, header.index("退回行号") + 1).value, sheet.max_row) == ("3", 3)
        assert "代码表" in str(sheet.cell(2, header.index("退回原因") + 1).value)
        # A text, whatever it looks like.
        assert sheet.cell(2, header.index("主体名称") + 1).value == "'" + NASTY["主体名称"]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
        for row in (2, 3):
            sheet.cell(row, header.index("登记状态") + 1).value = "存续"
        out = io.BytesIO()
        book.save(out)
        mended = out.getvalue()
    again = ingest.regulator.uploads(mended, f"mended.{kind}", "QYDJ").json
    assert again["counts"]["accepted"] == 2, ingest.regulator.get(
        f"/v1/submissions/{again['submission_id']}/rejects"
    ).json
    record = ingest.ctx.store.records.find_one({"subject.name": NASTY["主体名称"]})
    assert record is not None
    assert record["items"]["JYFW"] == NASTY["经营范围"]
    assert record["items"]["DJJG"] == NASTY["登记机关"]
    assert ingest.ctx.store.records.count_documents({"items.DJJG": "#N/A"}) == 1


@pytest.mark.parametrize("unread", [["备注"], ["退回原因"], ["退回行号", "退回原因", "备注"]])
def test_only_a_rejects_file_loses_marks(ingest: RunningIngest, unread: list[str]) -> None:
    """Another file has a `'` because its provider wrote one, also when some of its columns are not read."""
    remembers(ingest.regulator, {"备注": ""})
    rows = [registration(1, 登记机关="'=机关") | dict.fromkeys(unread, "x")]
    for name, content in (("a.csv", table(rows)), ("a.xlsx", workbook(as_sheet(rows)))):
        assert ingest.regulator.uploads(content, name, "QYDJ").json["counts"]["rejected"] == 0, name
        [record] = ingest.ctx.store.records.find()
        assert record["items"]["DJJG"] == "'=机关", name
        [row] = looks(ingest.regulator, content, name=name).json["rows"]
        assert row["items"]["DJJG"] == "'=机关", name


def test_a_rejects_file_with_its_columns_in_another_order_loses_its_marks(ingest: RunningIngest) -> None:
    row = {"退回原因": "x", "退回行号": "2"} | registration(1, 登记机关="'=机关")
    assert ingest.regulator.uploads(table([row]), catalog="QYDJ").json["counts"]["rejected"] == 0
    [record] = ingest.ctx.store.records.find()
    assert record["items"]["DJJG"] == "=机关"


def test_what_a_workbook_cannot_hold_does_not_break_it(ingest: RunningIngest) -> None:
    row = registration(登记状态="没有", 经营范围="_x0041_控制\x0b字符" + "长" * 40_000)
    told = ingest.regulator.uploads(table([row]), catalog="QYDJ").json
    answer = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects?format=xlsx")
    [_, cells] = CalamineWorkbook.from_filelike(io.BytesIO(answer.data)).get_sheet_by_index(0).to_python()
    assert any(str(cell).startswith("_x0041_控制\ufffd字符长") for cell in cells)


@given(st.text("'=+-@\t\r1a", max_size=6))
def test_what_a_spreadsheet_would_evaluate_comes_back_as_it_was(cell: str) -> None:
    there = escape_formula(cell)
    assert unescape_formula(there) == cell
    assert not re.match(r"[=+\-@\t\r]", there) or re.fullmatch(r"[+-]1+", there)
