"""Where a text holds a number that stands for a person, however it is written. Pure.

Numbers can be recognised, names cannot: where a text goes on record, it is a code or a registered word.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from stdnum import luhn, numdb
from stdnum.cn import ric

from chengxin.bounds import own
from chengxin.values.identifiers import (
    PASSPORT,
    PERMANENT_RESIDENCE_BEFORE_2023,
    has_organisation_check,
    is_organisation,
)
from chengxin.values.text_forms import TextSpan

# NFKC makes digits of others (full-width, circled).
_NUMERALS: Final = str.maketrans("Х〇零一壹二贰三叁四肆五伍六陆七柒八捌九玖", "X00112233445566778899")
# Latin and Cyrillic.
_LOOKS_LIKE: Final = str.maketrans("OILОІ", "01101")
# Format characters and marks; what is not assigned.
_SHOWS_NOTHING: Final = frozenset(("Cf", "Cn", "Co", "Mn", "Me"))
# Letters by their category that show nothing.
_BLANK: Final = "\u115f\u1160\u3164\uffa0"
# Every character that may be read as a digit; of some kinds, whole blocks of Unicode.
_MAY_BE_DIGIT: Final = (
    r"\dOoIiLlОоІі〇零一壹二贰三叁四肆五伍六陆七柒八捌九玖\u00aa-\u00be\u0131-\u0133\u013f\u0140\u01c7-\u01c9\u02b0-\u02e4"
    r"\u1369-\u1371\u19da\u1c82\u1d2c-\u1d6a\u1da0-\u1dbf\u2070-\u209c\u2100-\u218b\u2460-\u24ff\u2776-\u2793\u2c7c\u2f00-\u2f0b"
    r"\u3192-\u319f\u3200-\u33ff\uf9b2\uf9d1\ufb01-\ufb04\uff29\uff2c\uff2f\uff49\uff4c\uff4f"
    "\U00010780-\U000107ba\U00010a40-\U00010a43\U00010e60-\U00010e68\U00011052-\U0001105a\U0001d400-\U0001d7ff"
    "\U0001e030-\U0001e08f\U0001f100-\U0001f248"
)
_ALONE_BETWEEN: Final = re.compile(r"(?<=\d)[\W_](?=[\dX])")
# As Python and JSON write what stands between digits.
_ESCAPE: Final = re.compile(r"\\(?:[nrtfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
# An identifier that `new_id` made. Of 10,000 one has what looks like a telephone; nobody writes one so.
_OURS: Final = re.compile(r"[a-z]{1,12}_[0-9a-v]{26}")
_SHORTEST: Final = 11
# More than any item of a record (4,000), any line of a log, and all that officers propose at once.
LONGEST_LOOKED_THROUGH: Final = 32_768
# Of the digits of each number so many stand together but for signs: it has 17, and a letter is put in by mistake.
_RUN: Final = 9
_CHARACTERS: Final = 18
_LONGEST_KEPT: Final = 200
_MOST_KEPT: Final = 8192
_MOST_CHARACTERS_KEPT: Final = 4096
_MOST_KNOWN_KEPT: Final = 64
# Shorter ones are common words and numbers.
_SHORTEST_KNOWN: Final = 6
own(
    __name__,
    "lru_cache",
    resource="Words that were looked at for numbers of persons",
    total=_MOST_KEPT,
    why="Each has at most 200 characters; the least recently used is forgotten",
)
own(
    __name__,
    "lru_cache",
    resource="Runs of 17 or 19 digits that were judged",
    total=_MOST_KEPT,
    why="Each has 19 characters at most; the least recently used is forgotten",
)
own(
    __name__,
    "lru_cache",
    resource="Characters as digits and capitals",
    total=_MOST_CHARACTERS_KEPT,
    why="The least recently used is forgotten",
)
own(
    __name__,
    "lru_cache",
    resource="Numbers that are looked for in texts",
    total=_MOST_KNOWN_KEPT,
    why="Those of the records that are being made; the least recently used is forgotten",
)
own(
    __name__,
    "cache",
    resource="Regular expressions for runs of digits",
    total=_CHARACTERS + 1,
    why="One for each length",
)

_DAY: Final = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
# GB 11643, with its check digit wherever it is in a run of digits. The first digit is a part of the country, 9 that of
# foreigners' permits.
_WITHIN: Final = re.compile(rf"(?=([1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX]))")
# A slip of the pen names the person all the same: without the check digit where it is a run by itself, and of somebody
# born before 2010. A county, a day and a few digits are also the number of a permit or a case.
_BORN_BEFORE: Final = rf"[1-9]\d{{5}}(?:1[89]\d\d|200\d){_DAY}\d{{3}}[\dX]"
_ALONE: Final = re.compile(rf"(?<!\d)({_BORN_BEFORE})(?!\d)")
# Before 1999 the number had two digits of the year and no check digit.
_OLD: Final = re.compile(rf"(?<!\d)([1-9]\d{{5}}\d\d{_DAY}\d{{3}})(?!\d)")
# Of foreigners' permanent residence cards; the later ones have the form of GB 11643.
_RESIDENCE: Final = re.compile(rf"(?<![A-Z])({PERMANENT_RESIDENCE_BEFORE_2023})(?!\d)")
_PASSPORT: Final = re.compile(PASSPORT)
_EXACTLY: Final = re.compile(rf"[1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX]", re.ASCII)
# A run by itself that has a character less, or one more. Of such a run some number can often be made, so that number must
# have a county.
_SLIP: Final = re.compile(r"(?<![0-9A-Z])(\d{16}[\dX]|(?=\d+[A-Z]?\d*X?(?![0-9A-Z]))[0-9A-Z]{19})(?![0-9A-Z])")
_BORN: Final = re.compile(_BORN_BEFORE)
_MOBILE: Final = re.compile(r"(?<!\d)(?:(?:00)?86)?(1[3-9]\d{9})(?!\d)")
_BANK_CARD: Final = re.compile(r"(?<!\d)(62\d{14,17})(?!\d)")

# Dates, times, amounts and numbers of articles, whose signs mean something: without them some are a telephone number, or
# an old identity number.
_FIGURE: Final = (
    r"(?:(?:19|20)\d\d(?P<between>[-./])\d{1,2}(?:(?P=between)\d{1,2})?|\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+\.\d{1,2}|\d{1,3}(?:、\d{1,3})+)"
)
_FIGURES: Final = re.compile(rf"(?:{_FIGURE}(?:[\W_]+|\Z))+")


class _Reading(NamedTuple):
    """A text as a reader may take it, and for each of its characters the place in the text itself."""

    text: str
    places: Sequence[int]

    def place(self, start: int, end: int) -> TextSpan:
        """Where a part of the reading stands in the text."""
        return TextSpan(self.places[start], self.places[end - 1] + 1)

    def only(self, kept: Sequence[int]) -> "_Reading":
        """The reading with these of its characters alone."""
        return _Reading("".join([self.text[n] for n in kept]), [self.places[n] for n in kept])


def holds_personal_number(text: str) -> bool:
    """Whether a text holds an identity number (GB 11643, 18 or 15 digits), that of a foreigner's permanent residence card,
    a mobile number or a UnionPay card's. Passports and travel permits are not recognised: other numbers look like them.

    An identity number may have a slip: a wrong check digit, a digit missing, a digit or letter too many. Full-width and
    other digits, letters that look like digits, and what stands between them (spaces, punctuation, what shows nothing)
    make no difference. A text that is nothing but an organisation's credit code holds none.
    """
    if len(text) < _SHORTEST or is_organisation(text):
        return False
    if _OURS.fullmatch(text):
        return _holds_identity_number(text)
    return bool(personal_numbers_in(text))


def is_persons_instead(number: str) -> bool:
    """Whether what is given as the number of an organisation is a person's."""
    return bool(personal_numbers_in(number)) and not has_organisation_check(number)


