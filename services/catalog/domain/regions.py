"""The regions of GB/T 2260 as permitted values of a code list."""

from collections.abc import Iterator
from typing import Final

from chengxin.values.region_codes import region_names
from services.catalog.domain.entry import CodeValue, LocalText

_ENGLISH_NAMES: Final = {
    "440000": "Guangdong Province",
    "441700": "Yangjiang City",
    "441702": "Jiangcheng District",
    "441704": "Yangdong District",
    "441721": "Yangxi County",
    "441781": "Yangchun City",
}


def regions() -> Iterator[CodeValue]:
    """Yields every code that stands for a region today, in the order of codes."""
    for code, name in region_names().items():
        yield CodeValue(code, LocalText(name, _ENGLISH_NAMES.get(code, "")))
