"""An entry goes out as a workbook and comes back (Art. 6, 8)."""

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.domain.delivery_template import template_book
from services.catalog.domain.entry import Entry, read_content
from services.catalog.domain.entry_validation import findings
from services.catalog.domain.entry_workbook import write_entry
from services.catalog.domain.record_schema import record_schema
from services.catalog.domain.sample_record import example_record
from services.catalog.domain.workbook import write_book
from services.catalog.usecases.read_entry_workbook import read_book, read_entry_sheet
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.licensing_entry import CONTENT, NOW, TODAY
from tests.catalog.record_checks import fits
from tests.catalog.workbooks import CODES, edited, imports
from tests.chengxin.tabular.files import CALLER
from tests.hostile import WORKBOOKS, mutant

# Texts of an entry have no white space around them; a sheet does not tell a cell of white space from an empty one.
texts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)


@pytest.mark.parametrize("code", CODES)
def test_an_entry_comes_back_whole_from_its_workbook(code: str) -> None:
    content = read_content(demo_entry(code))
    assert read_entry_sheet(write_entry(content), CALLER) == content


@settings(max_examples=40)
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
    assert read_entry_sheet(write_entry(content), CALLER) == content


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
    assert read_entry_sheet(write_entry(content), CALLER) == content

    assert record_schema(Entry(content, 1, TODAY, None, NOW))["x-chengxin-not-less"] == [["CF_NR_FK", "CF_NR_WFFF"]]
    good, example = fits(content), example_record(content)
    assert good(example)
    assert float(example["CF_NR_FK"]) >= float(example["CF_NR_WFFF"])
    # The example is the first value that forbids nothing; where there is no choice, forbidden items are left empty.
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
    assert read_book(file, CALLER)["数据"][0] == ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "'x"]


def test_an_entry_is_exported_mended_and_imported(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    exported = catalog.anybody.get("/v1/catalog/entries/XZXK/entry.xlsx")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="XZXK-1.xlsx"'
    book = openpyxl.load_workbook(io.BytesIO(exported.data))
    [cell] = [row[1] for row in book["目录条目"].iter_rows() if row[0].value == "变更报送时限（工作日）"]
    assert cell.value == "7"
    # A person types it as a number.
    cell.value = 5
    mended = io.BytesIO()
    book.save(mended)

    draft = imports(catalog, mended.getvalue())
    assert draft.status_code == 201, draft.text
    assert catalog.authority.get(draft.headers["Location"]).json == draft.json
    difference = catalog.authority.get(f"/v1/catalog/drafts/{draft.json['draft_id']}/diff").json
    assert [c["where"] for c in difference["changes"]] == ["reporting_limit_working_days"]
    again = catalog.authority.get(f"/v1/catalog/drafts/{draft.json['draft_id']}/entry.xlsx")
    assert json.loads(json.dumps(read_entry_sheet(again.data, CALLER).to_dict())) == draft.json["entry"]
    assert catalog.caller("centre").get("/v1/catalog/entries/NOPE/entry.xlsx").json["code"] == "ENTRY_UNKNOWN"


def test_a_workbook_is_held_to_the_same_rules(catalog: RunningCatalog) -> None:
    refused = imports(catalog, edited(lambda b: b["信息项"].cell(2, 5, 0)))
    assert refused.json["code"] == "ENTRY_INVALID"
    assert refused.json["errors"][0]["field"] == "items.0.length"


def test_what_is_no_workbook_or_takes_memory_without_end_is_refused(catalog: RunningCatalog) -> None:
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


@pytest.mark.parametrize("name", WORKBOOKS)
def test_a_workbook_that_stops_its_reader_is_refused_and_the_catalog_stays(
    catalog: RunningCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = imports(catalog, WORKBOOKS[name]())
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_WORKBOOK_BROKEN")
    assert "另存为 .xlsx" in answer.json["detail"]
    assert list(tmp_path.iterdir()) == []
    assert imports(catalog, write_entry(CONTENT)).status_code == 201


def test_mutated_workbooks_are_read_or_told(
    catalog: RunningCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    entry = write_entry(CONTENT)
    answers = [imports(catalog, mutant(number, entry)) for number in range(25)]
    assert {answer.status_code for answer in answers} <= {201, 400, 413}
    codes = {answer.json["code"] for answer in answers if answer.status_code != 201}
    files = {"FILE_WORKBOOK_BROKEN", "FILE_SHEET_TOO_LARGE", "FILE_WORKBOOK_TOO_LARGE"}
    assert codes <= {"ENTRY_SHEET_INVALID", "INPUT_INVALID", *files}
    assert "FILE_WORKBOOK_BROKEN" in codes
    assert list(tmp_path.iterdir()) == []
