"""A published entry version as JSON Schema 2020-12, for providers to check records before they deliver them. Pure."""

import re
from typing import Any

from chengxin.values.identifiers import FORMS
from services.catalog.domain.entry import CrossRule, CrossRuleKind, Entry, EntryContent, Item, ItemType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Counts changes of how a version is said as a schema, for the ETag.
DIALECT_REVISION = 3


def record_schema(entry: Entry) -> dict[str, Any]:
    """The schema of one record: item code to text, as items travel.

    It takes every record in standard form that is accepted. What it cannot say, what the check digits of an identifier
    tell and the order of dates and of numbers, is in `x-chengxin-*` annotations.
    """
    content = entry.content
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:chengxin:catalog:{content.code}:{entry.version}",
        "title": content.name.zh,
        "type": "object",
        "properties": {item.code: _property(item) for item in content.items},
        "required": [item.code for item in content.items if item.required],
        "additionalProperties": False,
        "x-chengxin-natural-key": list(content.natural_key),
        "x-chengxin-not-before": _pairs(content, CrossRuleKind.NOT_BEFORE),
        "x-chengxin-not-less": _pairs(content, CrossRuleKind.NOT_LESS),
    }
    known = {item.code: item for item in content.items}
    groups: list[tuple[str, ...]] = [group.items for group in content.required_one_of]
    conditions = [{"anyOf": [{"required": [code]} for code in group]} for group in groups]
    conditions += [_conditional(rule, known[rule.other]) for rule in content.cross_rules if not rule.rule.orders]
    if conditions:
        schema["allOf"] = conditions
    return schema


def _property(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string", "title": item.name.zh, "minLength": 1}
    patterns = []
    if item.name.en:
        found["description"] = item.name.en
    if item.type is ItemType.DATE:
        found["format"] = "date"
    elif item.type is ItemType.NUMBER:
        decimals = rf"(\.[0-9]{{1,{item.scale}}})?" if item.scale else ""
        # The length of a number is that of its digits, with its decimals, without sign and point.
        patterns.append(rf"^(?=-?([0-9]\.?){{1,{item.length}}}$)-?(0|[1-9][0-9]*){decimals}$")
    else:
        found["maxLength"] = item.length
        if item.code_list and not item.multiple:
            found["enum"] = [value.code for value in item.code_list]
        elif item.code_list:
            one = "(" + "|".join(re.escape(value.code) for value in item.code_list) + ")"
            patterns.append(f"^{one}(;{one})*$")
        elif item.pattern:
            patterns.append(f"^(?:{item.pattern})$")
        if item.required and not item.code_list:
            # White space is taken off before anything is looked at.
            patterns.append(r"\S")
    if item.identifier:
        found["x-chengxin-identifier"] = item.identifier.value
        if item.identifier in FORMS:
            patterns.append(f"^{FORMS[item.identifier]}$")
    if len(patterns) == 1:
        [found["pattern"]] = patterns
    elif patterns:
        found["allOf"] = [{"pattern": pattern} for pattern in patterns]
    return found


def _pairs(content: EntryContent, kind: CrossRuleKind) -> list[list[str]]:
    return [[rule.item, rule.other] for rule in content.cross_rules if rule.rule is kind]


def _conditional(rule: CrossRule, other: Item) -> dict[str, Any]:
    if other.multiple:
        one = "|".join(re.escape(value) for value in rule.values)
        test: dict[str, Any] = {"pattern": f"(^|;)({one})(;|$)"}
    else:
        test = {"enum": list(rule.values)}
    there = {"required": [rule.item]}
    return {
        "if": {"properties": {other.code: test}, "required": [other.code]},
        "then": {"not": there} if rule.rule is CrossRuleKind.FORBIDDEN_WHEN else there,
    }