def personal_numbers_in(text: str, known: tuple[str, ...] = ()) -> list[TextSpan]:
    """Returns where the numbers stand that `holds_personal_number` looks for, and those that are `known`: of six characters
    or more, a passport's also without the State. A text longer than `LONGEST_LOOKED_THROUGH` that may have one is one
    place: looking costs up to 15 µs a character. Of an organisation's code of digits alone that may be a person's, too,
    nobody says which it is, so it counts."""
    long_run = _may_hold(text, _RUN)
    wanted, digits = _wanted(known)
    if len(text) > LONGEST_LOOKED_THROUGH and (long_run or wanted is not None):
        return [TextSpan(0, len(text))]
    places = [*_places_in(text)] if long_run else []
    if wanted is not None and (long_run or digits < _RUN) and _may_hold(text, digits):
        together = _without_signs(_read(text))
        places += [together.place(*m.span()) for m in wanted.finditer(together.text.translate(_LOOKS_LIKE))]
    return places


def number_as_read(text: str) -> str:
    """Returns a number in capitals and ordinary digits, without what stands between them."""
    return _without_signs(_read(text)).text


def is_personal_number(text: str) -> bool:
    """Whether a text is nothing but an identity number (GB 11643) or that of a foreigner's permanent residence card, by
    form, day of birth and check digit, in any width. The region is not looked at: what may be a person's is masked."""
    plain = unicodedata.normalize("NFKC", text).upper()
    if _EXACTLY.fullmatch(plain):
        return bool(ric.calc_check_digit(plain) == plain[-1])
    return bool(_RESIDENCE.fullmatch(plain))


# A quick look: most texts have no run of digits.


def _may_hold(text: str, digits: int) -> bool:
    return len(text) >= digits and ("\\" in text or _run_of(digits).search(text) is not None)


