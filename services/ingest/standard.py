"""Thin standardisation of delivered values (Art. 9): the same fact in the one way it is recorded, nothing else."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from services.ingest.entry import Item

_WIDE: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_WIDE_ALPHANUMERIC: Final = {code: half for code, half in _WIDE.items() if chr(half).isalnum()}
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})|年(\d{1,2})月(\d{1,2})日|(\d{2})(\d{2}))"
    r"(?:[ T]0{1,2}:00(?::00(?:\.0+)?)?)?\Z",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)


def standardise(items: Mapping[str, str], known: Mapping[str, Item]) -> dict[str, str]:
    """The items as they are recorded; a value that cannot be read stays as delivered, an empty one is left out."""
    return {
        code: _value(text, known[code]) if code in known else text
        for code, value in items.items()
        if (text := value.strip())
    }


def to_date(text: str) -> str:
    """`2024/1/5`, `2024.1.5`, `20240105`, `2024年1月5日` as `2024-01-05`; anything else as it is."""
    found = _DATE.match(text.translate(_WIDE))
    if found is None:
        return text
    year, *rest = (part for part in found.groups() if part is not None)
    return "-".join((year, *(part.zfill(2) for part in rest)))


def to_number(text: str) -> str:
    """The decimal without exponent, sign of zero or needless zeros; anything else as it is."""
    half = text.translate(_WIDE)
    if not _NUMBER.match(half):
        return text
    plain = f"{Decimal(half):f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-0") else plain


def is_date(text: str) -> bool:
    """Whether a text is a date of the calendar, written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _value(text: str, item: Item) -> str:
    if item.type == "date":
        return to_date(text)
    if item.type == "number":
        return to_number(text)
    if item.identifier:
        half = text.translate(_WIDE).upper()
        return half.replace("-", "") if item.identifier == "organisation_code" else half
    if item.code_list:
        return _codes(text, item)
    return text


def _codes(text: str, item: Item) -> str:
    permitted = {value.code for value in item.code_list}
    if text in permitted:
        return text
    if not item.multiple:
        half = text.translate(_WIDE_ALPHANUMERIC)
        return half if half in permitted else text
    parts = [part.strip() for part in text.replace("；", ";").split(";")]
    halves = [part if part in permitted else part.translate(_WIDE_ALPHANUMERIC) for part in parts if part]
    return ";".join(halves) if set(halves) <= permitted else text
