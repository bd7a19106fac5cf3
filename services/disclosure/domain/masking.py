"""What the public and shared views hide of a value (Art. 4, 14). Pure.

Names keep the family name's first character (`李**`), however long they are. Identifiers keep the region (first six) and
the last four characters, as government services print them; the date of birth is what is hidden.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

MASK: Final = "*"
_IDENTIFIER_HEAD: Final = 6
_IDENTIFIER_TAIL: Final = 4
# Shorter values are common words and numbers: hiding every place where they occur would hide the record.
_SHORTEST_SECRET: Final = 6
# 17 digits and a check character that are not part of a longer run, in any width.
_CANDIDATE: Final = re.compile(r"(?<![0-9A-Za-z０-９])[\d]{17}[\dXxＸｘ](?![0-9A-Za-z０-９])")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK: Final = "10X98765432"


def mask_name(name: str) -> str:
    """`李娜` and `李小龙` become `李**`: the length of a name narrows it down too."""
    return name[:1] + MASK * 2 if name else ""


def mask_identifier(identifier: str) -> str:
    """An identity number as `441702********0012`; of shorter identifiers only the last four, or nothing, is kept."""
    hidden = len(identifier) - _IDENTIFIER_HEAD - _IDENTIFIER_TAIL
    if hidden >= _IDENTIFIER_TAIL:
        return identifier[:_IDENTIFIER_HEAD] + MASK * hidden + identifier[-_IDENTIFIER_TAIL:]
    kept = _IDENTIFIER_TAIL if len(identifier) >= 2 * _IDENTIFIER_TAIL else 0
    return MASK * (len(identifier) - kept) + identifier[len(identifier) - kept :]


def is_identity_number(text: str) -> bool:
    """Whether a text is a citizen identity number by form, date of birth and check character (GB 11643)."""
    plain = unicodedata.normalize("NFKC", text).upper()
    if len(plain) != 18 or not plain[:17].isdecimal():
        return False
    month, day = int(plain[10:12]), int(plain[12:14])
    if not (plain[6:8] in ("18", "19", "20") and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    return _CHECK[sum(int(d) * w for d, w in zip(plain, _WEIGHTS, strict=False)) % 11] == plain[17]


def scrub(text: str, secrets: Iterable[str]) -> str:
    """A text written by people, without the identifiers in `secrets` and without any identity number."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET and secret in text:
            text = text.replace(secret, mask_identifier(secret))
    if len(text) >= len("441702199001010012"):
        text = _CANDIDATE.sub(lambda m: mask_identifier(m[0]) if is_identity_number(m[0]) else m[0], text)
    return text
