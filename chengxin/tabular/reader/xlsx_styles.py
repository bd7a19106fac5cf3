"""Finds the cells of a workbook that show another value than they hold, by their number formats.

ECMA-376 part 1: 18.8.30 (formats that are known by their number), 18.8.31 (the language of formats).
"""

import re
from collections.abc import Sequence
from enum import Enum
from itertools import takewhile
from typing import Final, NamedTuple

from chengxin.tabular.reader.xlsx_places import is_true, local_name, small_number

_PERCENT: Final = {9, 10}
_DATES: Final = {*range(14, 23), *range(27, 37), *range(50, 59)}
# What a format writes as it stands, how wide and in which colour; each other character is by itself.
_PART: Final = re.compile(r'"[^"]*"|[\\!_*].|\[[^\]]*\]|.', re.DOTALL)
# A length of time, which may be of any number of days.
_DURATION: Final = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DURATION_NUMBER: Final = 46
_CONDITION: Final = re.compile(r"\[[<>=]")
_DATE_LETTERS: Final = re.compile(r"[ymdhs]", re.IGNORECASE)
# A comma after the last digit divides by a thousand; between digits it groups them.
_DIVIDED: Final = re.compile(r"[0#?],+(?![0#?,])")
_ZEROS: Final = re.compile(r"[^0#?.]*(0{2,})(?![0#?,])")
# Where the number itself stands: its digits, or as the program shows numbers that have no format.
_NUMBER: Final = re.compile("[0#?@]|general|通用格式", re.IGNORECASE)
_NOUGHT: Final = re.compile("[0@]|general|通用格式", re.IGNORECASE)
_MINUS: Final = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212")
# By which a number is known to be below zero: a sign, brackets, or a colour.
_BELOW_ZERO: Final = re.compile("[-\u2010-\u2014\u2212(（负△▲▼]")
_COLOUR: Final = re.compile(r"\[(?:[a-z]+\s?[0-9]*|[\u3400-\u9fff]+\s?[0-9]*)\]", re.IGNORECASE)
# The day after the last one that a spreadsheet knows, 9999-12-31, counted from 1900 and from 1904.
_AFTER_LAST_DAY: Final = (2_958_466, 2_957_004)
# 1900-02-29, which never was.
_NO_DAY: Final = 60


class Shown(Enum):
    """How a format shows a value."""

    PLAIN = "plain"
    DATE = "date"
    PERCENT = "percent"
    DIVIDED = "divided"
    ZEROS = "zeros"
    # Nothing, a constant, or another sign.
    OTHERWISE = "otherwise"


class Format(NamedTuple):
    """How a format shows numbers by their sign, with how many digits at least, and texts."""

    above: Shown
    below: Shown
    nought: Shown
    text: Shown
    zeros: int = 0


_PLAIN: Final = Format(Shown.PLAIN, Shown.PLAIN, Shown.PLAIN, Shown.PLAIN)


