"""Direct reporting: a look before, columns as the provider calls them, rejects in the form they came in."""

import io
import json
import re
from datetime import UTC, date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from werkzeug.test import TestResponse

from chengxin.tabular.lenient import LenientColumns
from chengxin.tabular.rejects import armed, disarmed
from services.catalog.domain.delivery_template import template_book, template_csv
from services.catalog.domain.entry import Entry, read_content
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.usecases.submit_file import names_of
from tests.ingest.conftest import STRANGER, Organ, Running, demo_entry, licence, licences
from tests.ingest.test_files import as_sheet, registration, table, workbook
from tests.support import until


def looks(organ: Organ, content: bytes, name: str = "records.csv", catalog: str = "QYDJ") -> TestResponse:
    data = {"catalog": catalog, "file": (io.BytesIO(content), name)}
    answer: TestResponse = organ.client.post("/v1/submissions/preview", data=data, headers=organ.headers)
    return answer


def remembers(organ: Organ, columns: dict[str, str], entry: str = "QYDJ") -> TestResponse:
    answer: TestResponse = organ.client.put(
        f"/v1/submissions/mappings/{entry}", json={"columns": columns}, headers=organ.headers
    )
    return answer


def test_a_preview_shows_rows_as_they_would_be_recorded_and_stores_nothing(ingest: Running) -> None:
    rows = [registration(n) for n in range(1, 31)]
    rows[1] |= {"成立日期": "2019年7月31日", "登记状态": "没有"}
    seen = looks(ingest.regulator, table(rows, "gb18030")).json
    assert (seen["entry_code"], seen["entry_version"], seen["kind"], seen["encoding"]) == ("QYDJ", 1, "csv", "gb18030")
    assert len(seen["rows"]) == 20
    assert (seen["rows"][0]["row"], seen["rows"][0]["violations"]) == (2, [])
    assert seen["rows"][0]["raw"] == {"ZCZB": "5000000.0"}
    second = seen["rows"][1]
    assert (second["items"]["CLRQ"], second["raw"]["CLRQ"]) == ("2019-07-31", "2019年7月31日")
    assert [(v["item"], v["rule"]) for v in second["violations"]] == [("DJZT", "code_list")]
    assert {c["found_by"] for c in seen["columns"]} == {"name"}
    for collection in ("records", "submissions", "batches", "rejects", "originals"):
        assert getattr(ingest.ctx.store, collection).count_documents({}) == 0
    [event] = ingest.audit.of("submission.previewed")
    assert event["entries"] == ["QYDJ"]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_unknown_and_missing_columns_are_shown_with_what_may_be_meant(ingest: Running, kind: str) -> None:
    row = registration() | {"主体全称": "阳江演示1有限公司", "序号": "1"}
    del row["主体名称"]
    files = {
        "csv": table([row]),
        "xlsx": workbook(as_sheet([row])),
        "jsonl": json.dumps(row, ensure_ascii=False).encode(),
    }
    seen = looks(ingest.regulator, files[kind], f"a.{kind}").json
    unknown = {c["label"]: c["suggestions"] for c in seen["columns"] if c["found_by"] == "unknown"}
    assert unknown.keys() == {"主体全称", "序号"}
    assert unknown["主体全称"][0]["item"] == "ZTMC"
    assert [item["item"] for item in seen["missing"]] == ["ZTMC"]
    assert "required" in {v["rule"] for v in seen["rows"][0]["violations"]}


def test_a_broken_file_is_explained_before_it_is_delivered(ingest: Running) -> None:
    answer = looks(ingest.regulator, table([registration()])[:-6])
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_QUOTES_BROKEN")
    assert looks(ingest.organ(org=STRANGER), table([registration()])).json["code"] == "NOT_A_PROVIDER"
    assert looks(ingest.centre, table([registration()])).json["code"] == "ROLE_NOT_ALLOWED"
    ingest.audit.away = True
    assert looks(ingest.regulator, table([registration()])).status_code == 503


