"""The regions of GB/T 2260 (provinces, prefectures, counties), from python-stdnum's table for identity numbers. Pure."""

import re
from functools import cache
from typing import Final

from stdnum import numdb

from chengxin.bounds import own

# "[-1991]东郊区,[1992-]东丽区": the names of a code, with the years in which it stood for them.
_NAME_AND_YEARS: Final = re.compile(r"(?:\[\d*-(?P<last>\d*)\])?(?P<name>[^\[\],]+)")

own(__name__, "cache", resource="Names of regions in memory", total=1, why="One table of GB/T 2260")


@cache
def region_names() -> dict[str, str]:
    """Returns the name of every code that stands for a region today, in the order of codes."""
    return {
        province + rest: name
        for _, province, _, _, below in numdb.get("cn/loc").prefixes
        for _, rest, _, properties, _ in below
        if (name := current_name(properties.get("county", "")))
    }


def current_name(names: str) -> str:
    """Returns the name that a code has today, from all its names; empty when the code is no longer in use."""
    return next((match["name"] for match in _NAME_AND_YEARS.finditer(names) if not match["last"]), "")
