"""Workbooks: what a spreadsheet did to values is reported, and none takes more memory than allowed."""

import io
import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.ingest.deliveries import licence
from tests.ingest.files import as_sheet, refusal, registration, rewritten, table, violations, workbook
from tests.ingest.running_ingest import RunningIngest


def test_a_workbook_comes_in(ingest: RunningIngest) -> None:
    rows = [registration(n) for n in range(1, 4)]
    sheet = as_sheet(rows)
    # As a spreadsheet keeps them: dates and amounts are not text.
    sheet[1][5] = date(2019, 7, 31)
    sheet[1][9] = 5000000.5
    sheet[2][9] = 12
    told = ingest.regulator.uploads(workbook(sheet), "records.xlsx", "QYDJ").json
    assert told["counts"]["accepted"] == 3
    found = {r["row"]: r["items"] for r in ingest.ctx.store.records.find()}
    assert found[2]["CLRQ"] == "2019-07-31"
    assert (found[2]["ZCZB"], found[3]["ZCZB"]) == ("5000000.5", "12")
    assert found[2]["JYFW"] == rows[0]["经营范围"]


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_code_that_a_spreadsheet_rounded_is_told(ingest: RunningIngest, kind: str) -> None:
    row = licence(XK_FR_ZJHM="441702189003020123", XK_XKBH="441702189003020123456")
    sheet = as_sheet([row])
    if kind == "xlsx":
        for code in ("XK_FR_ZJHM", "XK_XKBH"):
            sheet[1][[*row].index(code)] = int(row[code])
        content = workbook(sheet)
    else:
        content = table([row | {"XK_FR_ZJHM": "4.41702E+17", "XK_XKBH": "4.41702E+20"}])
    found = violations(ingest, content, f"a.{kind}", "XZXK")
    assert [(v["item"], v["rule"]) for v in found] == [
        ("XK_FR_ZJHM", "spreadsheet_number"),
        ("XK_XKBH", "spreadsheet_number"),
    ]
    assert "文本格式" in found[0]["message"]
    assert found[0]["value"] == ""


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_date_as_a_serial_number_is_told(ingest: RunningIngest, kind: str) -> None:
    sheet = as_sheet([registration(成立日期="43677")])
    sheet[1][5] = 43677
    content = workbook(sheet) if kind == "xlsx" else table([registration(成立日期="43677")])
    [found] = violations(ingest, content, f"a.{kind}")
    assert (found["item"], found["rule"]) == ("CLRQ", "date.serial")
    assert "2019-07-31" in found["message"]


@pytest.mark.parametrize("value", ["=1+1", "#N/A", "#REF!"])
def test_a_formula_without_result_and_an_error_are_not_taken_for_empty_cells(ingest: RunningIngest, value: str) -> None:
    sheet = as_sheet([registration(1), registration(2, 经营范围=value)])
    book = workbook(sheet, lambda s: s.parent.create_sheet("notes").append(["=1+1"]))
    told = refusal(ingest.regulator.uploads(book, "a.xlsx", "QYDJ"), ingest)
    assert told["code"] == "FILE_WORKBOOK_VALUE_MISSING"
    # Not of the sheet of notes, which is not delivered.
    assert told["params"]["cells"] == "L3"


def test_a_formula_is_not_evaluated(ingest: RunningIngest) -> None:
    # In a text file a formula is only text.
    told = ingest.regulator.uploads(table([registration(2, 主体名称="=A1&甲公司")]), catalog="QYDJ").json
    assert told["counts"]["accepted"] == 1


def test_a_zip_bomb_is_refused(ingest: RunningIngest) -> None:
    file = io.BytesIO(workbook(as_sheet([registration()])))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/bomb.bin", bytes(300 << 20))
    answer = ingest.regulator.uploads(file.getvalue(), "bomb.xlsx", "QYDJ")
    assert len(file.getvalue()) < 1 << 20
    assert answer.status_code == 413
    assert refusal(answer, ingest)["code"] == "FILE_WORKBOOK_TOO_LARGE"


def test_external_entities_are_refused(ingest: RunningIngest, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("never to be seen")

    def infect(part: bytes) -> bytes:
        if b"MARK" not in part:
            return part
        entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'.encode()
        at = part.index(b"?>") + 2 if part.startswith(b"<?xml") else 0
        return part[:at] + entity + part[at:].replace(b"MARK", b"&e;")

    content = rewritten(workbook(as_sheet([registration(主体名称="MARK")])), infect)
    problem = refusal(ingest.regulator.uploads(content, "a.xlsx", "QYDJ"), ingest)
    assert problem["code"] == "FILE_WORKBOOK_BROKEN"
    assert "never" not in json.dumps(problem)


def test_a_sheet_that_is_too_large_for_memory_is_refused(ingest: RunningIngest) -> None:
    content = workbook([["TYSHXYDM"]], lambda sheet: sheet.cell(1_000_000, 16_000, "x"))
    problem = refusal(ingest.regulator.uploads(content, "a.xlsx", "QYDJ"), ingest)
    assert (problem["code"], problem["params"]["cell"]) == ("FILE_SHEET_TOO_LARGE", "WQJ1000000")


def test_cells_that_are_only_formatted_do_not_count(ingest: RunningIngest) -> None:
    def formatted(sheet: Any) -> None:
        sheet.cell(1_048_576, 16_384).font = openpyxl.styles.Font(bold=True)
        # Nor does a space beside the columns.
        sheet.cell(2, 20, " ")

    told = ingest.regulator.uploads(workbook(as_sheet([registration()]), formatted), "a.xlsx", "QYDJ").json
    assert told["counts"]["accepted"] == 1


def test_a_long_cell_rejects_its_row_whatever_the_file(ingest: RunningIngest) -> None:
    rows = [registration(1), registration(2, 经营范围="长" * 200_000)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    for content, name in ((table(rows), "a.csv"), (lines, "a.jsonl")):
        [found] = violations(ingest, content, name)
        assert (found["item"], found["rule"]) == ("JYFW", "length")


def test_a_long_text_that_many_cells_share_is_refused(ingest: RunningIngest) -> None:
    original = workbook([["MARK"] * 10 for _ in range(50)])
    content = rewritten(original, lambda part: part.replace(b"MARK", b"x" * 1_000_000))
    assert len(content) < 1 << 20
    assert refusal(ingest.regulator.uploads(content, "a.xlsx", "QYDJ"), ingest)["code"] == "FILE_WORKBOOK_TOO_LARGE"
