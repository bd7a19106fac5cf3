"""JSON that comes from outside, read so that whatever is read can be stored, answered and put on record. Pure."""

import base64
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

# Every reader reads whole numbers up to this one exactly (RFC 7493 section 2.2); stores take little greater ones.
_GREATEST_INTEGER: Final = 2**53 - 1
_LONGEST_INTEGER: Final = len(str(-_GREATEST_INTEGER))
# Stands for a greater one while its place is looked for.
_GREAT: Final = object()
# The beginning of an escape by which JSON can spell half of a character.
_HALF: Final = "\\u"


class GreatNumbers(ValueError):
    """Whole numbers that are not kept exactly, by their places in the value: `items.0.length`."""

    def __init__(self, places: list[str]) -> None:
        super().__init__(f"whole numbers beyond {_GREATEST_INTEGER}, at: {', '.join(places)[:200]}")
        self.places = places


def read_json(data: bytes) -> Any:
    """The value of a JSON text (RFC 8259) in UTF-8.

    Raises `ValueError`, which says what is wrong, for anything else, and for what JSON can spell and nothing here can
    keep: half of a character, a whole number beyond 2^53 - 1 (`GreatNumbers`), what is no number, and what is nested too
    deeply.
    """
    # Python's reader of bytes takes halves of characters, and UTF-16.
    text = data.decode("utf-8")
    great: list[str] = []
    try:
        value = json.loads(text, parse_int=partial(_integer, great), parse_float=_fraction, parse_constant=_fraction)
        if great:
            raise GreatNumbers(list(_places(value, "")))
        if _HALF in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def must_be_readable(jws: str) -> None:
    """Raises `ValueError` for a JWS in compact form (RFC 7515) whose header or claims `read_json` does not read.

    It proves nothing: PyJWT, which verifies, reads half of a character and great numbers.
    """
    header, _, rest = jws.partition(".")
    for part in (header, rest.partition(".")[0]):
        read_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _integer(great: list[str], digits: str) -> object:
    if len(digits) > _LONGEST_INTEGER or abs(int(digits)) > _GREATEST_INTEGER:
        great.append(digits[:_LONGEST_INTEGER])
        return _GREAT
    return int(digits)


def _places(value: Any, place: str) -> Iterator[str]:
    if value is _GREAT:
        yield place
    elif isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(part, f"{place}.{name}".lstrip("."))


def _fraction(digits: str) -> float:
    value = float(digits)
    # NaN differs from itself.
    if value != value or abs(value) == float("inf"):
        raise ValueError(f"{digits[:20]} is no number of JSON")
    return value
