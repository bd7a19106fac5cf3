"""The forms in which names and codes are searched and compared."""

import re
import unicodedata
from itertools import product
from typing import Final

from services.disclosure.domain.pinyin_letters import CHARACTERS

_SPACES: Final = re.compile(r"\s+")
_CODE: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{4,18}")
# The dots of foreign names all become `·`, as ingest records them (services/ingest/domain/normalisation.py). A test
# compares both.
_DOTS: Final = str.maketrans("•‧∙⋅・･", "······")
# Digits and Latin letters stand for themselves.
_LETTERS: Final[dict[str, str]] = {
    **{character: letters for letters, characters in CHARACTERS.items() for character in characters},
    **{sign: sign for sign in "0123456789abcdefghijklmnopqrstuvwxyz"},
}
_INITIALS: Final = re.compile(r"[0-9a-z]*[a-z][0-9a-z]*")
# The most readings of a name; beyond them, ambiguous characters have their most common reading only.
_MOST_READINGS: Final = 16


def normalised(text: str) -> str:
    """Returns a name or query without differences of width, case, dots and spacing."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text).translate(_DOTS)).casefold()


def words_of(query: str) -> list[str]:
    """Returns the words of a query, normalised and each once."""
    return [word for word in dict.fromkeys(normalised(part) for part in query.split()) if word]


def readings(name: str) -> list[str]:
    """Returns the pinyin initials of a normalised name, one text for each way to read it; signs are left out.

    长江 is read cj and zj. A name without a readable character, letter or digit has no reading.
    """
    letters = [initials for character in name if (initials := _LETTERS.get(character))]
    if not letters:
        return []
    readings_count, chosen = 1, []
    for initials in letters:
        readings_count *= len(initials)
        if readings_count > _MOST_READINGS:
            readings_count //= len(initials)
            initials = initials[:1]
        chosen.append(initials)
    return ["".join(reading) for reading in product(*chosen)]


def as_initials(query: str) -> str:
    """Returns the normalised query if it can be pinyin initials, otherwise an empty text.

    Initials are two or more Latin letters and digits, with at least one letter.
    """
    initials = normalised(query)
    return initials if len(initials) > 1 and _INITIALS.fullmatch(initials) else ""


def as_code(query: str) -> str:
    """Returns the query as a unified social credit code or its beginning, otherwise an empty text.

    A beginning has four characters or more.
    """
    code = normalised(query).upper()
    return code if _CODE.fullmatch(code) else ""
