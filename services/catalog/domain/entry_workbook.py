"""The workbook in which an entry is circulated: its form, and the code that writes it.

`usecases/read_entry_workbook.py` reads a completed workbook back without loss.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from chengxin.values.document import RawDocument
from services.catalog.domain import labels
from services.catalog.domain.entry import EntryContent
from services.catalog.domain.workbook import add_choices, to_bytes, write_rows

ENTRY: Final = "目录条目"
PROVIDERS: Final = "提供单位"
ITEMS: Final = "信息项"
CODES: Final = "代码表"
RULES: Final = "规则"
_CHOICES: Final = "可选值"

# Rows of the entry sheet: the label, and the path in the JSON. `*` at the end marks a list, with one value a cell.
FIELDS: Final = {
    "条目代码": "code",
    "条目名称": "name.zh",
    "英文名称": "name.en",
    "摘要": "description",
    "政务信息资源代码": "resource_code",
    "信用主体类别": "subject_kinds*",
    "信息属性分类": "information_class",
    "覆盖区域": "regions*",
    "覆盖范围说明": "coverage_note",
    "更新周期": "update_cycle",
    "共享属性": "sharing.value",
    "共享条件": "sharing.condition",
    "开放属性": "openness.value",
    "开放条件": "openness.condition",
    "公开方式": "modes*",
    "记录主键": "natural_key*",
    "主体名称信息项": "subject_name_item",
    "主体标识信息项": "subject_id_items*",
    "变更报送时限（工作日）": "reporting_limit_working_days",
    "披露期限规则": "disclosure_period.rule",
    "披露期限信息项": "disclosure_period.item",
    "披露年数": "disclosure_period.years",
    "依据": "legal_basis*",
    "文书号信息项": "legal_document.number",
    "文书日期信息项": "legal_document.date",
    "文书机关信息项": "legal_document.organ",
}
ITEM_FIELDS: Final = {
    "信息项代码": "code",
    "信息项名称": "name.zh",
    "英文名称": "name.en",
    "类型": "type",
    "长度": "length",
    "小数位数": "scale",
    "必填": "required",
    "可多选": "multiple",
    "标识校验": "identifier",
    "格式": "pattern",
    "敏感级别": "sensitivity",
    "依法公开": "modes:public",
    "授权查询": "modes:authorized",
    "行政机关共享": "modes:shared",
    "脱敏": "masking",
    "引用代码表": "code_list_ref.name",
    "代码表版本": "code_list_ref.version",
    "计量单位": "unit",
    "填报说明": "note",
    "不晚于报送日": "not_after_delivery",
}
NUMBERS: Final = {
    *("reporting_limit_working_days", "disclosure_period.years", "length", "scale", "code_list_ref.version"),
}
FLAGS: Final = {
    *("required", "multiple", "not_after_delivery", "modes:public", "modes:authorized", "modes:shared"),
}
# The first rows of the other sheets. Lists of values continue to the right of the last heading, one value a cell.
FIELD_HEADING: Final = ("项目", "内容")
PROVIDER_HEADING: Final = ("统一社会信用代码", "名称")
CODE_HEADING: Final = ("信息项代码", "代码", "名称", "英文名称")
RULE_HEADING: Final = ("规则", "信息项", "另一信息项", "取值")
ONE_OF: Final = "required_one_of"

# Cells that take only certain words: path to the words, by code.
TERMS: Final[dict[str, labels.Terms]] = {
    "subject_kinds*": labels.SUBJECT_KINDS,
    "information_class": labels.INFORMATION_CLASSES,
    "update_cycle": labels.UPDATE_CYCLES,
    "sharing.value": labels.SHARING,
    "openness.value": labels.OPENNESS,
    "modes*": labels.MODES,
    "disclosure_period.rule": labels.DISCLOSURE_RULES,
    "type": labels.TYPES,
    "identifier": labels.IDENTIFIERS,
    "sensitivity": labels.SENSITIVITIES,
    "masking": labels.MASKINGS,
    **dict.fromkeys(FLAGS, labels.YES_NO),
    "rule": {ONE_OF: "至少填一项", **labels.CROSS_RULES},
}
# The last row and column in which cells offer their words.
_LAST_ROW: Final = 1000
_LAST_COLUMN: Final = "M"


def write_entry(content: EntryContent) -> bytes:
    """Returns the workbook of an entry; cells that take only certain words offer them as choices."""
    plain = content.to_dict()
    book = Workbook(write_only=True)
    choices: list[list[str]] = [["项目", "可选值"]]

    def add(title: str, rows: Iterable[list[str]], offered: Iterable[tuple[str, str, str]] = ()) -> None:
        sheet = book.create_sheet(title)
        for label, path, cells in offered:
            words = list(TERMS[path].values())
            choices.append([label, *words])
            row = len(choices)
            add_choices(sheet, cells, f"'{_CHOICES}'!$B${row}:${get_column_letter(len(words) + 1)}${row}")
        write_rows(sheet, rows)

    add(ENTRY, [list(FIELD_HEADING), *(_field_row(plain, *field) for field in FIELDS.items())], _offered_fields())
    add(PROVIDERS, [list(PROVIDER_HEADING), *([p["uscc"], p["name"]] for p in plain["providers"])])
    add(ITEMS, [list(ITEM_FIELDS), *map(_item_row, plain["items"])], _offered_columns())
    add(CODES, [list(CODE_HEADING), *_code_rows(plain)])
    rules = [(RULE_HEADING[0], "rule", f"A2:A{_LAST_ROW}")]
    add(RULES, [list(RULE_HEADING), *_rule_rows(plain)], rules)
    write_rows(book.create_sheet(_CHOICES), choices)
    return to_bytes(book)


def _offered_fields() -> Iterator[tuple[str, str, str]]:
    for row, (label, path) in enumerate(FIELDS.items(), 2):
        if path in TERMS:
            yield label, path, f"B{row}:{_LAST_COLUMN if path.endswith('*') else 'B'}{row}"


def _offered_columns() -> Iterator[tuple[str, str, str]]:
    for column, (label, path) in enumerate(ITEM_FIELDS.items(), 1):
        if path in TERMS:
            letter = get_column_letter(column)
            yield label, path, f"{letter}2:{letter}{_LAST_ROW}"


def _field_row(plain: RawDocument, label: str, path: str) -> list[str]:
    value = _value_at(plain, path.rstrip("*"))
    return [label, *(_cell(path, element) for element in value)] if path.endswith("*") else [label, _cell(path, value)]


def _item_row(item: RawDocument) -> list[str]:
    return [_item_cell(item, path) for path in ITEM_FIELDS.values()]


def _item_cell(item: RawDocument, path: str) -> str:
    if path in FLAGS:
        field, _, mode = path.partition(":")
        return _cell(path, str(mode in item[field] if mode else item[field]).lower())
    if path.startswith("code_list_ref.") and not item["code_list_ref"]:
        return ""
    return _cell(path, _value_at(item, path))


def _cell(path: str, value: object) -> str:
    return TERMS[path][str(value)] if path in TERMS else str(value)


def _code_rows(plain: RawDocument) -> Iterator[list[str]]:
    for item in plain["items"]:
        for value in item["code_list"]:
            yield [item["code"], value["code"], value["name"]["zh"], value["name"]["en"]]


def _rule_rows(plain: RawDocument) -> Iterator[list[str]]:
    for group in plain["required_one_of"]:
        yield [_cell("rule", ONE_OF), *group["items"]]
    for rule in plain["cross_rules"]:
        yield [_cell("rule", rule["rule"]), rule["item"], rule["other"], *rule["values"]]


def _value_at(plain: RawDocument, path: str) -> Any:
    value: Any = plain
    for part in path.split("."):
        value = value[part]
    return value
