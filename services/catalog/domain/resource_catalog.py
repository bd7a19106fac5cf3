"""Entries in the form of the government information resource catalog, which includes them (Art. 6).

Fields and their order are those of the national guide (政务信息资源目录编制指南（试行）, 发改高技〔2017〕1272号, annex 2).
"""

from collections.abc import Sequence
from typing import Any, Final

from chengxin.values.clock import shanghai_date
from services.catalog.domain.entry import Entry, Extent, ItemType
from services.catalog.domain.labels import SHARING, UPDATE_CYCLES
from services.catalog.domain.workbook import write_book

_OPENNESS: Final = {Extent.UNCONDITIONAL: "是", Extent.CONDITIONAL: "是", Extent.NONE: "否"}
# The codes of the guide: C for characters, N for numbers, D for dates.
_TYPES: Final = {ItemType.TEXT: "字符型C", ItemType.NUMBER: "数值型N", ItemType.DATE: "日期型D"}
_RESOURCE_HEADING: Final = {
    "信息资源代码": "resource_code",
    "信息资源名称": "name",
    "信息资源提供方": "provider",
    "提供方代码": "provider_code",
    "信息资源摘要": "abstract",
    "信息资源格式分类": "format_class",
    "信息资源格式类型": "format_type",
    "共享类型": "sharing_type",
    "共享条件": "sharing_condition",
    "共享方式分类": "sharing_channel",
    "是否向社会开放": "open",
    "开放条件": "open_condition",
    "更新周期": "update_cycle",
    "发布日期": "published_on",
    "信用目录条目代码": "entry_code",
    "信用目录条目版本": "entry_version",
}
_ITEM_HEADING: Final = {
    "信息项名称": "name",
    "信息项代码": "code",
    "数据类型": "data_type",
    "数据长度": "length",
}


def resource(entry: Entry) -> dict[str, Any]:
    """Returns an entry version as a resource. Its code is empty until the data bureau has assigned one."""
    content = entry.content
    return {
        "resource_code": content.resource_code,
        "name": content.name.zh,
        "provider": "、".join(provider.name for provider in content.providers),
        "provider_code": "、".join(provider.uscc for provider in content.providers),
        "abstract": content.description or content.coverage_note,
        "format_class": "数据库",
        "format_type": "JSON",
        "sharing_type": SHARING[content.sharing.value],
        "sharing_condition": content.sharing.condition,
        "sharing_channel": "" if content.sharing.value is Extent.NONE else "共享平台方式",
        "open": _OPENNESS[content.openness.value],
        "open_condition": content.openness.condition,
        "update_cycle": UPDATE_CYCLES[content.update_cycle],
        "published_on": shanghai_date(entry.published_at).isoformat(),
        "entry_code": content.code,
        "entry_version": str(entry.version),
        "items": [
            {
                "name": item.name.zh,
                "code": item.code,
                "data_type": _TYPES[item.type],
                "length": _format_length(item.length, item.scale),
            }
            for item in content.items
        ],
    }


def resource_book(entries: Sequence[Entry]) -> bytes:
    """Returns a workbook with one row for each resource, and one row for each item on a second sheet."""
    resources = [resource(entry) for entry in entries]
    rows = [[row[field] for field in _RESOURCE_HEADING.values()] for row in resources]
    items = [
        [row["entry_code"], row["name"], *(item[field] for field in _ITEM_HEADING.values())]
        for row in resources
        for item in row["items"]
    ]
    heading = ["信用目录条目代码", "信息资源名称", *_ITEM_HEADING]
    return write_book([("政务信息资源目录", [list(_RESOURCE_HEADING), *rows]), ("信息项", [heading, *items])])


def _format_length(length: int, scale: int) -> str:
    if not length:
        return ""
    return f"{length},{scale}" if scale else str(length)