@lru_cache(_MOST_KNOWN_KEPT)
def _wanted(known: tuple[str, ...]) -> tuple[re.Pattern[str] | None, int]:
    """What known numbers are looked for by, and how many digits stand together in a text that has one of them."""
    # Whoever writes of a passport leaves the State out.
    numbers = [*known, *(number.partition("-")[2] for number in known if _PASSPORT.fullmatch(number))]
    read = {number_as_read(number).translate(_LOOKS_LIKE) for number in numbers if len(number) >= _SHORTEST_KNOWN}
    longest_first = sorted(read - {""}, key=len, reverse=True)
    if not longest_first:
        return None, 0
    digits = (next((n for n in range(_CHARACTERS, 0, -1) if _run_of(n).search(number)), 0) for number in longest_first)
    return re.compile("|".join(map(re.escape, longest_first))), min(digits)


@cache
def _run_of(digits: int) -> re.Pattern[str]:
    """So many characters that may be digits, with signs between them."""
    return re.compile(rf"(?:[{_MAY_BE_DIGIT}](?:(?![{_MAY_BE_DIGIT}])[\W_{_BLANK}])*+){{{digits}}}")


# How a text is read


def _readings(text: str) -> Iterator[_Reading]:
    """A text as readers may take it: with what stands between its characters, without what stands alone between two
    digits, without all of it, and with letters for the digits that they look like.

    A number that is found by where it ends must be tried with each: what is beside it may be a number, too.
    """
    apart = _read(text)
    yield apart
    alone = {match.start() for match in _ALONE_BETWEEN.finditer(apart.text)}
    if alone:
        yield apart.only([n for n in range(len(apart.text)) if n not in alone])
    together = _without_signs(apart)
    yield together
    yield together._replace(text=together.text.translate(_LOOKS_LIKE))


def _read(text: str) -> _Reading:
    shown: list[str] = []
    places: list[int] = []
    escapes = _ESCAPE.finditer(text) if "\\" in text else ()
    escaped = {place for match in escapes for place in range(*match.span())}
    for place, char in enumerate(text):
        if place not in escaped:
            read = _read_character(char)
            shown.append(read)
            places.extend([place] * len(read))
    return _Reading("".join(shown), places)


def _without_signs(reading: _Reading) -> _Reading:
    return reading.only([n for n, char in enumerate(reading.text) if char.isalnum()])


@lru_cache(_MOST_CHARACTERS_KEPT)
def _read_character(char: str) -> str:
    """A character as capitals and ordinary digits; nothing for what shows nothing."""
    shown = []
    for part in unicodedata.normalize("NFKC", char).upper().translate(_NUMERALS):
        if (digit := unicodedata.digit(part, None)) is not None:
            shown.append(str(digit))
        elif unicodedata.category(part) not in _SHOWS_NOTHING and part not in _BLANK:
            shown.append(part)
    return "".join(shown)


# What is a number of a person


def _places_in(text: str) -> tuple[TextSpan, ...]:
    return _places_in_word(text) if len(text) <= _LONGEST_KEPT else _places_in_word.__wrapped__(text)


# Most texts that go on record are words that come again and again.
@lru_cache(_MOST_KEPT)
def _places_in_word(text: str) -> tuple[TextSpan, ...]:
    checked: set[TextSpan] = set()
    unchecked: set[TextSpan] = set()
    for reading in _readings(text):
        for form, is_number in _CHECKED:
            checked |= {reading.place(*m.span(1)) for m in form.finditer(reading.text) if is_number(m[1])}
        for form in _UNCHECKED:
            unchecked |= {reading.place(*m.span(1)) for m in form.finditer(reading.text)}
    figures = {place for place in unchecked if _FIGURES.fullmatch(_read(text[place.start : place.end]).text)}
    return tuple(sorted(checked | (unchecked - figures)))


def _has_check_digit(number: str) -> bool:
    return bool(ric.calc_check_digit(number) == number[-1])


def _holds_identity_number(read: str) -> bool:
    return any(_has_check_digit(found[1]) for found in _WITHIN.finditer(read)) or bool(_ALONE.search(read))


# Each reading of a text has it again.
@lru_cache(_MOST_KEPT)
def _is_slip(run: str) -> bool:
    """Whether some identity number becomes this run of 17 or 19 characters by one that is left out or put in."""
    if len(run) > _CHARACTERS:
        mended = {run[:n] + run[n + 1 :] for n in range(len(run))}
    else:
        mended = {run[:n] + char + run[n:] for n in range(len(run) + 1) for char in "0123456789X"}
    return any(
        _BORN.fullmatch(number)
        and _has_check_digit(number)
        and "county" in dict(numdb.get("cn/loc").info(number[:6])[-1][1])
        for number in mended
    )


_CHECKED: Final[tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...]] = (
    (_WITHIN, _has_check_digit),
    (_RESIDENCE, bool),
    (_BANK_CARD, luhn.is_valid),
    (_SLIP, _is_slip),
)
_UNCHECKED: Final = (_ALONE, _OLD, _MOBILE)
