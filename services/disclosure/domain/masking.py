"""Masking: the parts of a value that the public and shared views hide (Art. 4, 14).

Names keep the first character of the family name (`李**`), however long they are. Identifiers keep the region (the first
six characters) and the last four characters, as government services print them; this hides the date of birth.
"""

import re
from collections.abc import Iterable
from typing import Final

from chengxin.values.identifiers import PASSPORT
from chengxin.values.personal_numbers import is_personal_number

MASK: Final = "*"
_IDENTIFIER_HEAD: Final = 6
_IDENTIFIER_TAIL: Final = 4
# Shorter values are common words and numbers: masking them wherever they occur would mask the whole record.
_SHORTEST_SECRET: Final = 6
_PASSPORT: Final = re.compile(rf"{PASSPORT}\Z")
# 17 digits and a check character, or three letters and 12 digits, in any width, that are not part of a longer run.
_CANDIDATE: Final = re.compile(
    r"(?<![0-9A-Za-z０-９Ａ-Ｚａ-ｚ])(?:\d{17}[\dXxＸｘ]|[A-Za-zＡ-Ｚａ-ｚ]{3}\d{12})(?![0-9A-Za-z０-９Ａ-Ｚａ-ｚ])"
)
_SHORTEST_NUMBER: Final = 15


def mask_name(name: str) -> str:
    """Masks a name: `李娜` and `李小龙` become `李**`, because its length would narrow the name down."""
    return name[:1] + MASK * 2 if name else ""


def mask_identifier(identifier: str) -> str:
    """Masks an identifier: `441702********0012`; shorter ones keep only the last four characters, or none."""
    hidden_length = len(identifier) - _IDENTIFIER_HEAD - _IDENTIFIER_TAIL
    if hidden_length >= _IDENTIFIER_TAIL:
        return identifier[:_IDENTIFIER_HEAD] + MASK * hidden_length + identifier[-_IDENTIFIER_TAIL:]
    kept_length = _IDENTIFIER_TAIL if len(identifier) >= 2 * _IDENTIFIER_TAIL else 0
    return MASK * (len(identifier) - kept_length) + identifier[len(identifier) - kept_length :]


def blank_name_in(text: str, name: str) -> str:
    """Returns a free text without a person's name. A single character is a word rather than a name."""
    return text.replace(name, MASK * 3) if len(name) > 1 else text


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Returns a free text in which the identifiers in `secrets`, and all numbers that can only be persons', are masked."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and secret in text:
            text = text.replace(secret, mask_identifier(secret))
        # Whoever writes of a passport leaves the State out.
        if _PASSPORT.match(secret):
            number = secret.partition("-")[2]
            text = text.replace(number, mask_identifier(number)) if len(number) >= _SHORTEST_SECRET else text
    if len(text) >= _SHORTEST_NUMBER:
        text = _CANDIDATE.sub(lambda m: mask_identifier(m[0]) if is_personal_number(m[0]) else m[0], text)
    return text
