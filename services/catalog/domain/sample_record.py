"""A record that obeys an entry's rules, about nobody: for templates, and to try a version out. Pure."""

import re
from collections.abc import Container

# The parse tree of the standard library, as `regex_safety.py` reads it.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from stdnum.cn import ric, uscc

from chengxin.values.sample_marker import example_text
from services.catalog.domain.entry import CrossRuleKind, EntryContent, IdentifierScheme, Item, ItemType

_DAY: Final = "2026-01-05"
# No organisation is registered in region 000000, and nobody born then is alive.
_ORGANISATION: Final = "000000000"
_USCC_BODY: Final = f"91000000{_ORGANISATION}"
_PERSON_BODY: Final = "44170218990101001"
_PROBES: Final = "1aA阳-_ 0/."
_SAMPLES: Final = {
    IdentifierScheme.USCC: _USCC_BODY + str(uscc.calc_check_digit(_USCC_BODY)),
    IdentifierScheme.IDENTITY_NUMBER: _PERSON_BODY + str(ric.calc_check_digit(_PERSON_BODY + "0")),
    IdentifierScheme.ORGANISATION_CODE: _ORGANISATION,
    IdentifierScheme.REGISTRATION_NUMBER: "0" * 15,
}


def example_record(content: EntryContent) -> dict[str, str]:
    """Item code to text, every item filled that may be.

    All dates are one day and all numbers that are compared are 0, so none is before or less than another; of a code list
    the first value is taken that forbids nothing. Collection knows it by the name of its subject and refuses it.
    """
    forbidding = [rule for rule in content.cross_rules if rule.rule is CrossRuleKind.FORBIDDEN_WHEN]
    compared = {c for r in content.cross_rules if r.rule is CrossRuleKind.NOT_LESS for c in (r.item, r.other)}
    record = {
        item.code: "0"
        if item.code in compared
        else _value(item, {value for rule in forbidding if rule.other == item.code for value in rule.values})
        for item in content.items
    }
    for rule in forbidding:
        if record.get(rule.other) in rule.values:
            record.pop(rule.item, None)
    return record


def _value(item: Item, rather_not: Container[str]) -> str:
    if item.identifier is not IdentifierScheme.NONE:
        return _SAMPLES[item.identifier]
    if item.type is ItemType.DATE:
        return _DAY
    if item.type is ItemType.NUMBER:
        # Digits of a number include its decimals: 0.50 fits where 1 would not.
        return "1" if item.length > item.scale else f"0.{'5':0<{item.scale}}"
    if item.code_list:
        return next((v.code for v in item.code_list if v.code not in rather_not), item.code_list[0].code)
    if item.pattern:
        return _matching(item.pattern)
    return example_text(item.name.zh, item.length)


def _matching(pattern: str) -> str:
    """The shortest text of first alternatives that a pattern of `pattern_fault`'s dialect matches."""
    return "".join(_piece(kind, argument) for kind, argument in parser.parse(pattern)) or "1"


def _piece(kind: Any, argument: Any) -> str:
    match kind:
        case op.LITERAL:
            return chr(argument)
        case op.NOT_LITERAL:
            return next(c for c in _PROBES if c != chr(argument))
        case op.ANY:
            return "1"
        case op.IN:
            return _member(argument)
        case op.BRANCH:
            return "".join(_piece(*part) for part in argument[1][0])
        case op.SUBPATTERN:
            return "".join(_piece(*part) for part in argument[3])
        case op.MAX_REPEAT | op.MIN_REPEAT:
            least, most, inner = argument
            # One rather than none where allowed, so that the example is not empty.
            times = max(int(least), min(1, int(most)))
            return "".join(_piece(*part) for part in inner) * times
        case _:  # Anchors.
            return ""


def _member(choices: Any) -> str:
    """A character of a set: the first one named, or the first of some that a negated set lets through."""
    kind, argument = choices[0]
    if kind is op.LITERAL:
        return chr(argument)
    if kind is op.RANGE:
        return chr(argument[0])
    if kind is op.CATEGORY:
        return next((c for c in _PROBES if _in_category(argument, c)), "1")
    return next((c for c in _PROBES if not any(_holds(choice, c) for choice in choices[1:])), "1")


def _holds(choice: Any, character: str) -> bool:
    kind, argument = choice
    if kind is op.LITERAL:
        return bool(chr(argument) == character)
    if kind is op.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    return _in_category(argument, character)


_CATEGORIES: Final = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _in_category(category: Any, character: str) -> bool:
    return re.match(_CATEGORIES[category], character) is not None
