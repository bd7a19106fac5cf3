"""Masking: the parts of a value that the public and shared views hide (Art. 4, 14).

Names keep the first character of the family name (`李**`), however long they are. Identifiers keep the region (the first
six characters) and the last four characters, as government services print them; this hides the date of birth.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from chengxin.values.personal_numbers import LONGEST_LOOKED_THROUGH, number_as_read, personal_numbers_in
from chengxin.values.text_forms import TextSpan, places_of_names

MASK: Final = "*"
_IDENTIFIER_HEAD: Final = 6
_IDENTIFIER_TAIL: Final = 4
# What one item with several names has between them.
_BETWEEN_NAMES: Final = re.compile(r"[、，,;；/（）()]")
# Each text of a record is looked through for each name in its items.
_MOST_NAMES: Final = 64


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


def without_names(text: str, names: Iterable[str]) -> str:
    """Returns a free text without persons' names, in whatever form they are written. A single character is a word rather
    than a name. With more names than are looked for nothing of the text is shown."""
    each = [part for name in names for part in ((name,) if name.isalpha() else _BETWEEN_NAMES.split(name)) if part]
    if len(each) > _MOST_NAMES:
        return MASK * 3
    places = places_of_names(each, text)
    return _replaced(text, places, lambda _: MASK * 3) if places else text


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Returns a free text in which the identifiers in `secrets`, and all numbers that can only be persons', are masked,
    however they are written. Nothing is shown of one that is too long to be looked through."""
    places = personal_numbers_in(text, tuple(secrets))
    if places and len(text) > LONGEST_LOOKED_THROUGH:
        return MASK * 3
    return _replaced(text, places, lambda found: mask_identifier(number_as_read(found))) if places else text


def _replaced(text: str, places: Iterable[TextSpan], mask: Callable[[str], str]) -> str:
    """Returns a text with a mask in these places; those that overlap are one."""
    parts, end = [], 0
    for start, stop in _apart(places):
        parts += [text[end:start], mask(text[start:stop])]
        end = stop
    return "".join((*parts, text[end:]))


def _apart(places: Iterable[TextSpan]) -> Iterable[TextSpan]:
    last: TextSpan | None = None
    for place in sorted(places):
        if last is not None and place.start < last.end:
            last = TextSpan(last.start, max(last.end, place.end))
            continue
        if last is not None:
            yield last
        last = place
    if last is not None:
        yield last
