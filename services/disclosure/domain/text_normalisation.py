"""Names and codes as they are searched, and compared. Pure."""

import re
import unicodedata
from itertools import product
from typing import Final

from services.disclosure.domain.pinyin_letters import CHARACTERS

_SPACES: Final = re.compile(r"\s+")
_CODE: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{4,18}")
# As collection records them (services/ingest/domain/normalisation.py): the dots of foreign names are all `·`. A test compares both.
_DOTS: Final = str.maketrans("•‧∙⋅・･", "······")
# Digits and Latin letters stand for themselves.
_LETTERS: Final[dict[str, str]] = {
    **{character: letters for letters, characters in CHARACTERS.items() for character in characters},
    **{sign: sign for sign in "0123456789abcdefghijklmnopqrstuvwxyz"},
}
_INITIALS: Final = re.compile(r"[0-9a-z]*[a-z][0-9a-z]*")
# So many ways of reading a name are kept; its further ambiguous characters have their commonest reading.
_MOST_READINGS: Final = 16


def normalised(text: str) -> str:
    """A name or query without differences of width, case, dots and spacing."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text).translate(_DOTS)).casefold()


def words_of(query: str) -> list[str]:
    """The words of a query, each normalised and once."""
    return [word for word in dict.fromkeys(normalised(part) for part in query.split()) if word]


def readings(name: str) -> list[str]:
    """The pinyin initials of a normalised name, in each way in which it may be read; signs are left out.

    长江 is read cj and zj. A name without a letter or digit has none.
    """
    letters = [found for character in name if (found := _LETTERS.get(character))]
    if not letters:
        return []
    ways, kept = 1, []
    for found in letters:
        ways *= len(found)
        if ways > _MOST_READINGS:
            ways //= len(found)
            found = found[:1]
        kept.append(found)
    return ["".join(reading) for reading in product(*kept)]


def as_initials(query: str) -> str:
    """The normalised query as pinyin initials: two signs or more, Latin letters and digits, a letter among them; else
    empty."""
    wanted = normalised(query)
    return wanted if len(wanted) > 1 and _INITIALS.fullmatch(wanted) else ""


def as_code(query: str) -> str:
    """The query as a unified social credit code or the beginning of one (four characters or more); else empty."""
    code = normalised(query).upper()
    return code if _CODE.fullmatch(code) else ""
