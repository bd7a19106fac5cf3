"""Sample records that obey an entry's rules and concern no real subject: for templates, and to try a version out."""

import re
from collections.abc import Container

# The parser of the standard library, as in `regex_safety.py`.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from stdnum.cn import ric, uscc

from chengxin.values.sample_marker import example_text
from services.catalog.domain.entry import CrossRuleKind, EntryContent, IdentifierScheme, Item, ItemType

_SAMPLE_DATE: Final = "2026-01-05"
# No organisation is registered in region 000000, and no person born on that day is alive.
_ORGANISATION: Final = "000000000"
_USCC_BODY: Final = f"91000000{_ORGANISATION}"
_PERSON_BODY: Final = "44170218990101001"
# Of a country that ISO 3166-1 leaves to users.
_RESIDENT_BODY: Final = "94490018990101001"
_PROBE_CHARACTERS: Final = "1aA阳-_ 0/."
SAMPLES: Final = {
    IdentifierScheme.USCC: _USCC_BODY + str(uscc.calc_check_digit(_USCC_BODY)),
    IdentifierScheme.IDENTITY_NUMBER: _PERSON_BODY + str(ric.calc_check_digit(_PERSON_BODY + "0")),
    IdentifierScheme.PERMANENT_RESIDENCE: _RESIDENT_BODY + str(ric.calc_check_digit(_RESIDENT_BODY + "0")),
    IdentifierScheme.HK_MACAO_PERMIT: "H00000000",
    IdentifierScheme.TAIWAN_PERMIT: "00000000",
    IdentifierScheme.PERSONAL_DOCUMENT: _PERSON_BODY + str(ric.calc_check_digit(_PERSON_BODY + "0")),
    # The State of specimens in ICAO Doc 9303.
    IdentifierScheme.PASSPORT: "UTO-000000000",
    IdentifierScheme.ORGANISATION_CODE: _ORGANISATION,
    IdentifierScheme.REGISTRATION_NUMBER: "0" * 15,
}


def example_record(content: EntryContent) -> dict[str, str]:
    """Returns a record, item code to text, with every item that may be filled; its subject is an organisation, where it
    may be one.

    All dates are the same day and all compared numbers are 0, so none is before or less than another. From a code list
    it takes the first value that forbids no other item. Ingest recognises the record by the name of its subject and
    refuses it.
    """
    forbidding = [rule for rule in content.cross_rules if rule.rule is CrossRuleKind.FORBIDDEN_WHEN]
    compared = {c for r in content.cross_rules if r.rule is CrossRuleKind.NOT_LESS for c in (r.item, r.other)}
    record = {
        item.code: "0"
        if item.code in compared
        else _sample_value(item, {value for rule in forbidding if rule.other == item.code for value in rule.values})
        for item in content.items
    }
    for rule in forbidding:
        if record.get(rule.other) in rule.values:
            record.pop(rule.item, None)
    organisations, persons = content.identifying_items()
    for item in persons if organisations else ():
        record.pop(item.code, None)
    return record


def _sample_value(item: Item, avoided: Container[str]) -> str:
    if item.identifier is not IdentifierScheme.NONE:
        return SAMPLES[item.identifier]
    if item.type is ItemType.DATE:
        return _SAMPLE_DATE
    if item.type is ItemType.NUMBER:
        # The length of a number counts its decimals, too: 0.50 fits where 1 does not.
        return "1" if item.length > item.scale else f"0.{'5':0<{item.scale}}"
    if item.code_list:
        return next((v.code for v in item.code_list if v.code not in avoided), item.code_list[0].code)
    if item.pattern:
        return _make_match(item.pattern)
    return example_text(item.name.zh, item.length)


def _make_match(pattern: str) -> str:
    """Returns the shortest match from first alternatives, for a pattern in the dialect of `pattern_fault`."""
    return "".join(_make_piece(kind, argument) for kind, argument in parser.parse(pattern)) or "1"


def _make_piece(kind: Any, argument: Any) -> str:
    match kind:
        case op.LITERAL:
            return chr(argument)
        case op.NOT_LITERAL:
            return next(c for c in _PROBE_CHARACTERS if c != chr(argument))
        case op.ANY:
            return "1"
        case op.IN:
            return _pick_member(argument)
        case op.BRANCH:
            return "".join(_make_piece(*part) for part in argument[1][0])
        case op.SUBPATTERN:
            return "".join(_make_piece(*part) for part in argument[3])
        case op.MAX_REPEAT | op.MIN_REPEAT:
            least, most, inner = argument
            # One repeat where none and one are allowed, so that the example is not empty.
            times = max(int(least), min(1, int(most)))
            return "".join(_make_piece(*part) for part in inner) * times
        case _:  # An anchor matches no character.
            return ""


def _pick_member(choices: Any) -> str:
    """Returns a character of a set: the first one named, or for a negated set the first probe outside it."""
    kind, argument = choices[0]
    if kind is op.LITERAL:
        return chr(argument)
    if kind is op.RANGE:
        return chr(argument[0])
    if kind is op.CATEGORY:
        return next((c for c in _PROBE_CHARACTERS if _in_category(argument, c)), "1")
    return next((c for c in _PROBE_CHARACTERS if not any(_matches(choice, c) for choice in choices[1:])), "1")


def _matches(choice: Any, character: str) -> bool:
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
