"""The rules that one item of an entry must obey (Art. 4, 9, 14)."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from chengxin.values.identifiers import DECLARED, PERSONAL
from chengxin.values.text_forms import standard_text
from services.catalog.domain.entry import CodeValue, IdentifierScheme, Item, ItemType, Masking, Mode, Sensitivity
from services.catalog.domain.regex_safety import pattern_fault

# The place in the item, the rule, and the values for the placeholders of its message.
Found = tuple[str, str, dict[str, object]]

_ITEM_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z")
_LENGTHS: Final = {ItemType.TEXT: (1, 4000), ItemType.NUMBER: (1, 38), ItemType.DATE: (0, 0)}
_REGISTRATION_NUMBER_LENGTH: Final = 15
# GB/T 2260 has 3,514 regions.
_MOST_CODES: Final = 5000


def item_findings(item: Item, entry_modes: Sequence[Mode]) -> Iterator[Found]:
    """Yields every fault of an item, except of its name; `entry_modes` are the modes of its entry."""
    if not _ITEM_CODE.match(item.code):
        yield "code", "item.code.format", {}
    yield from _check_size(item)
    yield from _check_code_list(item)
    yield from _check_identifier(item)
    if item.pattern:
        if item.type is not ItemType.TEXT:
            yield "pattern", "item.text_only", {}
        elif fault := pattern_fault(item.pattern, item.length):
            yield "pattern", f"pattern.{fault}", {}
    if item.unit and item.type is not ItemType.NUMBER:
        yield "unit", "item.number_only", {}
    if item.not_after_delivery and item.type is not ItemType.DATE:
        yield "not_after_delivery", "item.date_only", {}
    for field, limit in (("unit", 20), ("note", 500)):
        if len(getattr(item, field)) > limit:
            yield field, "text.long", {"limit": limit}
    yield from _check_visibility(item, entry_modes)


def code_value_findings(where: str, values: Sequence[CodeValue]) -> Iterator[Found]:
    """Yields every fault of permitted values, of an item or of a code list."""
    if len(values) > _MOST_CODES:
        yield where, "too_many", {"limit": _MOST_CODES}
    seen = set()
    for n, value in enumerate(values):
        if not value.code.strip():
            yield f"{where}.{n}.code", "text.missing", {}
        if not value.name.zh.strip():
            yield f"{where}.{n}.name", "text.missing", {}
        if (code := standard_text(value.code)) in seen:
            yield f"{where}.{n}.code", "duplicate", {"value": value.code}
        seen.add(code)


def _check_size(item: Item) -> Iterator[Found]:
    least, most = _LENGTHS[item.type]
    if not least <= item.length <= most:
        yield "length", "item.length", {"type": item.type, "least": least, "most": most}
    if not 0 <= item.scale <= (item.length if item.type is ItemType.NUMBER else 0):
        yield "scale", "item.scale", {}


def _check_code_list(item: Item) -> Iterator[Found]:
    if item.multiple and not item.code_list:
        yield "multiple", "multiple.without_code_list", {}
    if item.code_list and item.type is not ItemType.TEXT:
        yield "code_list", "item.text_only", {}
    yield from code_value_findings("code_list", item.code_list)
    for n, value in enumerate(item.code_list):
        where = f"code_list.{n}.code"
        if len(value.code) > item.length > 0:
            yield where, "code_list.too_long", {"value": value.code, "limit": item.length}
        if item.multiple and ";" in value.code:
            yield where, "code_list.separator", {"value": value.code}


def _check_identifier(item: Item) -> Iterator[Found]:
    if item.identifier is not IdentifierScheme.NONE:
        kind = DECLARED.get(item.identifier)
        least = kind.length if kind else _REGISTRATION_NUMBER_LENGTH
        if item.type is not ItemType.TEXT:
            yield "identifier", "item.text_only", {}
        elif item.length < least:
            yield "length", "identifier.length", {"least": least}
        if item.code_list:
            yield "code_list", "identifier.code_list", {}
    if item.identifier in PERSONAL and item.sensitivity is not Sensitivity.IDENTIFIER:
        yield "sensitivity", "identifier.sensitivity", {}


def _check_visibility(item: Item, entry_modes: Sequence[Mode]) -> Iterator[Found]:
    for mode in item.modes:
        if mode not in entry_modes:
            yield "modes", "mode.outside_entry", {"value": mode}
    for mode in {m for m in item.modes if item.modes.count(m) > 1}:
        yield "modes", "duplicate", {"value": mode}
    if item.masking is not Masking.NONE and item.type is not ItemType.TEXT:
        yield "masking", "item.text_only", {}
    personal = item.identifier in PERSONAL or item.sensitivity is Sensitivity.IDENTIFIER
    if personal and Mode.PUBLIC in item.modes:
        yield "modes", "identifier.public", {}
    if personal and Mode.SHARED in item.modes and item.masking is not Masking.IDENTIFIER:
        yield "masking", "identifier.masking", {}
