"""CSV and JSON Lines in the forms in which programs write them: each is read as its author sees it, or refused."""

from collections.abc import Mapping

import pytest

from tests.chengxin.tabular.files import ANY_COLUMNS, opened, refused

Rows = list[tuple[int, list[str]]]

# The header is a, b everywhere. Row numbers are those that a spreadsheet shows.
READ: Mapping[str, tuple[str, Rows]] = {
    "blank rows before the header": ("\n\r\n  \na,b\n1,2\n", [(5, ["1", "2"])]),
    "delimiters before the header": (",,\n;\na,b\n1,2\n", [(4, ["1", "2"])]),
    "a comma told": ("sep=,\na,b\n1,2\n", [(2, ["1", "2"])]),
    "a semicolon told": ('sep=;\r\na;b\r\n1,5;"2;2"\r\n', [(2, ["1,5", "2;2"])]),
    "a bar told": ("SEP=|\na|b\n1,1|2\n", [(2, ["1,1", "2"])]),
    "a tab told": ("sep=\t\na\tb\n1\t2\n", [(2, ["1", "2"])]),
    "semicolons, and more commas in cells": ("a;b\n1,2,3,4;5\n", [(2, ["1,2,3,4", "5"])]),
    "semicolons, and commas in quotes in the header": ('"a";"b"\n1;2\n', [(2, ["1", "2"])]),
    "tabs": ("a\tb\n1\t2,2\n", [(2, ["1", "2,2"])]),
    "tabs in cells": ("a,b\n1\t1,2\t2\n", [(2, ["1\t1", "2\t2"])]),
    "line ends of old programs": ("a,b\r1,2\r3,4\r", [(2, ["1", "2"]), (3, ["3", "4"])]),
    "mixed line ends": ("a,b\r\n1,2\n3,4\r\n", [(2, ["1", "2"]), (3, ["3", "4"])]),
    "no line end at the end": ("a,b\n1,2", [(2, ["1", "2"])]),
    "a line break in a cell": ('a,b\n1,"2\n2"\n3,4\n', [(2, ["1", "2\n2"]), (3, ["3", "4"])]),
    "quotes in a cell": ('a,b\n"1""1",2\n', [(2, ['1"1', "2"])]),
    "a quote within an unquoted cell": ('a,b\n1"1,2\n', [(2, ['1"1', "2"])]),
    "delimiters after the last column": ("a,b,,\n1,2,,\n3,4\n", [(2, ["1", "2"]), (3, ["3", "4"])]),
    "empty rows between": ("a,b\n\n,\n1,2\n   \n", [(4, ["1", "2"])]),
    "DOS's end of a text": ("a,b\n1,2\n\x1a", [(2, ["1", "2"])]),
    "other white space": ("a,b\n\u3000,\u00a0\n1,2\n", [(3, ["1", "2"])]),
}

REFUSED: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "nothing": ("", "FILE_EMPTY", {}),
    "blank rows alone": ("\n \n,,;\n\t\n", "FILE_EMPTY", {}),
    "a delimiter told, and nothing": ("sep=;\n", "FILE_EMPTY", {}),
    "a mark in a row": ("a,b\n1,2\n\ufeffa,b\n3,4\n", "FILE_MARK_INSIDE", {"row": "3"}),
    "two marks": ("\ufeff\ufeffa,b\n1,2\n", "FILE_MARK_INSIDE", {"row": "1"}),
    "a row that is too long": ("a,b\n1,2,3\n4,5\n", "FILE_ROW_WIDTH", {"row": "2", "actual": "3", "expected": "2"}),
    "a title": ("登记信息\na,b\n1,2\n", "FILE_TITLE_ABOVE", {"row": "1", "title": "登记信息"}),
    "a title with cells": ("\n登记信息,\na,b\n", "FILE_TITLE_ABOVE", {"row": "2", "title": "登记信息"}),
    "a row that is cut": ("a,b\n1,2\n3", "FILE_ROW_WIDTH", {"row": "3", "actual": "1", "expected": "2"}),
    "an open quote": ('a,b\n1,"2\n3,4\n', "FILE_QUOTES_BROKEN", {"row": "2"}),
    "something after a quote": ('a,b\n"1"1,2\n', "FILE_QUOTES_BROKEN", {"row": "2"}),
    "a row below blank ones": ("\n\na,b\n\n1\n", "FILE_ROW_WIDTH", {"row": "5"}),
}

LINES: Mapping[str, tuple[str, str, dict[str, str]]] = {
    "a mark in a line": ('{"a": "1"}\n\ufeff{"a": "2"}\n', "FILE_MARK_INSIDE", {"row": "2"}),
    "a list": ("[1]\n", "FILE_JSON_NOT_LINES", {}),
    "a list of objects": ('\n[{"a": "1"},\n{"a": "2"}]\n', "FILE_JSON_NOT_LINES", {}),
    "an object that is set out": ('{\n  "a": "1"\n}\n', "FILE_JSON_NOT_LINES", {}),
    "a list after an object": ('{"a": "1"}\n[1]\n', "FILE_LINE_NOT_JSON", {"row": "2"}),
    "a comma after an object": (
        '{"a": "1"},\n',
        "FILE_LINE_NOT_JSON",
        {"row": "1", "reason": "第 11 个字符处有误 / wrong at character 11"},
    ),
    "a number that is none": ('\n{"a": NaN}\n', "FILE_LINE_NOT_JSON", {"row": "2"}),
    "two objects": ('{"a": "1"}{"a": "2"}\n', "FILE_LINE_NOT_JSON", {"row": "1"}),
    "an object over two lines": ('{"a":\n"1"}\n', "FILE_LINE_NOT_JSON", {"row": "1"}),
    "half a character": ('{"a\\ud800": "1"}\n', "FILE_CHARACTER_BROKEN", {"row": "1"}),
}


@pytest.mark.parametrize("name", READ)
def test_a_table_is_read_as_a_spreadsheet_shows_it(name: str) -> None:
    text, rows = READ[name]
    with opened(text.encode(), "a.csv") as source:
        assert [column.label for column in source.columns(ANY_COLUMNS)] == ["a", "b"]
        assert [(row.number, list(row.items.values())) for row in source.rows(ANY_COLUMNS)] == rows


@pytest.mark.parametrize("name", [*REFUSED, *LINES])
def test_what_could_be_read_in_two_ways_is_refused_with_its_place(name: str) -> None:
    text, code, place = (REFUSED | LINES)[name]
    problem = refused(text.encode(), "a.jsonl" if name in LINES else "a.csv")
    assert problem.code == code
    assert {key: problem.params[key] for key in place} == place
