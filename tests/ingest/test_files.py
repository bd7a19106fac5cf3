"""Files as they occur: each is taken whole or refused with what is wrong, where, and how to mend it."""

import csv
import gc
import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from werkzeug.test import TestResponse

from demo.identifiers import demo_uscc
from services.ingest.store import originals
from tests.ingest.conftest import REGULATOR, STRANGER, Running, demo_entry, licence, licences, wrong_digit
from tests.support import until


def registration(number: int = 1, **changes: str) -> dict[str, str]:
    """A company registration, in the columns of a registrar's file."""
    return {
        "统一社会信用代码": demo_uscc("91", number, "MA"),
        "主体名称": f"阳江演示{number}有限公司",
        "主体类型": "有限责任公司（自然人投资或控股）",
        "登记机关": "阳江市市场监督管理局",
        "登记状态": "存续",
        "成立日期": "2019-07-31",
        "核准日期": "2019-07-31",
        "营业期限自": "2019-07-31",
        "营业期限至": "2099-12-31",
        "注册资本（元）": "5000000.0",
        "币种": "人民币",
        "经营范围": "文化创意活动的策划;\n展览展示服务,“会务”服务",
    } | changes


def table(rows: list[dict[str, str]], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    """Rows as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(rows: list[list[Any]], touch: Any = lambda sheet: None) -> bytes:
    """Rows as an Excel file; `touch` may change the sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    touch(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def rewritten(book: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An Excel file whose parts were changed by hand."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as parts, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed:
        for part in parts.infolist():
            changed.writestr(part.filename, change(parts.read(part)))
    return out.getvalue()


def as_sheet(rows: list[dict[str, str]]) -> list[list[Any]]:
    return [[*rows[0]], *([*row.values()] for row in rows)]


def refusal(answer: TestResponse, ingest: Running) -> dict[str, Any]:
    """The problem document of a refused file, of which nothing is stored."""
    assert answer.status_code >= 400, answer.json
    for collection in ("records", "submissions", "batches", "rejects", "originals"):
        assert getattr(ingest.ctx.store, collection).count_documents({}) == 0, collection
    return dict(answer.json)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_registrars_file_comes_in_whatever_its_encoding(ingest: Running, encoding: str) -> None:
    rows = [registration(n) for n in range(1, 21)]
    answer = ingest.regulator.uploads(table(rows, encoding), catalog="QYDJ")
    assert answer.status_code == 201, answer.json
    assert answer.json["counts"]["accepted"] == 20
    record = ingest.ctx.store.records.find_one({"row": 2})
    assert len(record["items"]) == len(rows[0])
    assert record["items"]["JYFW"] == rows[0]["经营范围"]
    assert record["items"]["ZCZB"] == "5000000"


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_delimiters(ingest: Running, delimiter: str) -> None:
    answer = ingest.regulator.uploads(table([registration()], "utf-16", delimiter), "table.txt", "QYDJ")
    assert answer.json["counts"]["accepted"] == 1


def test_the_second_click_adds_nothing(ingest: Running) -> None:
    content = table([registration(n) for n in range(1, 6)], "gb18030")
    first = ingest.regulator.uploads(content, catalog="QYDJ")
    assert first.json["delivered_before"] is False
    assert ingest.regulator.uploads(content, catalog="QYDJ").json == first.json | {"delivered_before": True}
    other = ingest.regulator.uploads(content, catalog="QYDJ", submission_id="another-id").json
    assert other["counts"]["unchanged"] == 5
    assert ingest.ctx.store.records.count_documents({}) == 5


def test_an_id_belongs_to_one_file(ingest: Running) -> None:
    ingest.regulator.uploads(table([registration(1)]), catalog="QYDJ", submission_id="november")
    answer = ingest.regulator.uploads(table([registration(2)]), catalog="QYDJ", submission_id="november")
    assert (answer.status_code, answer.json["code"]) == (409, "SUBMISSION_CONFLICT")


def test_columns_are_found_by_code_and_by_either_name(ingest: Running) -> None:
    items = {item["code"]: item for item in demo_entry("XZXK")["items"]}
    names = [
        [code, items[code]["name"]["zh"], f"  {items[code]['name']['en'].upper()} ", code.lower()][n % 4]
        for n, code in enumerate(licence())
    ]
    answer = ingest.regulator.uploads(table([dict(zip(names, licence().values(), strict=True))]))
    assert answer.status_code == 201, answer.json
    record = ingest.ctx.store.records.find_one({})
    assert record["items"].keys() == licence().keys()


def test_the_file_is_kept_as_it_came(ingest: Running) -> None:
    content = table([registration()], "gb18030")
    told = ingest.regulator.uploads(content, catalog="QYDJ").json
    file = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}").json
    kept = originals.joined(ingest.ctx.store.pieces(f"{REGULATOR}/{file['file_sha256']}"), ingest.ctx.ring)
    assert kept == content
    assert file["file_name"] == "records.csv"


def test_one_wrong_digit_rejects_one_row(ingest: Running) -> None:
    rows = [registration(n) for n in range(1, 11)]
    rows[6]["统一社会信用代码"] = wrong_digit(rows[6]["统一社会信用代码"])
    told = ingest.regulator.uploads(table(rows, "gb18030"), catalog="QYDJ").json
    assert (told["counts"]["accepted"], told["counts"]["rejected"]) == (9, 1)
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert reject["row"] == 8
    assert (reject["violations"][0]["item"], reject["violations"][0]["rule"]) == ("TYSHXYDM", "uscc.check_digit")
    assert "校验码" in reject["violations"][0]["message"]


def test_rejects_go_back_in_the_delivered_columns_to_be_mended(ingest: Running) -> None:
    rows = [registration(n) for n in range(1, 4)]
    rows[1] |= {"登记状态": "没有", "主体名称": '=HYPERLINK("http://x")', "经营范围": "-5"}
    told = ingest.regulator.uploads(table(rows), catalog="QYDJ").json
    answer = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects?format=csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    [reject] = csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
    assert [*reject] == [*rows[0], "退回行号", "退回原因"]
    assert reject["主体名称"] == "'" + rows[1]["主体名称"]
    assert reject["经营范围"] == "-5"
    assert reject["退回行号"] == "3"
    assert "代码表" in reject["退回原因"]
    mended = table([reject | {"登记状态": "存续"}])
    assert ingest.regulator.uploads(mended, catalog="QYDJ").json["counts"]["accepted"] == 1
    assert ingest.ctx.store.records.find_one({"subject.name": rows[1]["主体名称"]})


@pytest.mark.parametrize(
    ("content", "name", "code", "words"),
    [
        (b"", "a.csv", "FILE_EMPTY", "空"),
        (b"\r\n\r\n", "a.csv", "FILE_EMPTY", "空"),
        (table([registration()]).split(b"\r\n")[0], "a.csv", "FILE_NO_RECORDS", "表头"),
        (b"%PDF-1.7 \x00", "a.pdf", "FILE_KIND_UNKNOWN", "a.pdf"),
        (table([registration() | {"备注栏": "x"}]), "a.csv", "FILE_COLUMN_UNKNOWN", "备注栏"),
        (table([registration() | {"TYSHXYDM": "x"}]), "a.csv", "FILE_COLUMN_TWICE", "TYSHXYDM"),
        (table([{"主体名称": "x", "主体类型": "y"}]), "a.csv", "FILE_COLUMN_MISSING", "TYSHXYDM"),
        (b"a,b,,d\r\n1,2,3,4\r\n", "a.csv", "FILE_COLUMN_UNNAMED", "3"),
        (table([registration(), registration(2)])[:-90], "a.csv", "FILE_ROW_WIDTH", "第 3 行"),
        (table([registration()])[:-6], "a.csv", "FILE_QUOTES_BROKEN", "第 2 行"),
        (table([registration()]) + b"\xff\xff", "a.csv", "FILE_ENCODING_UNKNOWN", "字节"),
        (table([{f"c{n}": "x" for n in range(1000)}]), "a.csv", "FILE_TOO_WIDE", "1000"),
        (table([registration()]) + b'"never closed' + b"x" * 200_000, "a.csv", "FILE_QUOTES_BROKEN", "第 3 行"),
        (b'{"TYSHXYDM": "1"', "a.jsonl", "FILE_LINE_NOT_JSON", "第 1 行"),
        (b"[" * 100_000, "a.jsonl", "FILE_LINE_NOT_JSON", "第 1 行"),
        (b'\n{"TYSHXYDM": ["1"]}', "a.jsonl", "FILE_LINE_NOT_JSON", "第 2 行"),
        (b'{"NONE": "1"}', "a.jsonl", "FILE_COLUMN_UNKNOWN", "NONE"),
        (b'{"TYSHXYDM": "1", "TYSHXYDM": "2"}', "a.jsonl", "FILE_COLUMN_TWICE", "TYSHXYDM"),
        (b'{"TYSHXYDM": "' + b"1" * 2_000_000, "a.jsonl", "FILE_LINE_TOO_LONG", "第 1 行"),
        (
            table([registration(), dict.fromkeys(registration(), "字" * 120000)]),
            "a.csv",
            "FILE_LINE_TOO_LONG",
            "第 3 行",
        ),
        (workbook(as_sheet([registration()]))[:2000], "a.xlsx", "FILE_WORKBOOK_BROKEN", "Excel"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000), "a.xlsx", "FILE_WORKBOOK_OTHER", "密码"),
        (b'\n{"ZTMC": "a\\ud800b"}', "a.jsonl", "FILE_CHARACTER_BROKEN", "第 2 行“ZTMC”中的 \\ud800"),
        (b'{"a\\udfff": "b"}', "a.jsonl", "FILE_CHARACTER_BROKEN", "第 1 行"),
        (table([registration(经营范围="长" * (1 << 20) + "x")]), "a.csv", "FILE_LINE_TOO_LONG", "第 2 行"),
        (
            workbook(as_sheet([registration()]), lambda sheet: sheet.cell(2, 16_384, "x")),
            "a.xlsx",
            "FILE_CELL_OUTSIDE",
            "XFD2",
        ),
        (
            workbook(as_sheet([registration()]), lambda sheet: sheet.cell(1_048_576, 1, " ")),
            "a.xlsx",
            "FILE_SHEET_TOO_LARGE",
            "A1048576",
        ),
        (b"PK\x03\x04 not a zip", "a.xlsx", "FILE_WORKBOOK_BROKEN", "Excel"),
        (workbook([]), "a.xlsx", "FILE_EMPTY", "空"),
        (workbook([[*registration()]]), "a.xlsx", "FILE_NO_RECORDS", "表头"),
        (workbook([[f"c{n}" for n in range(1000)], ["x"] * 1000]), "a.xlsx", "FILE_TOO_WIDE", "1000"),
        (
            workbook(as_sheet([registration()]), lambda sheet: sheet.merge_cells("A1:B1")),
            "a.xlsx",
            "FILE_WORKBOOK_MERGED",
            "A1:B1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("FILE") else "",
)
def test_a_broken_file_is_explained_and_nothing_is_stored(
    ingest: Running, content: bytes, name: str, code: str, words: str
) -> None:
    problem = refusal(ingest.regulator.uploads(content, name, "QYDJ"), ingest)
    assert problem["code"] == code
    assert words in problem["detail"]


def test_a_broken_row_late_in_a_file_stores_nothing(ingest: Running) -> None:
    content = table([registration(n) for n in range(1, 2501)]) + b"cut,here"
    problem = refusal(ingest.regulator.uploads(content, catalog="QYDJ"), ingest)
    assert (problem["code"], problem["params"]["row"]) == ("FILE_ROW_WIDTH", "2502")


def test_rows_are_counted_as_a_spreadsheet_counts(ingest: Running) -> None:
    lines = table([registration(1), registration(2, 登记状态="没有")]).decode()
    content = lines.replace(
        registration(2)["统一社会信用代码"], "\r\n,,,,,,,,,,,\r\n" + registration(2)["统一社会信用代码"]
    )
    told = ingest.regulator.uploads(content.encode(), catalog="QYDJ").json
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    assert reject["row"] == 5


def test_a_workbook_comes_in(ingest: Running) -> None:
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


def violations(ingest: Running, content: bytes, name: str, catalog: str = "QYDJ") -> list[dict[str, str]]:
    """What is wrong with the only record of a file."""
    told = ingest.regulator.uploads(content, name, catalog).json
    [reject] = ingest.regulator.get(f"/v1/submissions/{told['submission_id']}/rejects").json["rejects"]
    return list(reject["violations"])


@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_code_that_a_spreadsheet_rounded_is_told(ingest: Running, kind: str) -> None:
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
def test_a_date_as_a_serial_number_is_told(ingest: Running, kind: str) -> None:
    sheet = as_sheet([registration(成立日期="43677")])
    sheet[1][5] = 43677
    content = workbook(sheet) if kind == "xlsx" else table([registration(成立日期="43677")])
    [found] = violations(ingest, content, f"a.{kind}")
    assert (found["item"], found["rule"]) == ("CLRQ", "date.serial")
    assert "2019-07-31" in found["message"]


@pytest.mark.parametrize("value", ["=1+1", "#N/A", "#REF!"])
def test_a_formula_without_result_and_an_error_are_not_taken_for_empty_cells(ingest: Running, value: str) -> None:
    sheet = as_sheet([registration(1), registration(2, 经营范围=value)])
    book = workbook(sheet, lambda s: s.parent.create_sheet("notes").append(["=1+1"]))
    told = refusal(ingest.regulator.uploads(book, "a.xlsx", "QYDJ"), ingest)
    assert told["code"] == "FILE_WORKBOOK_VALUE_MISSING"
    # Not of the sheet of notes, which nobody delivers.
    assert told["params"]["cells"] == "L3"


def test_a_formula_is_not_evaluated(ingest: Running) -> None:
    # In a text file a formula is only text.
    told = ingest.regulator.uploads(table([registration(2, 主体名称="=1+1")]), catalog="QYDJ").json
    assert told["counts"]["accepted"] == 1


def test_a_zip_bomb_is_refused(ingest: Running) -> None:
    file = io.BytesIO(workbook(as_sheet([registration()])))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/bomb.bin", bytes(300 << 20))
    answer = ingest.regulator.uploads(file.getvalue(), "bomb.xlsx", "QYDJ")
    assert len(file.getvalue()) < 1 << 20
    assert answer.status_code == 413
    assert refusal(answer, ingest)["code"] == "FILE_WORKBOOK_TOO_LARGE"


def test_external_entities_are_refused(ingest: Running, tmp_path: Path) -> None:
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


def test_a_sheet_that_is_too_large_for_memory_is_refused(ingest: Running) -> None:
    content = workbook([["TYSHXYDM"]], lambda sheet: sheet.cell(1_000_000, 16_000, "x"))
    problem = refusal(ingest.regulator.uploads(content, "a.xlsx", "QYDJ"), ingest)
    assert (problem["code"], problem["params"]["cell"]) == ("FILE_SHEET_TOO_LARGE", "WQJ1000000")


def test_cells_that_are_only_formatted_do_not_count(ingest: Running) -> None:
    def formatted(sheet: Any) -> None:
        sheet.cell(1_048_576, 16_384).font = openpyxl.styles.Font(bold=True)
        # Nor does a space beside the columns.
        sheet.cell(2, 20, " ")

    told = ingest.regulator.uploads(workbook(as_sheet([registration()]), formatted), "a.xlsx", "QYDJ").json
    assert told["counts"]["accepted"] == 1


def test_a_long_cell_rejects_its_row_whatever_the_file(ingest: Running) -> None:
    rows = [registration(1), registration(2, 经营范围="长" * 200_000)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    for content, name in ((table(rows), "a.csv"), (lines, "a.jsonl")):
        [found] = violations(ingest, content, name)
        assert (found["item"], found["rule"]) == ("JYFW", "length")


def test_a_long_text_that_many_cells_share_is_refused(ingest: Running) -> None:
    original = workbook([["MARK"] * 10 for _ in range(50)])
    content = rewritten(original, lambda part: part.replace(b"MARK", b"x" * 1_000_000))
    assert len(content) < 1 << 20
    assert refusal(ingest.regulator.uploads(content, "a.xlsx", "QYDJ"), ingest)["code"] == "FILE_WORKBOOK_TOO_LARGE"


def test_who_may_upload(ingest: Running) -> None:
    stranger = ingest.organ(org=STRANGER)
    assert stranger.uploads(table(licences(1))).json["code"] == "NOT_A_PROVIDER"
    assert ingest.centre.uploads(table(licences(1))).json["code"] == "ROLE_NOT_ALLOWED"
    assert ingest.regulator.uploads(table(licences(1)), catalog="NONE").json["code"] == "DELIVERY_ENTRY_UNKNOWN"


def test_the_three_kinds_of_file_have_the_same_outcome(ingest: Running) -> None:
    rows = [licence(n, XK_ZT="1" if n % 3 else "9") for n in range(1, 10)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    files = {"a.csv": table(rows), "a.xlsx": workbook(as_sheet(rows)), "a.jsonl": lines}
    counts = [ingest.regulator.uploads(content, name).json["counts"] for name, content in files.items()]
    assert counts[0] == {"total": 9, "accepted": 6, "amended": 0, "unchanged": 0, "rejected": 3}
    assert counts[1] == counts[2] == {"total": 9, "accepted": 0, "amended": 0, "unchanged": 6, "rejected": 3}


def test_a_file_that_takes_long_is_taken_beside_the_request(ingest: Running) -> None:
    content = table([registration(n) for n in range(1, 3001)])
    ingest.ctx.desk.patience = 0
    answer = ingest.regulator.uploads(content, catalog="QYDJ")
    assert (answer.status_code, answer.json["state"]) == (202, "open")
    path = f"/v1/submissions/{answer.json['submission_id']}"
    found = ingest.regulator.get(path)
    assert (found.status_code, found.json["record_count"]) == (200, 3000)

    def receipt() -> Any:
        told = ingest.regulator.get(path).json
        assert told["counts"]["total"] == min(1000 * told["batches_committed"], 3000)
        return told["receipt"]

    closed = until(receipt, "the submission is closed")
    assert closed["counts"]["accepted"] == 3000
    ingest.ctx.desk.patience = 60
    assert ingest.regulator.uploads(content, catalog="QYDJ").json["receipt"] == closed


def test_a_file_that_waits_for_its_turn_is_known(ingest: Running) -> None:
    content = table([registration(n) for n in range(1, 11)])
    desk = ingest.ctx.desk
    desk.patience = 0
    for _ in range(4):
        assert desk._places.acquire(timeout=5)
    answer = ingest.regulator.uploads(content, catalog="QYDJ")
    path = f"/v1/submissions/{answer.json['submission_id']}"
    found = ingest.regulator.get(path).json
    assert (found["state"], found["batches_committed"], found["counts"]["total"], found["record_count"]) == (
        "open",
        0,
        0,
        10,
    )
    for _ in range(4):
        desk._places.release()
    closed = until(lambda: ingest.regulator.get(path).json["receipt"], "the submission is closed")
    assert closed["counts"]["accepted"] == 10
    until(lambda: ingest.audit.of("submission.closed"), "the relay delivers")
    assert len(ingest.audit.of("submission.opened")) == 1


def test_no_upload_stays_behind(ingest: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = table([registration()])
    assert ingest.regulator.uploads(content, catalog="QYDJ").status_code == 201
    assert ingest.regulator.uploads(content + b"cut", catalog="QYDJ").status_code == 400
    assert ingest.organ(org=STRANGER).uploads(content, catalog="QYDJ").status_code == 403
    assert ingest.regulator.uploads(content, catalog="x" * 65).status_code == 400
    gc.collect()
    assert list(tmp_path.iterdir()) == []
