"""Standardises delivered values (Art. 9): it writes the same fact in the one form that is recorded, and nothing else.

A value in standard form stays as it is, so a second standardisation changes nothing. A value that cannot be read with
certainty stays as delivered, and validation reports why.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Final

from chengxin.values.clock import read_day
from chengxin.values.identifiers import DECLARED, standard_form
from chengxin.values.text_forms import (
    comparison_key,
    is_odd_name,
    is_odd_text,
    standard_name,
    standard_text,
    with_narrow_signs,
    with_plain_dashes,
)
from services.ingest.domain.catalog_entry import DeliveryEntry, DeliveryItem

# An open-ended date is recorded as this day (docs/operations/submit.md).
OPEN_ENDED: Final = "2099-12-31"

_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})|年(\d{1,2})月(\d{1,2})[日号]"
    r"|(\d{2})(\d{2}))"
    r"(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?)?\Z",
    re.ASCII,
)
_DATE_SPACES: Final = re.compile(r"(?<=[-/.年月])\s+|\s+(?=[-/.年月日号])")
_OPEN_ENDED_WORDS: Final = frozenset({"长期", "长期有效", "永久", "永久有效", "无固定期限"})

_DECIMAL: Final = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
_NUMBER: Final = re.compile(rf"{_DECIMAL}(?:[eE][+-]?\d{{1,3}})?\Z", re.ASCII)
# How spreadsheets write a number of 12 digits or more that they have rounded (`1.23457E+11`), and our reader of workbooks
# one that has more than the 15 digits which they keep.
_ROUNDED: Final = re.compile(r"[+-]?\d(?:(?:\.\d+)?[eE]\+(?:1[1-9]|[2-9]\d|\d{3})|\.\d{15,}[eE]\+\d{1,2})\Z", re.ASCII)
_QUANTITY: Final = re.compile(
    rf"(?P<money>人民币|RMB|[¥￥])? ?(?P<number>{_DECIMAL}) ?(?P<unit>[^\d\s.,+-]\S*?)?(?P<even>整)?\Z", re.ASCII
)
# Units of money, as powers of ten of one yuan.
_MONEY: Final = {
    "元": 0,
    "百元": 2,
    "千元": 3,
    "万元": 4,
    "百万元": 6,
    "千万元": 7,
    "亿元": 8,
    "圆": 0,
    "万": 4,
    "亿": 8,
}
_SEPARATORS: Final = (re.compile(r"[;；]"), re.compile(r"[;；、,，/\n]"))


class ItemNormaliser:
    """Standardises the items of one entry version."""

    def __init__(self, entry: DeliveryEntry) -> None:
        self._names = tuple(i.code for i in entry.items if entry.is_name(i))
        self._forms = {item.code: _choose_form(item, item.code in self._names) for item in entry.items}
        # No rule tells these in standard form from others.
        self._unchecked = tuple(i.code for i in entry.items if i.identifier and i.identifier not in DECLARED)

    def apply(self, items: Mapping[str, str]) -> dict[str, str]:
        """Returns the items as they are recorded; unreadable values stay as delivered, empty ones are left out."""
        return {
            # A dash alone is no organisation code without its dash.
            code: self._forms[code](text) or text if code in self._forms else text
            for code, value in items.items()
            if (text := value.strip())
        }

    def is_odd(self, items: Mapping[str, str]) -> bool:
        """Whether `apply` may change items that obey every rule; the check looks once at each character."""
        if is_odd_text("".join(items.values())):
            return True
        if any(code in items and self._forms[code](items[code]) != items[code] for code in self._unchecked):
            return True
        return any(code in items and is_odd_name(items[code]) for code in self._names)


def to_date(text: str) -> str:
    """Converts a date to `2024-01-05` from `2024/1/5`, `2024.1.5`, `20240105` or `2024年1月5日`.

    `长期` becomes 2099-12-31; any other text is returned as it is.
    """
    narrow = with_plain_dashes(with_narrow_signs(text))
    if narrow in _OPEN_ENDED_WORDS:
        return OPEN_ENDED
    match = _DATE.match(_DATE_SPACES.sub("", narrow))
    if match is None:
        return text
    year, *month_and_day = (part for part in match.groups() if part is not None)
    return "-".join((year, *(part.zfill(2) for part in month_and_day)))


def to_number(text: str, unit: str = "") -> str:
    """Writes a decimal without exponent, thousands separators, sign of zero or needless zeros.

    If the item has a unit, the number may carry its own: `1,250元` for an item in 万元 is 0.125. A number that a
    spreadsheet has rounded keeps its exponent, because its last digits are lost. Any other text is returned as it is.
    """
    narrow = with_narrow_signs(text)
    if _ROUNDED.match(narrow):
        return narrow
    if _NUMBER.match(narrow):
        return _format_decimal(Decimal(narrow.replace(",", "")))
    quantity = _QUANTITY.match(narrow)
    power = _power_of_ten(quantity["unit"] or "", unit, bool(quantity["money"])) if quantity else None
    if quantity is None or power is None or (quantity["even"] and unit not in _MONEY):
        return text
    return _format_decimal(Decimal(quantity["number"].replace(",", "")).scaleb(power))


def is_date(text: str) -> bool:
    """Whether a text is a date of the calendar, written YYYY-MM-DD."""
    try:
        read_day(text)
    except ValueError:
        return False
    return True


def _choose_form(item: DeliveryItem, is_name: bool) -> Callable[[str], str]:
    if item.type == "date":
        return to_date
    if item.type == "number":
        return lambda text: to_number(text, item.unit)
    if item.identifier:
        return partial(standard_form, item.identifier)
    if item.code_list:
        return _CodeNormaliser(item)
    return standard_name if is_name else standard_text


class _CodeNormaliser:
    """Standardises values of a code list, given as codes or as names in either language."""

    def __init__(self, item: DeliveryItem) -> None:
        self._multiple = item.multiple
        self._codes = {value.code for value in item.code_list}
        named: dict[str, set[str]] = {}
        for value in item.code_list:
            for name in (value.code, value.name.zh, value.name.en):
                named.setdefault(comparison_key(name), set()).add(value.code)
        # A name that two codes share stands for neither of them.
        self._codes_by_name = {name: next(iter(codes)) for name, codes in named.items() if name and len(codes) == 1}

    def __call__(self, text: str) -> str:
        """Returns the code, or several codes joined by `;`; the text as it is when one of them is unknown."""
        if (code := self._find_code(text)) is not None:
            return code
        for separator in _SEPARATORS if self._multiple else ():
            codes = [self._find_code(part.strip()) for part in separator.split(text) if part.strip()]
            if codes and None not in codes:
                return ";".join(code for code in codes if code is not None)
        return text

    def _find_code(self, text: str) -> str | None:
        return text if text in self._codes else self._codes_by_name.get(comparison_key(text))


def _power_of_ten(own_unit: str, unit: str, has_money_sign: bool) -> int | None:
    """Returns the power of ten that converts a number from its own unit to the item's; None when it is unclear."""
    if unit not in _MONEY:
        return 0 if unit and own_unit == unit and not has_money_sign else None
    if not own_unit:
        # A money sign without a unit is accepted only for items in yuan.
        return 0 if _MONEY[unit] == 0 else None
    return _MONEY[own_unit] - _MONEY[unit] if own_unit in _MONEY else None


def _format_decimal(number: Decimal) -> str:
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
