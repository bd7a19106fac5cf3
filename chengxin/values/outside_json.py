"""JSON that comes from outside, read so that whatever is read can be stored, answered and put on record. Pure."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

# Every reader reads whole numbers up to this one exactly (RFC 7493 section 2.2); stores take little greater ones.
GREATEST_INTEGER: Final = 2**53 - 1
_LONGEST_INTEGER: Final = len(str(-GREATEST_INTEGER))
# So many levels every later reader takes: pydantic's 200, a store's 100.
_DEEPEST: Final = 64
_TOO_DEEP: Final = f"nested too deeply: at most {_DEEPEST} levels"
# These stand for what is not kept, a greater one and a member of several values, while its place is looked for.
_GREAT: Final = object()
_REPEATED: Final = object()
# The beginning of an escape by which JSON can spell half of a character.
_HALF: Final = "\\u"


class RepeatedMembers(ValueError):
    """Members that an object has more than once, by their places in the value. Of two values, one reader takes the first
    and another the last (RFC 7493 section 2.3)."""

    def __init__(self, places: list[str]) -> None:
        super().__init__(f"members that are given more than once: {', '.join(places)[:200]}")
        self.places = places


class GreatNumbers(ValueError):
    """Whole numbers that are not kept exactly, by their places in the value: `items.0.length`."""

    def __init__(self, places: list[str]) -> None:
        super().__init__(f"whole numbers beyond {GREATEST_INTEGER}, at: {', '.join(places)[:200]}")
        self.places = places


def read_json(data: bytes) -> Any:
    """The value of a JSON text (RFC 8259) in UTF-8.

    Raises `ValueError`, which says what is wrong, for anything else, and for what JSON can spell and nothing here can
    keep: half of a character, a whole number beyond 2^53 - 1 (`GreatNumbers`), what is no number, what is nested too
    deeply, and two members of one name (`RepeatedMembers`).
    """
    # Python's reader of bytes takes halves of characters, and UTF-16.
    text = data.decode("utf-8")
    great: list[str] = []
    repeated: list[str] = []
    try:
        value = json.loads(
            text,
            parse_int=partial(_integer, great),
            parse_float=_fraction,
            parse_constant=_fraction,
            object_pairs_hook=partial(_members, repeated),
        )
        if repeated:
            raise RepeatedMembers(list(_places(value, _REPEATED, "")))
        if great:
            raise GreatNumbers(list(_places(value, _GREAT, "")))
        if _HALF in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        raise ValueError(
            f"half of a character: \\u{ord(e.object[e.start]):04x}; write it whole, or leave it out"
        ) from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    # Most values have fewer parts than that.
    if text.count("[") + text.count("{") > _DEEPEST:
        _must_be_shallow(value)
    return value


def must_be_readable(jws: str) -> None:
    """Raises `ValueError` for a JWS in compact form (RFC 7515) whose header or claims `read_json` does not read.

    It proves nothing: PyJWT, which verifies, reads half of a character and great numbers.
    """
    header, _, rest = jws.partition(".")
    for part in (header, rest.partition(".")[0]):
        read_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _integer(great: list[str], digits: str) -> object:
    if len(digits) > _LONGEST_INTEGER or abs(int(digits)) > GREATEST_INTEGER:
        great.append(digits[:_LONGEST_INTEGER])
        return _GREAT
    return int(digits)


def _members(repeated: list[str], given: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(given)
    if len(found) < len(given):
        names = [name for name, times in Counter(name for name, _ in given).items() if times > 1]
        repeated += names
        found |= dict.fromkeys(names, _REPEATED)
    return found


def _must_be_shallow(value: Any) -> None:
    level, depth = [value], 0
    while level := [
        part
        for whole in level
        if isinstance(whole, dict | list)
        for part in (whole.values() if isinstance(whole, dict) else whole)
    ]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(_TOO_DEEP)


def _places(value: Any, sought: object, place: str) -> Iterator[str]:
    if value is sought:
        yield place
    elif isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(part, sought, f"{place}.{name}".lstrip("."))


def _fraction(digits: str) -> float:
    value = float(digits)
    # NaN differs from itself.
    if value != value or abs(value) == float("inf"):
        raise ValueError(f"{digits[:20]} is no number of JSON")
    return value