def test_columns_are_remembered_as_the_provider_calls_them(ingest: Running) -> None:
    row = {"公司": "阳江演示1有限公司", "序.号": "1", "$备注": "x"} | registration()
    del row["主体名称"]
    regulator = ingest.regulator
    assert regulator.uploads(table([row]), catalog="QYDJ").json["code"] == "FILE_COLUMN_UNKNOWN"
    columns = {" 公司": "ZTMC", "序.号": "", "$备注": ""}
    assert remembers(regulator, columns).json["columns"] == {"公司": "ZTMC", "序.号": "", "$备注": ""}
    assert regulator.get("/v1/submissions/mappings/QYDJ").json["columns"]["公司"] == "ZTMC"
    found = {c["label"]: c["found_by"] for c in looks(regulator, table([row])).json["columns"]}
    assert (found["公司"], found["序.号"], found["主体类型"]) == ("mapping", "not_read", "name")
    files = {"a.csv": table([row]), "a.xlsx": workbook(as_sheet([row]))}
    files["a.jsonl"] = json.dumps(row, ensure_ascii=False).encode()
    for name, content in files.items():
        told = regulator.uploads(content, name, "QYDJ").json
        assert told["counts"]["rejected"] == 0, name
        assert told["counts"]["total"] == 1, name
    [record] = ingest.ctx.store.records.find()
    assert record["items"]["ZTMC"] == "阳江演示1有限公司"
    # It is this provider's, for this entry.
    assert ingest.housing.get("/v1/submissions/mappings/XZXK").json["columns"] == {}
    until(lambda: ingest.audit.of("mapping.changed"), "the relay delivers")
    assert "公司" not in json.dumps(ingest.audit.of("mapping.changed"), ensure_ascii=False)


def test_a_file_read_in_another_way_is_another_delivery(ingest: Running) -> None:
    row = licence() | {"XK_NR": "甲", "别的": "乙"}
    remembers(ingest.regulator, {"别的": ""}, "XZXK")
    first = ingest.regulator.uploads(table([row])).json
    remembers(ingest.regulator, {"别的": "XK_NR", "XK_NR": ""}, "XZXK")
    second = ingest.regulator.uploads(table([row])).json
    assert (first["counts"]["accepted"], second["counts"]["amended"]) == (1, 1)
    assert ingest.regulator.uploads(table([row])).json == second | {"delivered_before": True}


def test_a_mapping_that_cannot_be_is_refused(ingest: Running) -> None:
    answer = remembers(ingest.regulator, {"公司": "NONE", "": "ZTMC"})
    assert answer.status_code == 400
    assert [(e["field"], e["rule"]) for e in answer.json["errors"]] == [
        ("columns.公司", "unknown_item"),
        ("columns", "label"),
    ]
    assert remembers(ingest.organ(org=STRANGER), {"公司": "ZTMC"}).json["code"] == "NOT_A_PROVIDER"
    assert remembers(ingest.centre, {"公司": "ZTMC"}).json["code"] == "ROLE_NOT_ALLOWED"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rejects_come_back_in_the_encoding_they_came_in(ingest: Running, kind: str, encoding: str) -> None:
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
    # Whoever names the form gets what every program reads.
    assert "没有" in ingest.regulator.get(f"{path}{kind}").data.decode()


def _as_texts(sheet: Any) -> None:
    for cell in ("B3", "D4"):
        sheet[cell].data_type = "s"


NASTY = {"主体名称": '=HYPERLINK("http://x")', "登记机关": "'=机关", "经营范围": "第一行\n第二行", "登记状态": "没有"}


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_rejects_come_back_in_the_form_they_came_in_and_are_taken_when_mended(ingest: Running, kind: str) -> None:
    rows = [registration(n) for n in range(1, 4)]
    rows[1] |= NASTY
    # What a spreadsheet shows for an error is a text here, too.
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
    # Mended where the list says so, whatever the form.
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


def test_what_a_workbook_cannot_hold_does_not_break_it(ingest: Running) -> None:
    row = registration(登记状态="没有", 经营范围="_x0041_控制\x0b字符" + "长" * 40_000)
    told = ingest.regulator.uploads(table([row]), catalog="QYDJ").json
    answer = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects?format=xlsx")
    [_, cells] = CalamineWorkbook.from_filelike(io.BytesIO(answer.data)).get_sheet_by_index(0).to_python()
    assert any(str(cell).startswith("_x0041_控制\ufffd字符长") for cell in cells)


def template(code: str) -> bytes:
    """The template that the catalog hands out."""
    today = date(2026, 11, 24)
    return template_book(Entry(read_content(demo_entry(code)), 1, today, None, datetime(2026, 11, 24, tzinfo=UTC)))


