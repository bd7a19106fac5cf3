"""Every problem of a file has its words, in which a person finds what is wrong, where, and how to mend it."""

import re
from collections.abc import Mapping
from functools import cache
from string import Formatter
from typing import Any

import pytest

from chengxin.errors import Problem, ProblemType
from chengxin.tabular import problems
from chengxin.tabular.columns import Columns, ItemName
from chengxin.tabular.problems import READER_PROBLEMS
from chengxin.tabular.source import must_be_whole
from tests.chengxin.tabular.files import opened
from tests.hostile import SHEET, changed, far_cell, packed, parts_of, plain_book
from tests.ingest.files import workbook
from tests.tools.loading import ROOT

ENTRY = Columns([ItemName("NAME", "名称", "name", required=True), ItemName("CODE", "代码", "code")])
TABLE = [["名称", "代码"], ["甲", "1"], ["乙", "2"]]
_HIDE_ROW = (b'<row r="3"', b'<row hidden="1" r="3"')

# Those that tell nothing of a file's content: of a reader that died (tests/chengxin/tabular/test_reading.py), and of
# what its caller has used up (tests/chengxin/tabular/test_reader_shares.py).
_OF_READERS = {"FILE_UNREADABLE", "FILE_READERS_BUSY", "FILE_SHARE_USED", "FILE_NOT_READ_NOW"}
# Those of a file as a whole, which have no place in it.
_OF_THE_WHOLE = _OF_READERS | {"FILE_EMPTY", "FILE_NO_RECORDS", "FILE_TOO_WIDE", "FILE_TOO_LONG", "FILE_JSON_NOT_LINES"}
_PLACES = {
    "row",
    "sheets",
    "line",
    "offset",
    "cell",
    "cells",
    "ranges",
    "places",
    "column",
    "columns",
    "columns_en",
    "position",
}
# A part of a workbook or a cell of it is named within the reason; a file by its name.
_NAMED = {"reason", "name", "limit"}
_MENDING = re.compile(
    r"[;:,.] (?:or |and |please )?(?:check|save|deliver|remove|name|keep|add|use|correct|open|unmerge|clear|split|try|"
    r"export|delete|unhide|give|separate)\b",
    re.IGNORECASE,
)
TYPES: Mapping[str, ProblemType] = {t.code: t for t in vars(problems).values() if isinstance(t, ProblemType)}


