"""Whether a regular expression of an item is safe to match against what providers deliver. Pure."""

import re

# The parse tree of the standard library, which knows the dialect that will match.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

LONGEST: Final = 200
# Ways in which a text could match, all of which a backtracking matcher may try.
_MOST_WAYS: Final = 1_000_000

_SINGLE: Final = {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.AT}


def pattern_fault(pattern: str, length: int) -> str | None:
    """What is wrong with a pattern for texts of at most `length` characters, or None.

    `too_long`, `syntax`, `unsupported` (lookaround, backreferences, inline flags), `catastrophic`.
    """
    if len(pattern) > LONGEST:
        return "too_long"
    try:
        re.compile(pattern)
        tree = parser.parse(pattern)
        ways = _ways(tree, max(length, 1))
    except (re.error, RecursionError, OverflowError):
        return "syntax"
    except _Unsupported:
        return "unsupported"
    if tree.state.flags & ~re.UNICODE:
        return "unsupported"
    return "catastrophic" if ways > _MOST_WAYS else None


class _Unsupported(Exception):
    pass


def _ways(sequence: Any, length: int) -> int:
    product = 1
    for kind, argument in sequence:
        product = min(product * _ways_of(kind, argument, length), _MOST_WAYS + 1)
    return product


def _ways_of(kind: Any, argument: Any, length: int) -> int:
    if kind in _SINGLE:
        return 1
    if kind is op.BRANCH:
        return sum(_ways(alternative, length) for alternative in argument[1])
    if kind is op.SUBPATTERN:
        _, added, removed, inner = argument
        if added or removed:
            raise _Unsupported
        return _ways(inner, length)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = argument
        return _ways_of_repeat(_ways(inner, length), int(least), min(int(most), length))
    raise _Unsupported


def _ways_of_repeat(inner: int, least: int, most: int) -> int:
    """Sum of `inner ** n` for n from `least` to `most`, no further than matters."""
    if inner == 1:
        return max(most - least, 0) + 1
    total = 0
    for times in range(least, max(most, least) + 1):
        # Beyond 2 ** 20 the limit is passed anyway.
        total += inner ** min(times, 21)
        if total > _MOST_WAYS:
            break
    return total
