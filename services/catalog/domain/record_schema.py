"""JSON Schemas (2020-12) of published entry versions, with which providers check records before they deliver them."""

import re
from typing import Any, Final

from chengxin.values.identifiers import DECLARED
from chengxin.values.name_faults import MASKED_NAME
from chengxin.values.sample_marker import example_text
from chengxin.values.text_forms import HIDDEN_CLASS, standard_name
from services.catalog.domain.entry import CrossRule, CrossRuleKind, Entry, EntryContent, Item, ItemType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Counts the changes of the way in which a version becomes a schema; the ETag uses it.
DIALECT_REVISION = 7

# As `_MARKED` of ingest's validator.
SPREADSHEET_MARK: Final = (
    r"""^((['=‘’‛′`´＇]['=‘’‛′`´＇"“”„″＂]*(?=[^0-9]*[0-9])|["“”„″＂]+(?=([^0-9]*[0-9]){6}))"""
    r"""\+?[0-9A-Za-z.:/-]+['=‘’‛′`´＇"“”„″＂]*|="[^"]*")$"""
)
# What holds for every text. A text with white space at its ends is delivered without it, so it is no text of its own.
_TEXT: Final = {
    "$comment": (
        "不含控制字符（制表、换行除外）、格式字符、私用区、未分配及 Unicode 默认忽略或空白的字符，不含 U+FFFC、U+FFFD；首尾无空白。汉字的异体选择符"
        "报送时略去。 / No controls but tab and line breaks, no format, private-use, unassigned, default-ignorable or blank"
        " characters, no U+FFFC, no U+FFFD; no white space at the ends. The selector of a Chinese character's shape is left"
        " out on delivery."
    ),
    "allOf": [
        {"pattern": rf"^[^{HIDDEN_CLASS}]*$"},
        {"pattern": r"^\S([\s\S]*\S)?$"},
        {
            "$comment": "电子表格四舍五入的数字 / a number that a spreadsheet rounded",
            "not": {"pattern": r"^[+-]?[0-9](\.[0-9]+)?[eE]\+[0-9]{1,3}$"},
        },
        {
            "$comment": "电子表格的文本标记 / the marks by which a spreadsheet keeps a number as text",
            "not": {"pattern": SPREADSHEET_MARK},
        },
    ],
}
# A day of the calendar from 1900 to 9999.
_DAY: Final = (
    "^(?!0|1[0-8])("
    "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)$"
)
_ORDERS: Final = (
    "x-chengxin-not-before、x-chengxin-not-less：每对中前者不得早于（小于）后者。缺少的信息项不写，不写空值。"
    " / Of each pair in x-chengxin-not-before and x-chengxin-not-less the first must not be before (less than) the second."
    " An item without a value is left out; an empty text is no value."
)


def record_schema(entry: Entry) -> dict[str, Any]:
    """Returns the schema of one record, a map of item codes to texts, as records are delivered.

    It accepts every record in standard form that ingest accepts. It cannot express check digits, dates of birth and
    States of identifiers, whether a number is a person's, letters of names, the order of dates and of numbers, nor
    the day of delivery; these are in words (`$comment`) and in `x-chengxin-*` annotations.
    """
    content = entry.content
    properties = {item.code: _item_schema(item, content) for item in content.items}
    if content.subject_name_item in properties:
        _refuse_example(properties[content.subject_name_item], content)
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:chengxin:catalog:{content.code}:{entry.version}",
        "title": content.name.zh,
        "type": "object",
        "$comment": _ORDERS,
        "$defs": {"text": _TEXT},
        "properties": properties,
        "required": [item.code for item in content.items if item.required],
        "additionalProperties": False,
        "x-chengxin-natural-key": list(content.natural_key),
        "x-chengxin-not-before": _ordered_pairs(content, CrossRuleKind.NOT_BEFORE),
        "x-chengxin-not-less": _ordered_pairs(content, CrossRuleKind.NOT_LESS),
    }
    known = {item.code: item for item in content.items}
    groups = [group.items for group in content.required_one_of] + [content.subject_id_items, content.natural_key]
    # A group with a required item has one anyway.
    open_groups = [group for group in groups if not any(known[code].required for code in group if code in known)]
    conditions = [{"anyOf": [{"required": [code]} for code in group]} for group in dict.fromkeys(open_groups)]
    conditions += _one_subject(content)
    conditions += [_conditional_schema(rule, known[rule.other]) for rule in content.cross_rules if not rule.rule.orders]
    if conditions:
        schema["allOf"] = conditions
    return schema


def _one_subject(content: EntryContent) -> list[dict[str, Any]]:
    groups = content.identifying_items()
    if not all(groups):
        return []
    given = [{"anyOf": [{"required": [item.code]} for item in group]} for group in groups]
    return [
        {"$comment": "组织和自然人不得同为主体 / the subject is an organisation or a person", "not": {"allOf": given}}
    ]


def _item_schema(item: Item, content: EntryContent) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "title": item.name.zh, "minLength": 1}
    if item.name.en:
        schema["description"] = item.name.en
    patterns = []
    if item.type is ItemType.DATE:
        schema["format"] = "date"
        if item.not_after_delivery:
            schema["x-chengxin-not-after-delivery"] = True
            schema["$comment"] = "不晚于报送日（北京时间） / not after the day of delivery (in China)"
        patterns.append(_DAY)
    elif item.type is ItemType.NUMBER:
        decimals = rf"(\.[0-9]{{1,{item.scale}}})?" if item.scale else ""
        # The length of a number counts its digits, decimals included, without sign and point.
        patterns.append(rf"^(?=-?([0-9]\.?){{1,{item.length}}}$)-?(0|[1-9][0-9]*){decimals}$")
    else:
        schema["maxLength"] = item.length
        patterns += _text_patterns(item)
        if item.code_list and not item.multiple:
            schema["enum"] = [value.code for value in item.code_list]
    if item.identifier:
        schema["x-chengxin-identifier"] = item.identifier.value
        if (kind := DECLARED.get(item.identifier)) is not None:
            patterns.append(f"^(?:{kind.form})$")
            if any(kind.beyond_form):
                schema["$comment"] = " / ".join(kind.beyond_form)
    if item.type is ItemType.NUMBER or (item.identifier not in DECLARED and content.registers_organisation(item)):
        schema["$comment"] = "不是个人的号码 / no number of a person"
    parts: list[dict[str, Any]] = [{"pattern": pattern} for pattern in patterns]
    if item.type is ItemType.TEXT:
        parts.insert(0, {"$ref": "#/$defs/text"})
    if content.is_name(item):
        schema["x-chengxin-name"] = True
        schema["$comment"] = "至少含一个文字 / it has a letter at least"
        parts.append({"$comment": "未被遮盖 / no part is masked", "not": {"pattern": MASKED_NAME}})
    if parts:
        schema["allOf"] = parts
    return schema


def _text_patterns(item: Item) -> list[str]:
    patterns = []
    if item.code_list and item.multiple:
        code = "(" + "|".join(re.escape(value.code) for value in item.code_list) + ")"
        patterns.append(f"^{code}(;{code})*$")
    if item.pattern:
        patterns.append(f"^(?:{item.pattern})$")
    return patterns


def _refuse_example(schema: dict[str, Any], content: EntryContent) -> None:
    item = content.item(content.subject_name_item)
    if item is not None and item.type is ItemType.TEXT:
        example = standard_name(example_text(item.name.zh, item.length))
        schema["allOf"].append({"$comment": "模板中的填报示例 / the example of a template", "not": {"const": example}})


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
