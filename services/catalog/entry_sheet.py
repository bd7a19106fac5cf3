"""An entry as the workbook in which catalogs are circulated: what is compiled in it can be read back whole. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from chengxin.errors import invalid
from services.catalog.model import EntryContent, read_content
from services.catalog.sheets import read_book, write_book

ENTRY_SHEET_INVALID = invalid(
    "ENTRY_SHEET_INVALID",
    "工作簿的“{sheet}”表不符合目录表格式：{reason}",
    "Sheet “{sheet}” of the workbook is not in the form of a catalog: {reason}",
)

Plain = dict[str, Any]
Table = list[list[str]]

_ENTRY: Final = "目录条目"
_PROVIDERS: Final = "提供单位"
_ITEMS: Final = "信息项"
_CODES: Final = "代码表"
_RULES: Final = "规则"

# Of the entry: what the row is called, and where it is in the JSON. `*` at the end: a list, one value a cell.
_FIELDS: Final = {
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
_ITEM_FIELDS: Final = {
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
}
_NUMBERS: Final = {
    *("reporting_limit_working_days", "disclosure_period.years", "length", "scale", "code_list_ref.version"),
}
_FLAGS: Final = {"required", "multiple", "modes:public", "modes:authorized", "modes:shared"}
_CODE_HEADING: Final = ["信息项代码", "代码", "名称", "英文名称"]
_PROVIDER_HEADING: Final = ["统一社会信用代码", "名称"]
_RULE_HEADING: Final = ["规则", "信息项", "另一信息项", "取值"]
_ONE_OF: Final = "required_one_of"


def write_entry(content: EntryContent) -> bytes:
    """The workbook of an entry."""
    plain = content.plain()
    return write_book(
        [
            (_ENTRY, [["项目", "内容"], *(_field_row(plain, label, path) for label, path in _FIELDS.items())]),
            (_PROVIDERS, [_PROVIDER_HEADING, *([p["uscc"], p["name"]] for p in plain["providers"])]),
            (_ITEMS, [list(_ITEM_FIELDS), *map(_item_row, plain["items"])]),
            (_CODES, [_CODE_HEADING, *_code_rows(plain)]),
            (_RULES, [_RULE_HEADING, *_rule_rows(plain)]),
        ]
    )


def read_entry_sheet(file: bytes) -> EntryContent:
    """The entry in a workbook. Raises what `read_book` raises, ENTRY_SHEET_INVALID."""
    book = read_book(file)
    plain = _in(_ENTRY, lambda: _read_fields(_table(book, _ENTRY)))
    providers = _in(_PROVIDERS, lambda: _rows(_table(book, _PROVIDERS), _PROVIDER_HEADING))
    plain["providers"] = [{"uscc": uscc, "name": name} for uscc, name in providers]
    plain["items"] = _in(_ITEMS, lambda: _read_items(_table(book, _ITEMS)))
    for code, value, zh, en in _in(_CODES, lambda: _rows(_table(book, _CODES), _CODE_HEADING)):
        if (item := next((i for i in plain["items"] if i["code"] == code), None)) is None:
            raise ENTRY_SHEET_INVALID(sheet=_CODES, reason=code)
        item.setdefault("code_list", []).append({"code": value, "name": {"zh": zh, "en": en}})
    plain |= _in(_RULES, lambda: _read_rules(_table(book, _RULES)))
    try:
        return read_content(plain)
    except msgspec.ValidationError as e:
        raise ENTRY_SHEET_INVALID(sheet=_ENTRY, reason=str(e)) from None


def _field_row(plain: Plain, label: str, path: str) -> list[str]:
    value = _get(plain, path.rstrip("*"))
    return [label, *map(str, value)] if path.endswith("*") else [label, str(value)]


def _item_row(item: Plain) -> list[str]:
    return [_item_cell(item, path) for path in _ITEM_FIELDS.values()]


def _item_cell(item: Plain, path: str) -> str:
    if path in _FLAGS:
        field, _, mode = path.partition(":")
        return "是" if (mode in item[field] if mode else item[field]) else ""
    if path.startswith("code_list_ref.") and not item["code_list_ref"]:
        return ""
    return str(_get(item, path))


def _code_rows(plain: Plain) -> Iterator[list[str]]:
    for item in plain["items"]:
        for value in item["code_list"]:
            yield [item["code"], value["code"], value["name"]["zh"], value["name"]["en"]]


def _rule_rows(plain: Plain) -> Iterator[list[str]]:
    for group in plain["required_one_of"]:
        yield [_ONE_OF, *group["items"]]
    for rule in plain["cross_rules"]:
        yield [rule["rule"], rule["item"], rule["other"], *rule["values"]]


def _read_fields(table: Table) -> Plain:
    plain: Plain = {}
    for row in table[1:]:
        label, *cells = row
        if not label:
            continue
        path = _FIELDS[label]
        if path.endswith("*"):
            plain[path[:-1]] = [cell for cell in cells if cell]
        else:
            _set(plain, path, cells[0] if cells else "")
    return plain


def _read_items(table: Table) -> list[Plain]:
    heading = [cell for cell in table[0] if cell]
    paths = [_ITEM_FIELDS[label] for label in heading]
    items = []
    for row in table[1:]:
        if not any(row):
            continue
        item: Plain = {"modes": []}
        for path, cell in zip(paths, row, strict=False):
            if path.startswith("modes:"):
                item["modes"] += [path.partition(":")[2]] if _flag(cell) else []
            elif path in _FLAGS:
                item[path] = _flag(cell)
            elif cell:
                _set(item, path, cell)
        items.append(item)
    return items


def _read_rules(table: Table) -> Plain:
    groups: list[Plain] = []
    rules: list[Plain] = []
    for kind, *cells in table[1:]:
        values = [cell for cell in cells if cell]
        if kind == _ONE_OF:
            groups.append({"items": values})
        elif kind:
            item, other, *rest = values
            rules.append({"rule": kind, "item": item, "other": other, "values": rest})
    return {"required_one_of": groups, "cross_rules": rules}


def _table(book: Mapping[str, Table], name: str) -> Table:
    if not book.get(name):
        raise ENTRY_SHEET_INVALID(sheet=name, reason="缺少该表 / the sheet is missing")
    return book[name]


def _rows(table: Table, heading: Sequence[str]) -> list[list[str]]:
    if table[0][: len(heading)] != list(heading):
        raise ValueError("、".join(heading))
    wide = len(heading)
    return [[*row, *[""] * wide][:wide] for row in table[1:] if any(row)]


def _in(sheet: str, read: Callable[[], Any]) -> Any:
    """What is read from a sheet; what is wrong is said of that sheet."""
    try:
        return read()
    except (KeyError, ValueError) as e:
        raise ENTRY_SHEET_INVALID(sheet=sheet, reason=e) from None


def _flag(cell: str) -> bool:
    if cell not in ("", "是", "否"):
        raise ValueError(f"“{cell}”：是 / 否")
    return cell == "是"


def _get(plain: Plain, path: str) -> Any:
    value: Any = plain
    for part in path.split("."):
        value = value[part]
    return value


def _set(plain: Plain, path: str, cell: str) -> None:
    *parents, last = path.split(".")
    for part in parents:
        plain = plain.setdefault(part, {})
    plain[last] = int(cell or 0) if path in _NUMBERS else cell
