"""JSON Schemas (2020-12) of published entry versions, with which providers check records before they deliver them."""

import re
from typing import Any

from chengxin.values.identifiers import DECLARED
from services.catalog.domain.entry import CrossRule, CrossRuleKind, Entry, EntryContent, Item, ItemType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Counts the changes of the way in which a version becomes a schema; the ETag uses it.
DIALECT_REVISION = 4


def record_schema(entry: Entry) -> dict[str, Any]:
    """Returns the schema of one record, a map of item codes to texts, as records are delivered.

    It accepts every record in standard form that ingest accepts. It cannot express check digits and dates of birth of
    identifiers, which it says in words (`$comment`), nor the order of dates and of numbers; these are in `x-chengxin-*`
    annotations.
    """
    content = entry.content
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:chengxin:catalog:{content.code}:{entry.version}",
        "title": content.name.zh,
        "type": "object",
        "properties": {item.code: _item_schema(item) for item in content.items},
        "required": [item.code for item in content.items if item.required],
        "additionalProperties": False,
        "x-chengxin-natural-key": list(content.natural_key),
        "x-chengxin-not-before": _ordered_pairs(content, CrossRuleKind.NOT_BEFORE),
        "x-chengxin-not-less": _ordered_pairs(content, CrossRuleKind.NOT_LESS),
    }
    known = {item.code: item for item in content.items}
    groups: list[tuple[str, ...]] = [group.items for group in content.required_one_of]
    conditions = [{"anyOf": [{"required": [code]} for code in group]} for group in groups]
    conditions += [_conditional_schema(rule, known[rule.other]) for rule in content.cross_rules if not rule.rule.orders]
    if conditions:
        schema["allOf"] = conditions
    return schema


def _item_schema(item: Item) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "title": item.name.zh, "minLength": 1}
    patterns = []
    if item.name.en:
        schema["description"] = item.name.en
    if item.type is ItemType.DATE:
        schema["format"] = "date"
    elif item.type is ItemType.NUMBER:
        decimals = rf"(\.[0-9]{{1,{item.scale}}})?" if item.scale else ""
        # The length of a number counts its digits, decimals included, without sign and point.
        patterns.append(rf"^(?=-?([0-9]\.?){{1,{item.length}}}$)-?(0|[1-9][0-9]*){decimals}$")
    else:
        schema["maxLength"] = item.length
        if item.code_list and not item.multiple:
            schema["enum"] = [value.code for value in item.code_list]
        elif item.code_list:
            code = "(" + "|".join(re.escape(value.code) for value in item.code_list) + ")"
            patterns.append(f"^{code}(;{code})*$")
        elif item.pattern:
            patterns.append(f"^(?:{item.pattern})$")
        if item.required and not item.code_list:
            # Ingest removes outer white space before it checks a value, so blanks alone are no value.
            patterns.append(r"\S")
    if item.identifier:
        schema["x-chengxin-identifier"] = item.identifier.value
        if (kind := DECLARED.get(item.identifier)) is not None:
            patterns.append(f"^(?:{kind.form})$")
            if any(kind.beyond_form):
                schema["$comment"] = " / ".join(kind.beyond_form)
    if len(patterns) == 1:
        [schema["pattern"]] = patterns
    elif patterns:
        schema["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return schema


def _ordered_pairs(content: EntryContent, kind: CrossRuleKind) -> list[list[str]]:
    return [[rule.item, rule.other] for rule in content.cross_rules if rule.rule is kind]


def _conditional_schema(rule: CrossRule, other: Item) -> dict[str, Any]:
    if other.multiple:
        values = "|".join(re.escape(value) for value in rule.values)
        test: dict[str, Any] = {"pattern": f"(^|;)({values})(;|$)"}
    else:
        test = {"enum": list(rule.values)}
    item_present = {"required": [rule.item]}
    return {
        "if": {"properties": {other.code: test}, "required": [other.code]},
        "then": {"not": item_present} if rule.rule is CrossRuleKind.FORBIDDEN_WHEN else item_present,
    }
