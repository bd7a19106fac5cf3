"""Decides whether an item's regular expression is safe to match against delivered values."""

import re

# The parser of the standard library, because it has the dialect that is used for matching.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

LONGEST: Final = 200
# The number of ways in which a text could match; a backtracking matcher may try all of them.
_MOST_WAYS: Final = 1_000_000

_SINGLE_WAY: Final = {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.AT}


def pattern_fault(pattern: str, length: int) -> str | None:
    """Returns the fault of a pattern for texts of at most `length` characters; None for a safe pattern.

    Faults are `too_long`, `syntax`, `unsupported` (lookaround, backreferences, inline flags) and `catastrophic`.
    """
    if len(pattern) > LONGEST:
        return "too_long"
    try:
        re.compile(pattern)
        tree = parser.parse(pattern)
        ways = _count_ways(tree, max(length, 1))
    except (re.error, RecursionError, OverflowError):
        return "syntax"
    except _Unsupported:
        return "unsupported"
    if tree.state.flags & ~re.UNICODE:
        return "unsupported"
    return "catastrophic" if ways > _MOST_WAYS else None


class _Unsupported(Exception):
    pass


def _count_ways(sequence: Any, length: int) -> int:
    product = 1
    for kind, argument in sequence:
        product = min(product * _count_ways_of(kind, argument, length), _MOST_WAYS + 1)
    return product


def _count_ways_of(kind: Any, argument: Any, length: int) -> int:
    if kind in _SINGLE_WAY:
        return 1
    if kind is op.BRANCH:
        return sum(_count_ways(alternative, length) for alternative in argument[1])
    if kind is op.SUBPATTERN:
        _, added, removed, inner = argument
        if added or removed:
            raise _Unsupported
        return _count_ways(inner, length)
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, inner = argument
        return _count_ways_of_repeat(_count_ways(inner, length), int(least), min(int(most), length))
    raise _Unsupported


def _count_ways_of_repeat(inner: int, least: int, most: int) -> int:
    """Returns the sum of `inner ** n` for n from `least` to `most`; it stops when the sum exceeds the limit."""
    if inner == 1:
        return max(most - least, 0) + 1
    total = 0
    for times in range(least, max(most, least) + 1):
        # 2 ** 20 exceeds the limit already, so larger exponents change nothing.
        total += inner ** min(times, 21)
        if total > _MOST_WAYS:
            break
    return total