def test_a_template_of_the_catalog_filled_in_is_taken(ingest: Running) -> None:
    content = template("XZXK")
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    labels = [cell.value for cell in sheet[1]]
    names = {item["name"]["zh"]: item["code"] for item in demo_entry("XZXK")["items"]}
    for record in licences(3):
        values: list[Any] = [record.get(names[str(label)], "") for label in labels]
        place = [names[str(label)] for label in labels].index("XK_JDRQ")
        # As a person fills it in: a date that the spreadsheet keeps as one.
        values[place] = date(2026, 11, 2)
        sheet.append(values)
    out = io.BytesIO()
    book.save(out)
    told = ingest.regulator.uploads(out.getvalue(), "template.xlsx", "XZXK").json
    assert told["counts"] == {"total": 3, "accepted": 3, "amended": 0, "unchanged": 0, "rejected": 0}


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("code", ["XZXK", "QYDJ"])
def test_the_example_of_a_template_is_not_recorded(ingest: Running, form: str, code: str) -> None:
    """It obeys every other rule, and somebody will deliver it."""
    entry = demo_entry(code)
    # As names are written, which standardisation changes.
    next(i for i in entry["items"] if i["code"] == entry["subject_name_item"])["name"]["zh"] += "(全称)"
    ingest.knows(ingest.catalog.publishes(entry, version=2, begins="2026-11-01"))
    published = Entry(read_content(entry), 1, date(2026, 11, 24), None, datetime(2026, 11, 24, tzinfo=UTC))
    content = template_csv(published, example=True)
    if form == "xlsx":
        book = openpyxl.load_workbook(io.BytesIO(template_book(published)))
        book["数据"].append([cell.value for cell in book["填报示例"][2]])
        out = io.BytesIO()
        book.save(out)
        content = out.getvalue()
    told = ingest.regulator.uploads(content, f"template.{form}", code).json
    assert (told["counts"]["total"], told["counts"]["rejected"]) == (1, 1)
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert [v["rule"] for v in reject["violations"]] == ["example"]
    assert "请删除该行" in reject["violations"][0]["message"]


def test_sheets_that_are_not_read_are_told(ingest: Running) -> None:
    def more(sheet: Any) -> None:
        for title in ("十二月", "空白", "隐藏"):
            sheet.parent.create_sheet(title)
        for title in ("十二月", "隐藏"):
            sheet.parent[title].append([*registration(2)])
        sheet.parent["隐藏"].sheet_state = "hidden"
        sheet.parent["空白"]["A1"].font = openpyxl.styles.Font(bold=True)

    content = workbook(as_sheet([registration()]), more)
    assert looks(ingest.regulator, content, "a.xlsx").json["sheets_not_read"] == ["十二月"]
    told = ingest.regulator.uploads(content, "a.xlsx", "QYDJ").json
    assert (told["counts"]["total"], told["sheets_not_read"]) == (1, ["十二月"])
    found = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}").json
    assert found["sheets_not_read"] == ["十二月"]
    assert looks(ingest.regulator, table([registration()])).json["sheets_not_read"] == []


def test_an_empty_template_has_no_records(ingest: Running) -> None:
    assert ingest.regulator.uploads(template("QYDJ"), "t.xlsx", "QYDJ").json["code"] == "FILE_NO_RECORDS"


def test_a_label_that_is_like_nothing_is_given_no_suggestion() -> None:
    columns = LenientColumns(names_of(read_entry(demo_entry("QYDJ") | {"version": 1})))
    columns.code("完全不相干的一列")
    assert columns.suggestions("完全不相干的一列") == []
    assert columns.suggestions("登记机构")[0].code == "DJJG"
    columns.code("DJJG")
    assert "DJJG" not in {item.code for item in columns.suggestions("登记机构")}


@given(st.text("'=+-@\t\r1a", max_size=6))
def test_what_a_spreadsheet_would_evaluate_comes_back_as_it_was(cell: str) -> None:
    there = disarmed(cell)
    assert armed(there) == cell
    assert not re.match(r"[=+\-@\t\r]", there) or re.fullmatch(r"[+-]1+", there)


def test_half_a_character_is_told_before_a_delivery_too(ingest: Running) -> None:
    answer = looks(ingest.regulator, b'{"ZTMC": "a\\ud800b"}', "a.jsonl")
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_CHARACTER_BROKEN")