class Styles:
    """The number formats of a workbook's cells."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        # The format of each style that cells name by its place in the list.
        self._formats: list[int] = []
        self._in_cells = self._counts_from_1904 = False
        self._known: dict[int, Format] = {}

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
        format_, number = self._format(style), float(value)
        shown = format_.above if number > 0 else format_.below if number < 0 else format_.nought
        if shown is Shown.ZEROS:
            return len(value.lstrip("-").partition(".")[0]) < format_.zeros
        if shown in (Shown.PERCENT, Shown.DIVIDED):
            return number != 0
        return shown is Shown.OTHERWISE

    def shows_another_text(self, style: str) -> bool:
        """Whether a cell of this style shows another text than it holds, or none."""
        return self._format(style).text is Shown.OTHERWISE

    def is_no_date(self, style: str, value: str) -> bool:
        """Whether a cell of this style is a date, and its value none."""
        if self._format(style).above is not Shown.DATE:
            return False
        day = float(value)
        is_missing = not self._counts_from_1904 and _NO_DAY <= day < _NO_DAY + 1
        return is_missing or not 0 <= day < _AFTER_LAST_DAY[self._counts_from_1904]

    def _format(self, style: str) -> Format:
        place = small_number(style)
        if place >= len(self._formats):
            return _PLAIN
        number = self._formats[place]
        if number not in self._known:
            self._known[number] = _read_format(number, self._codes.get(number, ""))
        return self._known[number]


class _Section:
    """One part of a format: for numbers above zero, below it, nought, or texts."""

    def __init__(self, parts: Sequence[str]) -> None:
        # What tells how to show the value, and what is shown in any case.
        self.code = "".join(part for part in parts if len(part) == 1)
        self.written = "".join(part.strip('"') if part[0] == '"' else part[1:] for part in parts if part[0] in '"\\!')
        self.brackets = "".join(part for part in parts if part[0] == "[")
        # In order, up to the number.
        before = takewhile(lambda part: not (len(part) == 1 and part in "0#?@"), parts)
        shown_before = "".join(part for part in before if part[0] not in "_*[")
        self._has_minus = not _MINUS.isdisjoint(shown_before)

    def shows_numbers(self) -> Shown:
        """How it shows numbers of both signs, or those above zero; the program writes the sign."""
        return Shown.OTHERWISE if self._has_minus else self._shows_digits(_NUMBER)

    def shows_below_zero(self) -> Shown:
        """How it shows numbers below zero alone, of which the program writes no sign."""
        has_sign = _BELOW_ZERO.search(self.code + self.written) or _COLOUR.search(self.brackets)
        return self._shows_digits(_NUMBER) if has_sign else Shown.OTHERWISE

    def shows_nought(self) -> Shown:
        """How it shows nought, for which accountants write a dash."""
        return Shown.PLAIN if self._has_minus else self._shows_digits(_NOUGHT)

    def _shows_digits(self, needed: re.Pattern[str]) -> Shown:
        if "%" in self.code:
            return Shown.PERCENT
        if _DIVIDED.search(self.code):
            return Shown.DIVIDED
        if not needed.search(self.code) or self._adds_digits():
            return Shown.OTHERWISE
        return Shown.ZEROS if _ZEROS.match(self.code) else Shown.PLAIN

    def _adds_digits(self) -> bool:
        # The denominator of a fraction is a digit of the code.
        bare = "" if "/" in self.code else self.code
        return any(char.isdecimal() and char != "0" for char in bare) or any(map(str.isdecimal, self.written))

    def shows_text(self) -> Shown:
        """How it shows a text."""
        return Shown.PLAIN if self.code.strip() == "@" and not self.written.strip() else Shown.OTHERWISE


def _sections_of(code: str) -> list[_Section]:
    parts: list[list[str]] = [[]]
    for part in _PART.findall(code):
        if part == ";":
            parts.append([])
        else:
            parts[-1].append(part)
    return [_Section(section) for section in parts]


def _read_format(number: int, code: str) -> Format:
    if number in _PERCENT:
        return Format(Shown.PERCENT, Shown.PERCENT, Shown.PERCENT, Shown.PLAIN)
    sections = _sections_of(code)
    is_text_last = len(sections) > 3 or "@" in sections[-1].code
    text = sections[3 if len(sections) > 3 else -1].shows_text() if code and is_text_last else Shown.PLAIN
    # A length of time is kept as a part of days, and read as a day with a time.
    if number == _DURATION_NUMBER or _DURATION.search(code):
        return Format(Shown.OTHERWISE, Shown.OTHERWISE, Shown.OTHERWISE, text)
    if not code:
        return _PLAIN._replace(above=Shown.DATE if number in _DATES else Shown.PLAIN, text=text)
    first = sections[0]
    if number in _DATES or _DATE_LETTERS.search(first.code):
        return _PLAIN._replace(above=Shown.DATE, text=text)
    numeric = sections[:3] if len(sections) > 3 else sections[:-1] if is_text_last and len(sections) > 1 else sections
    zeros = len(found[1]) if (found := _ZEROS.match(first.code)) else 0
    if _CONDITION.search(code):
        # Which part is taken depends on the number, so none may show another.
        each = [section.shows_numbers() for section in numeric]
        shown = next((one for one in each if one is not Shown.PLAIN), Shown.PLAIN)
        return Format(shown, shown, shown, text, zeros)
    below = numeric[1].shows_below_zero() if len(numeric) > 1 else first.shows_numbers()
    nought = numeric[2].shows_nought() if len(numeric) > 2 else first.shows_nought()
    return Format(first.shows_numbers(), below, nought, text, zeros)
