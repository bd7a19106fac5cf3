"""Check digits and parts of the identifiers that a catalog entry can name (GB 32100, GB 11643, GB 11714)."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from stdnum import numdb
from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

from chengxin.bounds import own
from chengxin.values.identifiers import IDENTITY_NUMBER, ORGANISATION_CODE, USCC

_USCC: Final = re.compile(rf"{USCC}\Z")
_IDENTITY_NUMBER: Final = re.compile(rf"{IDENTITY_NUMBER}\Z")
_ORGANISATION_CODE: Final = re.compile(rf"{ORGANISATION_CODE}\Z")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

own(
    __name__,
    "lru_cache",
    "lru_cache",
    resource="Faults of codes in memory",
    total=65_536,
    why="The least recently used is forgotten",
)


# The codes of organs repeat in every record of a delivery; without the cache each check takes 9 µs.
@lru_cache(65_536)
def uscc_fault(value: str) -> str | None:
    """Returns the fault of a unified social credit code: `length`, `format`, `check_digit`, or None."""
    if len(value) != 18:
        return "length"
    # No registrar has the code 0, though `000000000000000000` has a good check digit.
    if not _USCC.match(value) or value[0] == "0":
        return "format"
    return None if uscc.calc_check_digit(value) == value[-1] else "check_digit"


def identity_number_fault(value: str) -> str | None:
    """Returns the fault of an identity number: `length`, `format`, `check_digit`, `birth_date`, `region`, or None.

    Only the province is checked. A number keeps the county code of the day on which it was issued. Tables of counties
    by year of birth (as in `stdnum.cn.ric.validate`) are wrong for people who were born before the county existed.
    """
    if len(value) != 18:
        return "length"
    if not _IDENTITY_NUMBER.match(value):
        return "format"
    if ric.calc_check_digit(value) != value[-1]:
        return "check_digit"
    try:
        ric.get_birth_date(value)
    except ValidationError:
        return "birth_date"
    return None if _is_province(value[:2]) else "region"


@lru_cache(100)
def _is_province(digits: str) -> bool:
    return any(properties for _, properties in numdb.get("cn/loc").info(digits))


def organisation_code_fault(value: str) -> str | None:
    """Returns the fault of an organisation code without hyphen: `length`, `format`, `check_digit`, or None."""
    if len(value) != 9:
        return "length"
    if not _ORGANISATION_CODE.match(value):
        return "format"
    total = sum(_DIGITS.index(c) * w for c, w in zip(value, _ORGANISATION_WEIGHTS, strict=False))
    return None if "0123456789X0"[11 - total % 11] == value[-1] else "check_digit"


FAULTS: Final[dict[str, Callable[[str], str | None]]] = {
    "uscc": uscc_fault,
    "identity_number": identity_number_fault,
    "organisation_code": organisation_code_fault,
}
