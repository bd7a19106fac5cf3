"""Finds the cells of a workbook that show another value than they hold, by their number formats.

ECMA-376 part 1: 18.8.30 (formats that are known by their number), 18.8.31 (the language of formats).
"""

import re
from enum import Enum
from typing import Final

from chengxin.tabular.reader.xlsx_places import is_true, local_name, small_number

_PERCENT: Final = {9, 10}
_DATES: Final = {*range(14, 23), *range(27, 37), *range(50, 59)}
# What a format only writes, or how wide and in which colour.
_LITERALS: Final = re.compile(r'"[^"]*"|[\\!_*].|\[[^\]]*\]')
# A length of time, which may be of any number of days.
_DURATION: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DATE_LETTERS: Final = re.compile(r"[ymdhs]", re.IGNORECASE)
# A comma after the last digit divides by a thousand; between digits it groups them.
_DIVIDED: Final = re.compile(r"[0#?],+(?![0#?,])")
_ZEROS: Final = re.compile(r"[^0#?.]*(0{2,})(?![0#?,])")
# The day after the last one that a spreadsheet knows, 9999-12-31, counted from 1900 and from 1904.
_AFTER_LAST_DAY: Final = (2_958_466, 2_957_004)
# 1900-02-29, which never was.
_NO_DAY: Final = 60


class Shown(Enum):
    """How a format shows a number."""

    PLAIN = "plain"
    DATE = "date"
    PERCENT = "percent"
    DIVIDED = "divided"
    ZEROS = "zeros"


class Styles:
    """The number formats of a workbook's cells."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        # The format of each style that cells name by its place in the list.
        self._formats: list[int] = []
        self._in_cells = self._counts_from_1904 = False
        self._known: dict[int, tuple[Shown, int]] = {}

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Takes in an element of the part of styles."""
        match local_name(name):
            case "numFmt":
                self._codes[small_number(attributes.get("numFmtId", ""))] = attributes.get("formatCode", "")
            case "cellXfs":
                self._in_cells = True
            case "xf" if self._in_cells:
                self._formats.append(small_number(attributes.get("numFmtId", "")))

    def end(self, name: str) -> None:
        """Takes in the end of an element of the part of styles."""
        if local_name(name) == "cellXfs":
            self._in_cells = False

    def see_workbook(self, attributes: dict[str, str]) -> None:
        """Takes in from which year the workbook counts days."""
        self._counts_from_1904 = is_true(attributes.get("date1904"))

    def shows_another(self, style: str, value: str) -> bool:
        """Whether a cell of this style shows another number than its value."""
        shown, zeros = self._shown(style)
        if shown is Shown.ZEROS:
            return len(value.lstrip("-").partition(".")[0]) < zeros
        return shown in (Shown.PERCENT, Shown.DIVIDED) and float(value) != 0

    def is_no_date(self, style: str, value: str) -> bool:
        """Whether a cell of this style is a date, and its value none."""
        if self._shown(style)[0] is not Shown.DATE:
            return False
        day = float(value)
        is_missing = not self._counts_from_1904 and _NO_DAY <= day < _NO_DAY + 1
        return is_missing or not 0 <= day < _AFTER_LAST_DAY[self._counts_from_1904]

    def _shown(self, style: str) -> tuple[Shown, int]:
        """How a style shows numbers, and with how many digits at least."""
        place = small_number(style)
        if place >= len(self._formats):
            return Shown.PLAIN, 0
        number = self._formats[place]
        if number not in self._known:
            self._known[number] = _read_format(number, self._codes.get(number, ""))
        return self._known[number]


def _read_format(number: int, code: str) -> tuple[Shown, int]:
    # The part for numbers above zero comes first.
    positive = _LITERALS.sub("", code).partition(";")[0]
    if number in _PERCENT or "%" in positive:
        return Shown.PERCENT, 0
    if _DURATION.search(code):
        return Shown.PLAIN, 0
    if number in _DATES or _DATE_LETTERS.search(positive):
        return Shown.DATE, 0
    if _DIVIDED.search(positive):
        return Shown.DIVIDED, 0
    zeros = _ZEROS.match(positive)
    return (Shown.ZEROS, len(zeros[1])) if zeros else (Shown.PLAIN, 0)
