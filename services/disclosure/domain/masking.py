"""Masking: the parts of a value that the public and shared views hide (Art. 4, 14).

Names keep the first character of the family name (`李**`), however long they are. Identifiers keep the region (the first
six characters) and the last four characters, as government services print them; this hides the date of birth.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

MASK: Final = "*"
_IDENTIFIER_HEAD: Final = 6
_IDENTIFIER_TAIL: Final = 4
# Shorter values are common words and numbers: masking them wherever they occur would mask the whole record.
_SHORTEST_SECRET: Final = 6
# 17 digits and a check character, in any width, that are not part of a longer run.
_CANDIDATE: Final = re.compile(r"(?<![0-9A-Za-z０-９])[\d]{17}[\dXxＸｘ](?![0-9A-Za-z０-９])")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS: Final = "10X98765432"


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


def is_identity_number(text: str) -> bool:
    """Whether a text is an identity number by its form, date of birth and check character (GB 11643)."""
    digits = unicodedata.normalize("NFKC", text).upper()
    if len(digits) != 18 or not digits[:17].isdecimal():
        return False
    month, day = int(digits[10:12]), int(digits[12:14])
    if not (digits[6:8] in ("18", "19", "20") and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    return _CHECK_CHARACTERS[sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=False)) % 11] == digits[17]


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Returns a free text in which the identifiers in `secrets` and all identity numbers are masked."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and secret in text:
            text = text.replace(secret, mask_identifier(secret))
    if len(text) >= len("441702199001010012"):
        text = _CANDIDATE.sub(lambda m: mask_identifier(m[0]) if is_identity_number(m[0]) else m[0], text)
    return text
