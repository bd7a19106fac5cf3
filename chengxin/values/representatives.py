"""Which items of an entry name the representative of an organisation. Pure."""

import re
from typing import Final

_WORD: Final = "(?:法定代表人|法人代表|(?:主要)?负责人|经营者|投资人|执行事务合伙人)(?:姓名)?"
# `法定代表人（负责人）`, `法定代表人或主要负责人姓名`.
_REPRESENTATIVE: Final = re.compile(rf"(?:单位|企业|机构)?{_WORD}(?:[或及、/（(]{_WORD}[）)]?)*")


def names_representative(item_name: str) -> bool:
    """Whether an item with this Chinese name has the names of those who represent an organisation."""
    return _REPRESENTATIVE.fullmatch(item_name) is not None
