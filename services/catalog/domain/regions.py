"""The regions of GB/T 2260 (provinces, prefectures, counties), from python-stdnum's table for identity numbers."""

import re
from collections.abc import Iterator
from typing import Final

from stdnum import numdb

from services.catalog.domain.entry import CodeValue, LocalText

# "[-1991]东郊区,[1992-]东丽区": the names of a code, with the years in which it stood for them.
_NAME_AND_YEARS: Final = re.compile(r"(?:\[\d*-(?P<last>\d*)\])?(?P<name>[^\[\],]+)")

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
    for _, province, _, _, below in numdb.get("cn/loc").prefixes:
        for _, rest, _, properties, _ in below:
            if name := current_name(properties.get("county", "")):
                code = province + rest
                yield CodeValue(code, LocalText(name, _ENGLISH_NAMES.get(code, "")))


def current_name(names: str) -> str:
    """Returns the name that a code has today, from all its names; empty when the code is no longer in use."""
    return next((match["name"] for match in _NAME_AND_YEARS.finditer(names) if not match["last"]), "")
