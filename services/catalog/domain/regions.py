"""The regions of GB/T 2260: provinces, prefectures and counties, as python-stdnum keeps them for identity numbers. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from stdnum import numdb

from services.catalog.domain.entry import CodeValue, LocalText

# "[-1991]东郊区,[1992-]东丽区": names with the years in which a code stood for them.
_NAMED: Final = re.compile(r"(?:\[\d*-(?P<last>\d*)\])?(?P<name>[^\[\],]+)")

_ENGLISH: Final = {
    "440000": "Guangdong Province",
    "441700": "Yangjiang City",
    "441702": "Jiangcheng District",
    "441704": "Yangdong District",
    "441721": "Yangxi County",
    "441781": "Yangchun City",
}


def regions() -> Iterator[CodeValue]:
    """Every code that stands for a region today, in the order of codes."""
    for _, province, _, _, within in numdb.get("cn/loc").prefixes:
        for _, rest, _, properties, _ in within:
            if name := current_name(properties.get("county", "")):
                code = province + rest
                yield CodeValue(code, LocalText(name, _ENGLISH.get(code, "")))


def current_name(names: str) -> str:
    """The name among those of one code that it has today; empty where the code was given up."""
    return next((found["name"] for found in _NAMED.finditer(names) if not found["last"]), "")
