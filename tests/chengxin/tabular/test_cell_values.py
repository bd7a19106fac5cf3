"""What a cell of a workbook holds is read as a spreadsheet shows it, or refused with its place."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.tabular.book import tables
from tests.chengxin.tabular.files import ANY_COLUMNS, CALLER, given, opened, refused
from tests.hostile import SHEET, TEXTS, packed, parts_of, plain_book, shared_book
from tests.ingest.files import rewritten, workbook
from tests.workbooks import text, written

_DAY = "yyyy-mm-dd"
_ONE = '<c s="1"><v>{}</v></c>'
_TEXT = '<c s="1" t="inlineStr"><is><t>王强</t></is></c>'
_ACCOUNTING = "_-* #,##0.00_-;\\-* #,##0.00_-;_-* &quot;-&quot;??_-;_-@_-"

READ: Mapping[str, tuple[bytes, list[str]]] = {
    "inline text": (written(text("<t>王强</t>")), ["王强"]),
    "rich text": (written(text("<r><t>王</t></r><r><rPr><b/></rPr><t>强</t></r>")), ["王强"]),
    "a hint of sounds": (written(text('<t>王强</t><rPh sb="0" eb="1"><t>ワン</t></rPh>')), ["王强"]),
    "shared rich text with a hint": (
        written('<c t="s"><v>0</v></c>', texts="<si><r><t>王</t></r><r><t>强</t></r><rPh><t>x</t></rPh></si>"),
        ["王强"],
    ),
    "a comment in a text": (written(text("<t>王<!-- -->强</t>")), ["王强"]),
    "an entity": (written(text("<t>王&amp;&#x5F3A;</t>")), ["王&强"]),
    "what only looks escaped": (written(text("<t>_x005F_x4E00_</t>")), ["_x4E00_"]),
    "a leading apostrophe": (written(text("<t>'4417</t>")), ["'4417"]),
    "true and false": (written('<c t="b"><v>1</v></c><c t="b"><v>0</v></c>'), ["TRUE", "FALSE"]),
    "a formula's number": (written("<c><f>1+1</f><v>2</v></c>"), ["2"]),
    "a formula's text": (written('<c t="str"><f>A1</f><v>王强</v></c>'), ["王强"]),
    "a formula's empty text": (written('<c t="str"><f>""</f><v></v></c><c><v>1</v></c>'), ["1"]),
    "an array's formula": (written('<c><f t="array" ref="A2:B2">x</f><v>2</v></c><c><v>3</v></c>'), ["2", "3"]),
    "15 digits": (written("<c><v>999999999999999</v></c>"), ["999999999999999"]),
    "18 digits, which lost some": (written("<c><v>441702189004170118</v></c>"), ["4.4170218900417011E+17"]),
    "15 digits with decimals": (written("<c><v>1234567890.12345</v></c><c><v>1234567890.1234501</v></c>"), ["1234567890.12345"] * 2),
    "17 digits with decimals": (written("<c><v>1234567890.1234567</v></c>"), ["1.2345678901234567E+09"]),
    "18 digits with decimals": (written("<c><v>-4417021896.03123456</v></c>"), ["-4.4170218960312347E+09"]),
    "digits without end": (written("<c><v>3.3333333333333335</v></c><c><v>0.33333333333333331</v></c>"), ["3.3333333333333335E+00", "0.3333333333333333E+00"]),
    "a small number": (written("<c><v>1E-7</v></c>"), ["0.0000001"]),
    "an exponent": (written("<c><v>1.5E3</v></c>"), ["1500"]),
    "noise of floating point": (written("<c><v>0.30000000000000004</v></c>"), ["0.3"]),
    "an ISO date": (written('<c t="d"><v>2019-07-31</v></c>'), ["2019-07-31"]),
    "a date": (written(_ONE.format(43677), (_DAY,)), ["2019-07-31"]),
    "a Chinese date": (written(_ONE.format(43677), ("yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;;@",)), ["2019-07-31"]),
    "a date with a time": (written(_ONE.format(43677.5), (_DAY,)), ["2019-07-31 12:00:00"]),
    "a date counted from 1904": (written(_ONE.format(42215), (_DAY,), counts_from_1904=True), ["2019-07-31"]),
    "the first day after the one that never was": (written(_ONE.format(61), (_DAY,)), ["1900-03-01"]),
    "the last day": (written(_ONE.format(2958465), (_DAY,)), ["9999-12-31"]),
    "thousands": (written(_ONE.format(12345), ("#,##0.00_ ",)), ["12345"]),
    "money": (written(_ONE.format(12345), ("&quot;¥&quot;#,##0.00;[Red]-#,##0.00",)), ["12345"]),
    "the general format in Chinese": (written(_ONE.format(12345), ("G/通用格式",)), ["12345"]),
    "as many digits as the format has": (written(_ONE.format(441702), ("000000",)), ["441702"]),
    "one leading zero before the point": (written(_ONE.format(0.5), ("0.00",)), ["0.5"]),
    "nought percent": (written(_ONE.format(0), ("0%",)), ["0"]),
    "a percent sign in words": (written(_ONE.format(5), ("0&quot;%&quot;",)), ["5"]),
    "nought as accountants write it": (written(_ONE.format(0), (_ACCOUNTING,)), ["0"]),
    "below nought as accountants write it": (written(_ONE.format(-5), (_ACCOUNTING,)), ["-5"]),
    "a text in a format of accountants": (written(_TEXT, (_ACCOUNTING,)), ["王强"]),
    "red below nought": (written(_ONE.format(-5), ("0.00_ ;[Red]0.00 ",)), ["-5"]),
    "brackets below nought": (written(_ONE.format(-5), ("#,##0_);(#,##0)",)), ["-5"]),
    "a currency": (written(_ONE.format(5), ("[$¥-804]#,##0.00",)), ["5"]),
    "a number in the text format": (written(_ONE.format(5), ("@",)), ["5"]),
    "a text in the text format": (written(_TEXT, ("@",)), ["王强"]),
    "a fraction": (written(_ONE.format(0.5), ("# ?/16",)), ["0.5"]),
    "a cell that is only formatted, hidden": (written('<c><v>1</v></c><c r="Z2"/>', before='<cols><col min="26" max="26" hidden="1"/></cols>'), ["1"]),
}  # fmt: skip

_BROKEN = "FILE_WORKBOOK_BROKEN"
_SHOWN = "FILE_WORKBOOK_SHOWN_OTHERWISE"
_HIDDEN = "FILE_WORKBOOK_HIDDEN"
_CUT = parts_of(plain_book())[SHEET]
_HIDE_ALL = '<sheetFormatPr defaultRowHeight="15" zeroHeight="1"/>'

REFUSED: Mapping[str, tuple[bytes, str, str]] = {
    "a shared text with a negative number": (written('<c t="s"><v>-1</v></c>', texts="<si><t>x</t></si>"), _BROKEN, "A2"),
    "a shared text without a number": (written('<c t="s"><v>x</v></c>', texts="<si><t>x</t></si>"), _BROKEN, "A2"),
    "a shared text with a fraction": (written('<c t="s"><v>0.0</v></c>', texts="<si><t>x</t></si>"), _BROKEN, "A2"),
    "a shared text with nothing": (written('<c t="s"><v></v></c>', texts="<si><t>x</t></si>"), _BROKEN, "A2"),
    "a shared text that is not there": (written('<c t="s"><v>1</v></c>', texts="<si><t>x</t></si>"), _BROKEN, "A2"),
    "no number": (written("<c><v>nan</v></c>"), _BROKEN, "A2"),
    "no end": (written("<c><v>1</v></c><c><v>1e999</v></c>"), _BROKEN, "B2"),
    "a text as a number": (written("<c><v>王</v></c>"), _BROKEN, "A2"),
    "a number with a comma": (written("<c><v>1,5</v></c>"), _BROKEN, "A2"),
    "another number system": (written("<c><v>0x10</v></c>"), _BROKEN, "A2"),
    "neither true nor false": (written('<c t="b"><v>2</v></c>'), _BROKEN, "2"),
    "an unknown type": (written('<c t="zz"><v>2</v></c>'), _BROKEN, "zz"),
    "an inline text in the wrong place": (written('<c t="inlineStr"><v>王</v></c>'), _BROKEN, "A2"),
    "two values": (written('<c t="str"><v>王</v><v>强</v></c>'), _BROKEN, "A2"),
    "two texts": (written('<c t="inlineStr"><is><t>王</t></is><is><t>强</t></is></c>'), _BROKEN, "A2"),
    "a value that calamine does not see": (written("<c><v><![CDATA[12]]></v></c>"), _BROKEN, "A2"),
    "a second table": (written("<c><v>1</v></c></row></sheetData><sheetData><row>"), _BROKEN, "sheetData"),
    "an error": (written('<c t="e"><v>#N/A</v></c>'), "FILE_WORKBOOK_VALUE_MISSING", "A2"),
    "a formula without its result": (written("<c><f>1+1</f></c>"), "FILE_WORKBOOK_VALUE_MISSING", "A2"),
    "29 February 1900": (written(_ONE.format(60), (_DAY,)), _BROKEN, "A2"),
    "a day before all": (written(_ONE.format(-1), (_DAY,)), _BROKEN, "A2"),
    "a day after all": (written(_ONE.format(2958466), (_DAY,)), _BROKEN, "A2"),
    "percent": (written(_ONE.format(0.05), ("0.0%",)), _SHOWN, "A2"),
    "percent in its first part": (written(_ONE.format(0.05), ("0.0%;-0",)), _SHOWN, "A2"),
    "leading zeros": (written(_ONE.format(51), ("000000",)), _SHOWN, "A2"),
    "ten thousands": (written(_ONE.format(12345), ("0!.0,&quot;万&quot;",)), _SHOWN, "A2"),
    "millions": (written(_ONE.format(12345678), ("#,##0,,",)), _SHOWN, "A2"),
    **{
        f"{value} as {code}": (written(_ONE.format(value), (code.replace('"', "&quot;"),)), _SHOWN, "A2")
        for value, codes in {
            "5": (";;;", '"7"', "-0", "\\-0", '0"00"', '""', ";0", "[>9]0;;0"),
            "-5": ("0;0", "0;;", '0;"7"', '0;0;0;"王强"', "-0"),
            "0": ("0;-0;;@", "#", "#,###", '0;-0;"7"'),
        }.items()
        for code in codes
    },
    **{
        f"a text as {code}": (written(_TEXT, (code.replace('"', "&quot;"),)), _SHOWN, "A2")
        for code in (";;;", '0;0;0;"李娜"', '@"公司"', '"名："@', "@@", "General;General;General;")
    },
    **{
        f"a length of time as {code}": (written(_ONE.format(43171), (code,)), _SHOWN, "A2")
        for code in ("[h]:mm:ss", "[mm]:ss", "[s]", "[hh]")
    },
    "a length of time by number": (workbook([["a"], [43171]], lambda s: setattr(s["A2"], "number_format", "[h]:mm:ss")), _SHOWN, "A2"),
    "a part that is cut": (packed(parts_of(plain_book()) | {SHEET: _CUT[: _CUT.rindex(b"<row")]}), _BROKEN, "line 1"),
    "texts that are cut": (
        packed(parts_of(shared_book()) | {TEXTS: parts_of(shared_book())[TEXTS][:-6]}), _BROKEN, "line 1"
    ),
    "two of a part": (packed(parts_of(plain_book()) | {"x/worksheets/sheet1.xml": _CUT}), _BROKEN, "sheet1.xml"),
    "a hidden column": (written("<c><v>1</v></c>", before='<cols><col min="1" max="1" hidden="1"/></cols>'), _HIDDEN, "A:A"),
    "a column without width": (written("<c><v>1</v></c>", before='<cols><col min="1" max="9" width="0"/></cols>'), _HIDDEN, "B:B"),
    "a hidden row": (written('<c><v>1</v></c></row><row hidden="true"><c><v>2</v></c>'), _HIDDEN, "3:3"),
    "a row without height": (written('<c><v>1</v></c></row><row ht="0" customHeight="1"><c><v>2</v></c>'), _HIDDEN, "3:3"),
    "rows that are hidden as a rule": (written("<c><v>1</v></c>", before=_HIDE_ALL), _HIDDEN, "1:2"),
    "a column too narrow": (written("<c><v>1</v></c>", before='<cols><col min="2" max="2" width="0.08"/></cols>'), _HIDDEN, "B:B"),
    "a row too low": (written('<c><v>1</v></c></row><row ht="0.75" customHeight="1"><c><v>2</v></c>'), _HIDDEN, "3:3"),
    "columns without width as a rule": (written("<c><v>1</v></c>", before='<sheetFormatPr defaultColWidth="0"/>'), _HIDDEN, "A:A"),
    "a column of the rule's width": (
        written("<c><v>1</v></c>", before='<sheetFormatPr defaultColWidth="0.1"/><cols><col min="1" max="9" style="0"/></cols>'), _HIDDEN, "A:A"
    ),
    "rows without height as a rule": (
        written("<c><v>1</v></c>", before='<sheetFormatPr defaultRowHeight="0" customHeight="1"/>'), _HIDDEN, "1:2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_cell_is_read_as_a_spreadsheet_shows_it(name: str) -> None:
    content, values = READ[name]
    with opened(content, "a.xlsx") as source:
        assert [list(row.items.values()) for row in source.rows(ANY_COLUMNS)] == [values]


@pytest.mark.parametrize("name", REFUSED)
def test_a_cell_that_could_be_read_in_two_ways_is_refused_with_its_place(name: str) -> None:
    content, code, place = REFUSED[name]
    problem = refused(content, "a.xlsx")
    assert problem.code == code
    assert place in problem.text("en")


@pytest.mark.parametrize(
    "name", ["an error", "percent", "a hidden row", "a shared text without a number", "a part that is cut"]
)
def test_a_book_of_the_catalog_has_the_same_checks(name: str) -> None:
    content, code, place = REFUSED[name]
    with given(content) as file, pytest.raises(Problem) as told:
        tables(file, CALLER)
    assert told.value.code == code
    assert place in told.value.text("en")


def _hide(state: str) -> Callable[[bytes], bytes]:
    return lambda part: part.replace(b'state="visible"', f'state="{state}"'.encode())


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_what_stands_on_another_sheet_than_the_one_that_is_read_is_told(state: str) -> None:
    def put_empty_sheet_first(sheet: Any) -> None:
        sheet.title = "报送"
        sheet.parent.create_sheet("空", 0)

    content = workbook([["a"], ["1"]], put_empty_sheet_first)
    # The sheet behind an empty one, or all of them hidden.
    for book in (content, rewritten(content, _hide(state)), rewritten(workbook([["a"], ["1"]]), _hide(state))):
        problem = refused(book, "a.xlsx")
        assert problem.code == "FILE_SHEET_NOT_READ"
        assert problem.params["sheets"] in ("报送", "Sheet")


def test_hidden_sheets_are_named_and_refuse_a_book_of_the_catalog() -> None:
    def add_hidden(sheet: Any) -> None:
        sheet.parent.create_sheet("隐").append(["x"])
        sheet.parent["隐"].sheet_state = "veryHidden"
        sheet.parent.create_sheet("空").sheet_state = "hidden"

    content = workbook([["a"], ["1"]], add_hidden)
    with opened(content, "a.xlsx") as source:
        assert source.unread == ["隐"]
    with given(content) as file, pytest.raises(Problem) as told:
        tables(file, CALLER)
    assert (told.value.code, told.value.params["places"]) == ("FILE_WORKBOOK_HIDDEN", "隐")
