"""A preview shows a file's rows as they would be recorded, and stores nothing."""

import json
from typing import Any

import openpyxl
import pytest

from chengxin.tabular.lenient import LenientColumns
from services.ingest.domain.catalog_entry import read_entry
from services.ingest.usecases.submit_file import names_of
from tests.ingest.files import as_sheet, registration, table, workbook
from tests.ingest.previews import looks
from tests.ingest.running_ingest import STRANGER, RunningIngest, demo_entry


def test_a_preview_shows_rows_as_they_would_be_recorded_and_stores_nothing(ingest: RunningIngest) -> None:
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
def test_unknown_and_missing_columns_are_shown_with_what_may_be_meant(ingest: RunningIngest, kind: str) -> None:
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


def test_a_broken_file_is_explained_before_it_is_delivered(ingest: RunningIngest) -> None:
    answer = looks(ingest.regulator, table([registration()])[:-6])
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_QUOTES_BROKEN")
    assert looks(ingest.caller(org=STRANGER), table([registration()])).json["code"] == "NOT_A_PROVIDER"
    assert looks(ingest.centre, table([registration()])).json["code"] == "ROLE_NOT_ALLOWED"
    ingest.audit.away = True
    assert looks(ingest.regulator, table([registration()])).status_code == 503


def test_sheets_that_are_not_read_are_told(ingest: RunningIngest) -> None:
    def more(sheet: Any) -> None:
        for title in ("十二月", "空白", "隐藏"):
            sheet.parent.create_sheet(title)
        for title in ("十二月", "隐藏"):
            sheet.parent[title].append([*registration(2)])
        sheet.parent["隐藏"].sheet_state = "hidden"
        sheet.parent["空白"]["A1"].font = openpyxl.styles.Font(bold=True)

    content = workbook(as_sheet([registration()]), more)
    assert looks(ingest.regulator, content, "a.xlsx").json["sheets_not_read"] == ["十二月", "隐藏"]
    told = ingest.regulator.uploads(content, "a.xlsx", "QYDJ").json
    assert (told["counts"]["total"], told["sheets_not_read"]) == (1, ["十二月", "隐藏"])
    found = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}").json
    assert found["sheets_not_read"] == ["十二月", "隐藏"]
    assert looks(ingest.regulator, table([registration()])).json["sheets_not_read"] == []


def test_a_label_that_is_like_nothing_is_given_no_suggestion() -> None:
    columns = LenientColumns(names_of(read_entry(demo_entry("QYDJ") | {"version": 1})))
    columns.code("完全不相干的一列")
    assert columns.suggestions("完全不相干的一列") == []
    assert columns.suggestions("登记机构")[0].code == "DJJG"
    columns.code("DJJG")
    assert "DJJG" not in {item.code for item in columns.suggestions("登记机构")}


def test_half_a_character_is_told_before_a_delivery_too(ingest: RunningIngest) -> None:
    answer = looks(ingest.regulator, b'{"ZTMC": "a\\ud800b"}', "a.jsonl")
    assert (answer.status_code, answer.json["code"]) == (400, "FILE_CHARACTER_BROKEN")
