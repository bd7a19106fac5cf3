"""A file that cannot be read is refused whole, with what is wrong, where, and how to mend it."""

import pytest

from tests.ingest.files import as_sheet, refusal, registration, table, workbook
from tests.ingest.running_ingest import RunningIngest


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
        (table([registration()]) + b"\xff\xff", "a.csv", "FILE_ENCODING_DAMAGED", "字节"),
        (table([{f"c{n}": "x" for n in range(1000)}]), "a.csv", "FILE_TOO_WIDE", "1000"),
        (table([registration()]) + b'"never closed' + b"x" * 200_000, "a.csv", "FILE_QUOTES_BROKEN", "第 3 行"),
        (b'{"TYSHXYDM": "1"', "a.jsonl", "FILE_LINE_NOT_JSON", "第 1 行"),
        (b"[" * 100_000, "a.jsonl", "FILE_JSON_NOT_LINES", "JSON Lines"),
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
    ingest: RunningIngest, content: bytes, name: str, code: str, words: str
) -> None:
    problem = refusal(ingest.regulator.uploads(content, name, "QYDJ"), ingest)
    assert problem["code"] == code
    assert words in problem["detail"]


def test_a_broken_row_late_in_a_file_stores_nothing(ingest: RunningIngest) -> None:
    content = table([registration(n) for n in range(1, 2501)]) + b"cut,here"
    problem = refusal(ingest.regulator.uploads(content, catalog="QYDJ"), ingest)
    assert (problem["code"], problem["params"]["row"]) == ("FILE_ROW_WIDTH", "2502")
