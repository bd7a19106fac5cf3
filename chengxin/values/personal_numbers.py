"""Whether a text that a person chose holds a number that stands for a person, however it is written. Pure.

Numbers can be recognised, names cannot: where a text goes on record, it is a code or a registered word.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from stdnum import luhn, numdb
from stdnum.cn import ric

from chengxin.bounds import own
from chengxin.values.identifiers import PERMANENT_RESIDENCE_BEFORE_2023, is_organisation

# NFKC makes digits of others (full-width, circled).
_NUMERALS: Final = str.maketrans("Х〇零一壹二贰三叁四肆五伍六陆七柒八捌九玖", "X00112233445566778899")
# Latin and Cyrillic.
_LOOKS_LIKE: Final = str.maketrans("OILОІ", "01101")
# Format characters and marks; what is not assigned.
_SHOWS_NOTHING: Final = frozenset(("Cf", "Cn", "Co", "Mn", "Me"))
_ALONE_BETWEEN: Final = re.compile(r"(?<=\d)[\W_](?=[\dX])")
# Letters by their category that show nothing.
_BLANK: Final = frozenset("\u115f\u1160\u3164\uffa0")
# As Python and JSON write what stands between digits.
_ESCAPE: Final = re.compile(r"\\(?:[nrtfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
# An identifier that `new_id` made. Of 10,000 one has what looks like a telephone; nobody writes one so.
_OURS: Final = re.compile(r"[a-z]{1,12}_[0-9a-v]{26}")
_SHORTEST: Final = 11
_CHARACTERS: Final = 18
_LONGEST_KEPT: Final = 200
_MOST_KEPT: Final = 8192
own(
    __name__,
    "lru_cache",
    resource="Words that were looked at for numbers of persons",
    total=_MOST_KEPT,
    why="Each has at most 200 characters; the least recently used is forgotten",
)

_DAY: Final = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
# GB 11643, with its check digit wherever it is in a run of digits, and without where it is a run by itself: a slip of the
# pen names the person all the same. The first digit is a part of the country, 9 that of foreigners' permits.
_WITHIN: Final = re.compile(rf"(?=([1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX]))")
_ALONE: Final = re.compile(rf"(?<!\d)[1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX](?!\d)")
# Before 1999 the number had two digits of the year and no check digit.
_OLD: Final = re.compile(rf"(?<!\d)[1-9]\d{{5}}\d\d{_DAY}\d{{3}}(?!\d)")
# Of foreigners' permanent residence cards; the later ones have the form of GB 11643.
_RESIDENCE: Final = re.compile(rf"(?<![A-Z]){PERMANENT_RESIDENCE_BEFORE_2023}(?!\d)")
_EXACTLY: Final = re.compile(rf"[1-9]\d{{5}}(?:18|19|20)\d\d{_DAY}\d{{3}}[\dX]", re.ASCII)
# A run by itself that has a character less, or one more. Of such a run some number can often be made, so that number must
# have a county, and be of somebody born before 2010: a county, a day and a few digits are also the number of a case.
_SLIP: Final = re.compile(r"(?<![0-9A-Z])(?:\d{16}[\dX]|(?=\d+[A-Z]?\d*X?(?![0-9A-Z]))[0-9A-Z]{19})(?![0-9A-Z])")
_BORN: Final = re.compile(rf"[1-9]\d{{5}}(?:1[89]\d\d|200\d){_DAY}\d{{3}}[\dX]")
_MOBILE: Final = re.compile(r"(?<!\d)(?:(?:00)?86)?1[3-9]\d{9}(?!\d)")
_BANK_CARD: Final = re.compile(r"(?<!\d)62\d{14,17}(?!\d)")


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
    return _holds_one(text) if len(text) <= _LONGEST_KEPT else _holds_one.__wrapped__(text)


def is_personal_number(text: str) -> bool:
    """Whether a text is nothing but an identity number (GB 11643) or that of a foreigner's permanent residence card, by
    form, day of birth and check digit, in any width. The region is not looked at: what may be a person's is masked."""
    plain = unicodedata.normalize("NFKC", text).upper()
    if _EXACTLY.fullmatch(plain):
        return bool(ric.calc_check_digit(plain) == plain[-1])
    return bool(_RESIDENCE.fullmatch(plain))


# Most texts that go on record are words that come again and again.
@lru_cache(_MOST_KEPT)
def _holds_one(text: str) -> bool:
    return any(_is_in(read) for read in _readings(text))


def _holds_identity_number(read: str) -> bool:
    found = any(ric.calc_check_digit(found[1]) == found[1][-1] for found in _WITHIN.finditer(read))
    return found or bool(_ALONE.search(read))


def _is_in(read: str) -> bool:
    return bool(
        _holds_identity_number(read)
        or _OLD.search(read)
        or _RESIDENCE.search(read)
        or _MOBILE.search(read)
        or any(luhn.is_valid(found[0]) for found in _BANK_CARD.finditer(read))
        or any(_is_slip(found[0]) for found in _SLIP.finditer(read))
    )


def _is_slip(run: str) -> bool:
    """Whether some identity number becomes this run of 17 or 19 characters by one that is left out or put in."""
    if len(run) > _CHARACTERS:
        mended = {run[:n] + run[n + 1 :] for n in range(len(run))}
    else:
        mended = {run[:n] + char + run[n:] for n in range(len(run) + 1) for char in "0123456789X"}
    return any(
        _BORN.fullmatch(number)
        and ric.calc_check_digit(number) == number[-1]
        and "county" in dict(numdb.get("cn/loc").info(number[:6])[-1][1])
        for number in mended
    )


def _readings(text: str) -> Iterator[str]:
    """A text as readers may take it: with what stands between its characters, without what stands alone between two
    digits, without all of it, and with letters for the digits that they look like.

    A number that is found by where it ends must be tried with each: what is beside it may be a number, too.
    """
    shown = []
    for char in unicodedata.normalize("NFKC", _ESCAPE.sub("", text)).upper().translate(_NUMERALS):
        if (digit := unicodedata.decimal(char, None)) is not None:
            shown.append(str(digit))
        elif unicodedata.category(char) not in _SHOWS_NOTHING and char not in _BLANK:
            shown.append(char)
    apart = "".join(shown)
    yield apart
    yield _ALONE_BETWEEN.sub("", apart)
    together = "".join(char for char in apart if unicodedata.category(char)[0] in "LN")
    yield together
    yield together.translate(_LOOKS_LIKE)
