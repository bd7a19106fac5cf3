"""What a query may mean: words of a name, pinyin initials, the beginning of a code."""

import re
from itertools import product
from typing import Final

from chengxin.values.text_forms import comparison_key, search_key, simplified, standard_identifier
from services.disclosure.domain.pinyin_letters import CHARACTERS

_CODE: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{4,18}")
# Digits and Latin letters stand for themselves.
_LETTERS: Final[dict[str, str]] = {
    **{character: letters for letters, characters in CHARACTERS.items() for character in characters},
    **{sign: sign for sign in "0123456789abcdefghijklmnopqrstuvwxyz"},
}
_INITIALS: Final = re.compile(r"[0-9a-z]*[a-z][0-9a-z]*")
# The most readings of a name; beyond them, ambiguous characters have their most common reading only.
_MOST_READINGS: Final = 16


def words_of(query: str) -> list[str]:
    """Returns the words of a query as they are searched, each once."""
    return [word for word in dict.fromkeys(search_key(part) for part in query.split()) if word]


def readings(name: str) -> list[str]:
    """Returns the pinyin initials of a name, one text for each way to read it; signs are left out.

    長江 and 长江 are read cj and zj. A name without a readable character, letter or digit has no reading.
    """
    key = comparison_key(name)
    # 長 is read like 长, too: phrases, which know how characters are read, are in simplified ones.
    letters = [
        "".join(dict.fromkeys(_LETTERS.get(character, "") + _LETTERS.get(other, "")))
        for character, other in zip(key, simplified(key), strict=True)
        if character in _LETTERS or other in _LETTERS
    ]
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
    """Returns the query without width and case if it can be pinyin initials, otherwise an empty text.

    Initials are two or more Latin letters and digits, with at least one letter.
    """
    initials = comparison_key(query)
    return initials if len(initials) > 1 and _INITIALS.fullmatch(initials) else ""


def as_code(query: str) -> str:
    """Returns the query as a unified social credit code or its beginning, otherwise an empty text.

    A beginning has four characters or more.
    """
    code = standard_identifier(query)
    return code if _CODE.fullmatch(code) else ""
