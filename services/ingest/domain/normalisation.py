"""Standardisation of delivered values (Art. 9): the same fact in the one way it is recorded, nothing else. Pure.

What is standard already stays as it is, and standardising twice is standardising once. What cannot be read with
certainty stays as delivered, and validation tells why.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from services.ingest.domain.catalog_entry import DeliveryItem

# What is open-ended is recorded as this day (docs/operations/submit.md).
OPEN_ENDED: Final = "2099-12-31"

_WIDE: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xA0: 0x20}
# In running text only letters, digits and spaces: full-width commas and brackets are Chinese punctuation.
_WIDE_TEXT: Final = {code: half for code, half in _WIDE.items() if chr(half).isalnum() or chr(half) == " "}
_ODD_TEXT: Final = re.compile("[\u00a0\u3000０-９Ａ-Ｚａ-ｚ]")

_HAN: Final = "\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff（）·"
_HAS_HAN: Final = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_ODD_NAME: Final = re.compile(r"[\s()•‧∙⋅・･]")
_NAME_SIGNS: Final = str.maketrans("()•‧∙⋅・･", "（）······")
_NAME_SPACES: Final = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")

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
_QUANTITY: Final = re.compile(
    rf"(?P<money>人民币|RMB|[¥￥])? ?(?P<number>{_DECIMAL}) ?(?P<unit>[^\d\s.,+-]\S*?)?(?P<even>整)?\Z", re.ASCII
)
# Powers of ten of one yuan.
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
_SEVERAL: Final = (re.compile(r"[;；]"), re.compile(r"[;；、,，/\n]"))


class ItemNormaliser:
    """The items of one entry version with the standard form of each."""

    def __init__(self, items: Iterable[DeliveryItem], subject_name_item: str = "") -> None:
        known = tuple(items)
        self._names = tuple(i.code for i in known if _is_name(i, subject_name_item))
        self._forms = {item.code: _form(item, item.code in self._names) for item in known}

    def apply(self, items: Mapping[str, str]) -> dict[str, str]:
        """The items as they are recorded; a value that cannot be read stays as delivered, an empty one is left out."""
        return {
            code: self._forms[code](text) if code in self._forms else text
            for code, value in items.items()
            if (text := value.strip())
        }

    def is_odd(self, items: Mapping[str, str]) -> bool:
        """Whether `apply` may have something to do with items that obey every rule; looks once at each character."""
        if _ODD_TEXT.search("".join(items.values())):
            return True
        return any(code in items and _ODD_NAME.search(items[code]) for code in self._names)


def to_date(text: str) -> str:
    """`2024/1/5`, `2024.1.5`, `20240105`, `2024年1月5日` as `2024-01-05`, `长期` as 2099-12-31; anything else as it is."""
    half = text.translate(_WIDE).strip()
    if half in _OPEN_ENDED_WORDS:
        return OPEN_ENDED
    found = _DATE.match(_DATE_SPACES.sub("", half))
    if found is None:
        return text
    year, *rest = (part for part in found.groups() if part is not None)
    return "-".join((year, *(part.zfill(2) for part in rest)))


def to_number(text: str, unit: str = "") -> str:
    """The decimal without exponent, separators of thousands, sign of zero or needless zeros; anything else as it is.

    With the item's unit, a number may carry its own: `1,250元` for an item in 万元 is 0.125.
    """
    half = text.translate(_WIDE).strip()
    if _NUMBER.match(half):
        return _plain(Decimal(half.replace(",", "")))
    found = _QUANTITY.match(half)
    power = _power(found["unit"] or "", unit, bool(found["money"])) if found else None
    if found is None or power is None or (found["even"] and unit not in _MONEY):
        return text
    return _plain(Decimal(found["number"].replace(",", "")).scaleb(power))


def to_name(text: str) -> str:
    """A Chinese name with full-width brackets, `·`, and no spaces beside Chinese characters; others single-spaced."""
    half = " ".join(text.translate(_WIDE_TEXT).split())
    return _NAME_SPACES.sub("", half.translate(_NAME_SIGNS)) if _HAS_HAN.search(half) else half


def to_text(text: str) -> str:
    """Letters, digits and spaces in their half-width forms."""
    return text.translate(_WIDE_TEXT).strip()


def is_date(text: str) -> bool:
    """Whether a text is a date of the calendar, written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_name(item: DeliveryItem, subject_name_item: str) -> bool:
    text = item.type == "text" and not item.identifier and not item.code_list
    return text and (item.code == subject_name_item or item.masking == "name")


def _form(item: DeliveryItem, name: bool) -> Callable[[str], str]:
    if item.type == "date":
        return to_date
    if item.type == "number":
        return lambda text: to_number(text, item.unit)
    if item.identifier:
        return _organisation_code if item.identifier == "organisation_code" else _identifier
    if item.code_list:
        return _Codes(item)
    return to_name if name else to_text


def _identifier(text: str) -> str:
    return "".join(text.translate(_WIDE).upper().split())


def _organisation_code(text: str) -> str:
    return _identifier(text).replace("-", "")


class _Codes:
    """Values of a code list, by code or by the name of one in either language."""

    def __init__(self, item: DeliveryItem) -> None:
        self._multiple = item.multiple
        self._codes = {value.code for value in item.code_list}
        named: dict[str, set[str]] = {}
        for value in item.code_list:
            for name in (value.code, value.name.zh, value.name.en):
                named.setdefault(_folded(name), set()).add(value.code)
        # A name that two codes share names neither.
        self._named = {name: next(iter(codes)) for name, codes in named.items() if name and len(codes) == 1}

    def __call__(self, text: str) -> str:
        """The code, or several joined by `;`; the text as it is where one of them is not known."""
        if (one := self._one(text)) is not None:
            return one
        for separator in _SEVERAL if self._multiple else ():
            codes = [self._one(part.strip()) for part in separator.split(text) if part.strip()]
            if codes and None not in codes:
                return ";".join(code for code in codes if code is not None)
        return text

    def _one(self, text: str) -> str | None:
        return text if text in self._codes else self._named.get(_folded(text))


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _power(own: str, unit: str, money: bool) -> int | None:
    """By which power of ten a number in its own unit is one in the item's; None when that cannot be told."""
    if unit not in _MONEY:
        return 0 if unit and own == unit and not money else None
    if not own:
        # A sign of money alone says yuan only where yuan are meant anyway.
        return 0 if _MONEY[unit] == 0 else None
    return _MONEY[own] - _MONEY[unit] if own in _MONEY else None


def _plain(number: Decimal) -> str:
    plain = f"{number:f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-0") else plain