@cache
def files() -> Mapping[str, tuple[bytes, str]]:
    """A file of each kind of refusal. Making them takes a second, so none is made to collect tests."""
    return {
        "FILE_KIND_UNKNOWN": (b"%PDF-1.7", "a.pdf"),
        "FILE_EMPTY": (b"\r\n,,\r\n  \r\n", "a.csv"),
        "FILE_SHEET_NOT_READ": (
            workbook(TABLE, lambda sheet: sheet.parent.create_sheet("空", 0)),
            "a.xlsx",
        ),
        "FILE_NO_RECORDS": ("名称,代码\r\n".encode(), "a.csv"),
        "FILE_ENCODING_UNKNOWN": ("名称,代码\r\n甲,1\r\n".encode("gb18030") + b"\xff\xff", "a.csv"),
        "FILE_ENCODING_DAMAGED": ("名称,代码\r\n甲,1\r\n".encode() + "乙".encode()[:2] + b"A,2\r\n", "a.csv"),
        "FILE_ENCODING_MIXED": ("名称,代码\r\n".encode("gb18030") * 9 + "阳江演示,1\r\n".encode(), "a.csv"),
        "FILE_ENCODING_UNLIKELY": ("NAME,CODE\r\nMüller,1\r\n".encode("latin-1"), "a.csv"),
        "FILE_ENCODING_AMBIGUOUS": ("NAME,CODE\r\nMüller,1\r\n".encode(), "a.csv"),
        "FILE_NUL": ("名称,代码\r\n甲,1\0\r\n".encode(), "a.csv"),
        "FILE_MARK_INSIDE": ("名称,代码\r\n甲,1\r\n\ufeff名称,代码\r\n乙,2\r\n".encode(), "a.csv"),
        "FILE_DELIMITER_UNKNOWN": ("名称，代码\r\n甲，1\r\n".encode(), "a.csv"),
        "FILE_QUOTES_BROKEN": ('名称,代码\r\n"甲,1\r\n'.encode(), "a.csv"),
        "FILE_ROW_WIDTH": ("名称,代码\r\n甲,1,2\r\n乙,2\r\n".encode(), "a.csv"),
        "FILE_TITLE_ABOVE": ("名称\r\n名称,代码\r\n甲,1\r\n".encode(), "a.csv"),
        "FILE_TOO_WIDE": (",".join(f"c{n}" for n in range(600)).encode(), "a.csv"),
        "FILE_COLUMN_UNKNOWN": ("名称,备注\r\n甲,1\r\n".encode(), "a.csv"),
        "FILE_COLUMN_UNNAMED": ("名称,,代码\r\n甲,1,2\r\n".encode(), "a.csv"),
        "FILE_COLUMN_TWICE": ("名称,ＮＡＭＥ\r\n甲,1\r\n".encode(), "a.csv"),
        "FILE_COLUMN_MISSING": ("代码\r\n1\r\n".encode(), "a.csv"),
        "FILE_LINE_NOT_JSON": (b'{"NAME": "1"}\n{"NAME"', "a.jsonl"),
        "FILE_JSON_NOT_LINES": (b'[{"NAME": "1"}]', "a.jsonl"),
        "FILE_LINE_TOO_LONG": ("名称,代码\r\n".encode() + b"x" * 2_000_000, "a.csv"),
        "FILE_TOO_LONG": ("名称,代码\r\n".encode() + b"\n" * 2_000_000, "a.csv"),
        "FILE_CHARACTER_BROKEN": (b'{"NAME": "a\\ud800"}', "a.jsonl"),
        "FILE_WORKBOOK_BROKEN": (far_cell(), "a.xlsx"),
        "FILE_WORKBOOK_VALUE_MISSING": (workbook([["名称"], ["=1+1"]]), "a.xlsx"),
        "FILE_WORKBOOK_SHOWN_OTHERWISE": (
            workbook([["名称"], [0.05]], lambda sheet: setattr(sheet["A2"], "number_format", "0%")),
            "a.xlsx",
        ),
        "FILE_WORKBOOK_MERGED": (workbook(TABLE, lambda sheet: sheet.merge_cells("A2:A3")), "a.xlsx"),
        "FILE_WORKBOOK_HIDDEN": (changed(plain_book(), SHEET, *_HIDE_ROW), "a.xlsx"),
        "FILE_WORKBOOK_OTHER": (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(9), "a.xls"),
        "FILE_CELL_OUTSIDE": (workbook([["名称", "代码"], ["甲", "1", "2"]]), "a.xlsx"),
        "FILE_SHEET_TOO_LARGE": (workbook(TABLE, lambda sheet: sheet.cell(1_000_000, 9, "x")), "a.xlsx"),
        "FILE_WORKBOOK_TOO_LARGE": (packed(parts_of(workbook(TABLE)) | {"xl/media/a.bin": bytes(200 << 20)}), "a.xlsx"),
    }


def test_every_fault_of_a_reader_has_its_words() -> None:
    readers = sorted((ROOT / "chengxin/tabular/reader").glob("*.py"))
    codes = {code for file in readers for code in re.findall(r'(?:Fault|_refuse)\(\s*"(FILE_\w+)"', file.read_text())}
    assert codes == set(READER_PROBLEMS)


def test_every_problem_has_a_file_that_has_it() -> None:
    assert set(files()) | _OF_READERS == set(TYPES)


def _words(text: str) -> set[str]:
    return {name.removesuffix("_en") for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", TYPES)
def test_a_problem_says_where_and_how_to_mend_it_in_both_languages(code: str) -> None:
    zh, en = TYPES[code].zh, TYPES[code].en
    assert _words(zh) == _words(en)
    assert "请" in zh
    assert _MENDING.search(en), en
    assert _words(zh) & (_PLACES | _NAMED) or code in _OF_THE_WHOLE


@pytest.mark.parametrize("code", sorted(TYPES.keys() - _OF_READERS))
def test_a_file_is_refused_with_the_words_for_it(code: str) -> None:
    with pytest.raises(Problem) as told:
        _deliver(*files()[code])
    problem: Any = told.value
    assert problem.code == code
    assert 400 <= problem.type.status < 500
    for language in ("zh-CN", "en"):
        assert not re.search(r"\{\w+\}", problem.text(language))
    assert (_PLACES | _NAMED) & set(problem.params) or code in _OF_THE_WHOLE


def _deliver(content: bytes, name: str) -> None:
    with opened(content, name, ENTRY) as source:
        must_be_whole(source, ENTRY)
