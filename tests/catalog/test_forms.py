"""The catalog goes in and out as workbooks, templates and resource catalog (Art. 6, 8, 10)."""

import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import fastjsonschema
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from services.catalog.domain.delivery_template import template_book
from services.catalog.domain.entry import read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.entry_workbook import write_entry
from services.catalog.domain.record_schema import record_schema
from services.catalog.domain.sample_record import example_record
from services.catalog.domain.workbook import write_book
from services.catalog.usecases.read_entry_workbook import read_book, read_entry_sheet
from tests.catalog.conftest import DEMO, Running, demo_entry
from tests.catalog.test_comparison import accepts
from tests.catalog.test_model import CONTENT, NOW, TODAY, Entry
from tests.hostile import WORKBOOKS, mutant

CODES = sorted(path.stem for path in (DEMO / "catalog").glob("*.json"))
# Texts of an entry have no white space around them; a sheet does not tell a cell of white space from an empty one.
texts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)


def imports(catalog: Running, file: bytes, language: str = "zh-CN") -> TestResponse:
    desk = catalog.desk("authority", sub="officer:authority", language=language)
    data = {"file": (io.BytesIO(file), "entry.xlsx")}
    answer: TestResponse = desk.client.post("/v1/catalog/drafts/import", data=data, headers=desk.headers)
    return answer


@pytest.mark.parametrize("code", CODES)
def test_an_entry_comes_back_whole_from_its_workbook(code: str) -> None:
    content = read_content(demo_entry(code))
    assert read_entry_sheet(write_entry(content)) == content


@settings(max_examples=40, deadline=None)
@given(
    st.lists(texts, min_size=1, max_size=5),
    st.sampled_from(["=1+1", "+86", "-1", "@x", "'", "''", "0012", "1E5", "_x0041_"]),
)
def test_any_text_comes_back_whole(some: list[str], awkward: str) -> None:
    entry = demo_entry("AJNSR")
    entry["description"] = awkward
    entry["legal_basis"] = [*some, awkward]
    entry["items"][2]["code_list"] = [{"code": t, "name": {"zh": awkward, "en": t}} for t in some]
    entry["items"][1] |= {"note": some[0], "unit": "", "code_list_ref": {"name": "region", "version": 3}}
    content = read_content(entry)
    assert read_entry_sheet(write_entry(content)) == content


def test_rules_across_items_are_in_every_form() -> None:
    entry = demo_entry("XZCF")
    entry["cross_rules"] = [
        {"rule": "not_less", "item": "CF_NR_FK", "other": "CF_NR_WFFF"},
        {"rule": "forbidden_when", "item": "CF_NR_FK", "other": "CF_CFLB", "values": ["警告", "通报批评"]},
        {"rule": "forbidden_when", "item": "CF_NR_DXZZ", "other": "BZ", "values": ["示例备注"]},
    ]
    next(i for i in entry["items"] if i["code"] == "CF_NR_WFFF").update(length=2, scale=2)
    content = read_content(entry)
    assert findings(content) == []
    assert read_entry_sheet(write_entry(content)) == content

    assert record_schema(Entry(content, 1, TODAY, None, NOW))["x-chengxin-not-less"] == [["CF_NR_FK", "CF_NR_WFFF"]]
    good, example = accepts(content), example_record(content)
    assert good(example)
    assert float(example["CF_NR_FK"]) >= float(example["CF_NR_WFFF"])
    # The first value that forbids nothing is the example; where there is no choice, what is forbidden is left empty.
    assert example["CF_CFLB"] == "罚款"
    assert "CF_NR_DXZZ" not in example
    assert not good(example | {"CF_CFLB": "没收非法财物;警告"})
    filled = openpyxl.load_workbook(io.BytesIO(template_book(Entry(content, 1, TODAY, None, NOW))))["填报示例"]
    heading, row = filled.iter_rows(values_only=True)
    names = {i["name"]["zh"]: i["code"] for i in entry["items"]}
    assert {names[h]: v for h, v in zip(heading, row, strict=True) if v} == example


