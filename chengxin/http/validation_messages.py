"""Chinese texts for what pydantic finds wrong with a field; pydantic has the English ones."""

from collections.abc import Mapping
from typing import Any, Final

_NUMBER: Final = "须为整数"
_DATE: Final = "须为日期，例如 2026-11-24"
_OBJECT: Final = "须为 JSON 对象"
_LIST: Final = "须为列表"

# By pydantic's type of error; words in braces are its context.
_WORDS: Final = {
    "missing": "必填",
    "extra_forbidden": "没有这一项，请核对名称或去掉",
    "string_type": "须为文字",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "不符合格式 {pattern}",
    "literal_error": "只能是 {expected}",
    "enum": "只能是 {expected}",
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": _NUMBER,
    "bool_type": "须为 true 或 false",
    "bool_parsing": "须为 true 或 false",
    "file": "请以文件形式上传：multipart/form-data 中带文件名的部分",
    "date": _DATE,
    "date_type": _DATE,
    "date_from_datetime_parsing": _DATE,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "too_short": "至少 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "不能大于 {le}",
}


def words_of(kind: str, context: Mapping[str, Any], english: str) -> str:
    """The finding in Chinese, or in pydantic's words where there is no Chinese text."""
    return _WORDS[kind].format(**context) if kind in _WORDS else english