def test_nothing_in_a_workbook_is_a_formula() -> None:
    file = write_book([("数据", [["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "'x"], ["\t=1", "441700", "", "a=b", "x"]])])
    cells = [cell for row in openpyxl.load_workbook(io.BytesIO(file)).active for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert [c.value for c in cells[:5]] == ["'=HYPERLINK(1)", "'+1", "'-1", "'@SUM(1)", "''x"]
    assert read_book(file)["数据"][0] == ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "'x"]


def test_an_entry_is_exported_mended_and_imported(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    exported = catalog.anybody.get("/v1/catalog/entries/XZXK/entry.xlsx")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="XZXK-1.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(exported.data))
    [cell] = [row[1] for row in book["目录条目"].iter_rows() if row[0].value == "变更报送时限（工作日）"]
    assert cell.value == "7"
    # As a person types it, it is a number.
    cell.value = 5
    mended = io.BytesIO()
    book.save(mended)

    draft = imports(catalog, mended.getvalue())
    assert draft.status_code == 201, draft.text
    difference = catalog.authority.get(f"/v1/catalog/drafts/{draft.json['draft_id']}/diff").json
    assert [c["where"] for c in difference["changes"]] == ["reporting_limit_working_days"]
    again = catalog.authority.get(f"/v1/catalog/drafts/{draft.json['draft_id']}/entry.xlsx")
    assert json.loads(json.dumps(read_entry_sheet(again.data).to_dict())) == draft.json["entry"]
    assert catalog.desk("centre").get("/v1/catalog/entries/NOPE/entry.xlsx").json["code"] == "ENTRY_UNKNOWN"


def edited(change: Any) -> bytes:
    """The licensing workbook after a change by hand."""
    book = openpyxl.load_workbook(io.BytesIO(write_entry(CONTENT)))
    change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_a_workbook_is_held_to_the_same_rules(catalog: Running) -> None:
    refused = imports(catalog, edited(lambda b: b["信息项"].cell(2, 5, 0)))
    assert refused.json["code"] == "ENTRY_INVALID"
    assert refused.json["errors"][0]["field"] == "items.0.length"


def test_what_is_no_workbook_or_takes_memory_without_end_is_refused(catalog: Running) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.bin", b" " * (193 << 20))
    whole = write_entry(CONTENT)
    for file, code in (
        (b"", "FILE_WORKBOOK_BROKEN"),
        (b"no workbook", "FILE_WORKBOOK_BROKEN"),
        (whole[: len(whole) // 2], "FILE_WORKBOOK_BROKEN"),
        (bomb.getvalue(), "FILE_WORKBOOK_TOO_LARGE"),
        (edited(lambda b: b["规则"].cell(1_048_576, 16_384, "x")), "FILE_SHEET_TOO_LARGE"),
    ):
        assert imports(catalog, file).json["code"] == code


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_an_entry_obeys_its_rules(code: str) -> None:
    content = read_content(demo_entry(code))
    example = example_record(content)
    assert accepts(content)(example)
    assert set(example) == {i.code for i in content.items}


@given(st.sampled_from([r"[0-9]{4}", r"\d{2}-\d{2}", "(甲|乙)[^1a]{2}", r"[^\d]x?", r"a*b+", r"\w\s\S", ".", "^x$"]))
def test_an_example_matches_its_pattern(pattern: str) -> None:
    entry = demo_entry("AJNSR")
    entry["items"][4] |= {"pattern": pattern, "length": 10}
    assert findings(read_content(entry)) == []
    assert accepts(read_content(entry))(example_record(read_content(entry)))


def test_a_template_has_headings_choices_an_example_and_notes(catalog: Running) -> None:
    catalog.authority.publishes(demo_entry("XZCF"), "2026-11-24")
    template = catalog.anybody.get("/v1/catalog/entries/XZCF/template.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(template.data))
    assert book.sheetnames == ["数据", "填报示例", "填报说明", "代码"]
    data, example = book["数据"], list(book["填报示例"].iter_rows(values_only=True))
    names = [i["name"]["zh"] for i in demo_entry("XZCF")["items"]]
    assert [[c.value for c in row] for row in data.iter_rows()] == [names]
    assert list(example[0]) == names
    # The choices of a column are the codes of its item.
    column = names.index("处罚类别")
    letter = openpyxl.utils.get_column_letter(column + 1)
    [choices] = [v for v in data.data_validations.dataValidation if f"{letter}2" in v.sqref]
    sheet, _, cells = choices.formula1.partition("!")
    offered = [row[0].value for row in book[sheet.strip("'")][cells.replace("$", "")]]
    assert offered == [v["code"] for v in demo_entry("XZCF")["items"][column]["code_list"]]
    assert choices.showErrorMessage is False
    assert data.column_dimensions["C"].number_format == "@"
    assert [row[0].value for row in book["填报说明"]][1:] == names

    schema = fastjsonschema.compile(catalog.anybody.get("/v1/catalog/entries/XZCF/schema").json)
    codes = [i["code"] for i in demo_entry("XZCF")["items"]]
    schema(dict(zip(codes, example[1], strict=True)))


def test_a_template_of_an_entry_without_codes_has_no_choices() -> None:
    entry = demo_entry("AJNSR")
    for item in entry["items"]:
        item["code_list"] = []
    file = template_book(Entry(read_content(entry), 1, TODAY, None, NOW))
    assert openpyxl.load_workbook(io.BytesIO(file))["数据"].data_validations.count == 0


def test_a_template_without_a_workbook(catalog: Running) -> None:
    entry = demo_entry("AJNSR")
    entry["items"][3]["name"]["zh"] = "=文号"
    catalog.authority.publishes(entry, "2026-11-24")
    file = catalog.anybody.get("/v1/catalog/entries/AJNSR/template.csv").data
    assert file.startswith(b"\xef\xbb\xbf")
    [heading] = csv.reader(io.StringIO(file.decode("utf-8-sig")))
    assert heading == ["'=文号" if n == 3 else i["name"]["zh"] for n, i in enumerate(entry["items"])]
    filled = catalog.anybody.get("/v1/catalog/entries/AJNSR/template.csv?example=true").data.decode("utf-8-sig")
    assert len(list(csv.reader(io.StringIO(filled)))) == 2


def test_entries_go_into_the_government_resource_catalog(catalog: Running) -> None:
    for code in CODES:
        entry = demo_entry(code) | ({"resource_code": "306001/7", "description": "许可"} if code == "XZXK" else {})
        catalog.authority.publishes(entry, "2026-11-24")
    one = catalog.anybody.get("/v1/catalog/entries/XZXK/resource").json
    assert {
        k: one[k] for k in ("resource_code", "sharing_type", "open", "update_cycle", "published_on", "abstract")
    } == {
        "resource_code": "306001/7",
        "sharing_type": "无条件共享",
        "open": "是",
        "update_cycle": "每日",
        "published_on": "2026-11-24",
        "abstract": "许可",
    }
    assert one["items"][0] == {
        "name": "行政相对人名称",
        "code": "XK_XDR_MC",
        "data_type": "字符型C",
        "length": "200",
    }
    first = catalog.anybody.get("/v1/catalog/resources?page_size=10").json
    second = catalog.anybody.get(f"/v1/catalog/resources?page_token={first['next_page_token']}").json
    assert [r["entry_code"] for r in (*first["resources"], *second["resources"])] == CODES
    assert one in (*first["resources"], *second["resources"])

    book = read_book(catalog.anybody.get("/v1/catalog/resources.xlsx").data)
    heading, *rows = book["政务信息资源目录"]
    assert [row[heading.index("信用目录条目代码")] for row in rows] == CODES
    assert [one["provider"]] == [row[2] for row in rows if row[0] == "306001/7"]
    assert len(book["信息项"]) == 1 + sum(len(demo_entry(code)["items"]) for code in CODES)


def test_the_schema_of_a_version_is_kept_for_ever(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["items"].pop()
    catalog.authority.publishes(licensing, "2026-12-01")
    path = "/v1/catalog/entries/XZXK/versions/1/schema"
    first = catalog.anybody.get(path)
    assert "immutable" in first.headers["Cache-Control"]
    assert "BZ" in first.json["properties"]
    desk = catalog.anybody
    kept = desk.client.get(path, headers=desk.headers | {"If-None-Match": first.headers["ETag"]})
    assert (kept.status_code, kept.data) == (304, b"")
    second = catalog.anybody.get("/v1/catalog/entries/XZXK/versions/2/schema")
    assert "BZ" not in second.json["properties"]
    assert second.headers["ETag"] != first.headers["ETag"]
    # The version in force changes, so its address must be asked again.
    assert "Cache-Control" not in catalog.anybody.get("/v1/catalog/entries/XZXK/schema").headers
    assert catalog.anybody.get("/v1/catalog/entries/XZXK/versions/3/schema").json["code"] == "ENTRY_UNKNOWN"


@pytest.mark.parametrize("name", WORKBOOKS)
def test_a_workbook_that_stops_its_reader_is_refused_and_the_catalog_stays(
    catalog: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = imports(catalog, WORKBOOKS[name]())
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_WORKBOOK_BROKEN")
    assert "另存为 .xlsx" in answer.json["detail"]
    assert list(tmp_path.iterdir()) == []
    assert imports(catalog, write_entry(CONTENT)).status_code == 201


def test_mutated_workbooks_are_read_or_told(catalog: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    entry = write_entry(CONTENT)
    answers = [imports(catalog, mutant(number, entry)) for number in range(25)]
    assert {answer.status_code for answer in answers} <= {201, 400, 413}
    codes = {answer.json["code"] for answer in answers if answer.status_code != 201}
    files = {"FILE_WORKBOOK_BROKEN", "FILE_SHEET_TOO_LARGE", "FILE_WORKBOOK_TOO_LARGE"}
    assert codes <= {"ENTRY_SHEET_INVALID", "INPUT_INVALID", *files}
    assert "FILE_WORKBOOK_BROKEN" in codes
    assert list(tmp_path.iterdir()) == []
