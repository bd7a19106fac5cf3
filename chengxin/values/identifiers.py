"""The identifiers of organisations and persons: what form each has, and what is wrong with a value. Pure.

The one place for them: `IDENTIFIERS` has the values of the contract's Identifier as keys. A form is a regular
expression without anchors, which Python's `re` and ECMA-262 (JSON Schema) read alike; a fault is also about check
digits and days. Dates of birth are judged by a day of the city's clock, which the caller passes in.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_11_10

from chengxin.bounds import own
from chengxin.values.issuing_states import FOREIGN, FOREIGN_DIGITS, ISSUERS
from chengxin.values.text_forms import standard_identifier, with_plain_dashes

# The fault of a value on a day: a word, or None.
FaultFinder = Callable[[str, date], str | None]

# GB 32100, table 1 with amendment 1: the departments that register organisations.
REGISTRARS: Final = {
    "1": "机构编制",
    "2": "外交",
    "3": "司法行政",
    "4": "文化",
    "5": "民政",
    "6": "旅游",
    "7": "宗教",
    "8": "工会",
    "9": "市场监督管理",
    "A": "中央军委改革和编制办公室",
    "N": "农业农村",
    "Y": "其他",
}
# GB 32100: without I, O, S, V, Z.
_CHARACTERS: Final = "0-9A-HJ-NPQRTUWXY"
# Registrar, category, region, organisation code, check digit. Categories are digits from 1 on. Which ones a registrar
# has is not fixed here: ministries add some by notice, for example 54 and 55 for committees of villages and residents.
USCC: Final = f"[{''.join(REGISTRARS)}][1-9][0-9]{{6}}[{_CHARACTERS}]{{10}}"

# GB/T 2260, and 83 for the residence permits of residents of Taiwan (those of Hong Kong and Macao have 81 and 82).
_PROVINCE: Final = "(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"
# Numbers were first given in 1984; nobody who lived then was born earlier.
_EARLIEST_YEAR: Final = 1870
_YEAR: Final = "(?:18[7-9]|19[0-9]|[2-9][0-9]{2})[0-9]"
_MONTH_AND_DAY: Final = "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
# GB 11643: region, date of birth, sequence, check digit.
IDENTITY_NUMBER: Final = f"{_PROVINCE}[0-9]{{4}}{_YEAR}{_MONTH_AND_DAY}[0-9]{{3}}[0-9X]"
# Foreigners' permanent residence cards. Since December 2023: 9, province, country (ISO 3166-1, three digits), date of
# birth, sequence, check digit as in GB 11643. Before: country (three letters), province and city, date of birth with
# two digits of the year, sequence and check digit.
PERMANENT_RESIDENCE_BEFORE_2023: Final = f"[A-Z]{{3}}{_PROVINCE}[0-9]{{4}}{_MONTH_AND_DAY}[0-9]{{2}}"
PERMANENT_RESIDENCE: Final = (
    f"(?:9{_PROVINCE}(?!000)[0-9]{{3}}{_YEAR}{_MONTH_AND_DAY}[0-9]{{3}}[0-9X]|{PERMANENT_RESIDENCE_BEFORE_2023})"
)
# ICAO Doc 9303: the State that issued it, in three letters, and the number. Two States may give the same number.
PASSPORT: Final = "[A-Z]{3}-[0-9A-Z]{5,9}"
# Mainland travel permits of residents of Hong Kong (H) and Macao (M), and of Taiwan. The number is for life.
HK_MACAO_PERMIT: Final = "[HM][0-9]{8}"
TAIWAN_PERMIT: Final = "[0-9]{8}"
# GB 11714, without its hyphen.
ORGANISATION_CODE: Final = "[0-9A-Z]{8}[0-9X]"
# 工商注册号, used before the credit code: 15 digits with a check digit (GS 15-2006), in earlier times 13 without. It is a
# scheme of its own, of which nothing is checked but that it is no person's.
REGISTRATION_NUMBER: Final = "registration_number"

_USCC: Final = re.compile(rf"{USCC}\Z")
_USCC_CHARACTERS: Final = re.compile(rf"[{_CHARACTERS}]{{2}}[0-9]{{6}}[{_CHARACTERS}]{{10}}\Z")
_EIGHTEEN_DIGITS: Final = re.compile(r"[0-9]{17}[0-9X]\Z")
_FIFTEEN_DIGITS: Final = re.compile(r"[0-9]{15}\Z")
_STARTS_IN_PROVINCE: Final = re.compile(_PROVINCE)
_PERMANENT_RESIDENCE: Final = re.compile(rf"{PERMANENT_RESIDENCE}\Z")
_PASSPORT: Final = re.compile(rf"{PASSPORT}\Z")
_PRINTED_GERMAN: Final = re.compile(r"\AD(?:<<)?(?=-[0-9A-Z]{5,9}\Z)")
_HK_MACAO_PERMIT: Final = re.compile(rf"{HK_MACAO_PERMIT}\Z")
_HK_MACAO_PERMIT_RENEWED: Final = re.compile(rf"{HK_MACAO_PERMIT}[0-9]{{2}}\Z")
_TAIWAN_PERMIT: Final = re.compile(rf"{TAIWAN_PERMIT}\Z")
_ORGANISATION_CODE: Final = re.compile(rf"{ORGANISATION_CODE}\Z")
# 税务登记号: the region, and the organisation code.
_TAX_REGISTRATION: Final = re.compile(rf"[0-9]{{6}}({ORGANISATION_CODE})\Z")
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

own(
    __name__,
    "lru_cache",
    resource="Faults of credit codes in memory",
    total=65_536,
    why="The least recently used is forgotten",
)


# The codes of organs repeat in every record of a delivery; without the cache each check takes 9 µs.
@lru_cache(65_536)
def uscc_fault(value: str) -> str | None:
    """Returns the fault of a unified social credit code (GB 32100): `length`, `format`, `registrar`, `check_digit`,
    `organisation_code` (the 9th to 17th, GB 11714), or None."""
    if len(value) != 18:
        return "length"
    if not _USCC_CHARACTERS.match(value):
        return "format"
    # `000000000000000000` has a good check digit; no registrar has the code 0.
    if not _USCC.match(value):
        return "registrar"
    if uscc.calc_check_digit(value) != value[-1]:
        return "check_digit"
    return "organisation_code" if organisation_code_fault(value[8:17]) else None


def is_uscc(text: str) -> bool:
    """Whether a text is a unified social credit code (GB 32100)."""
    return uscc_fault(text) is None


def is_organisation(text: str) -> bool:
    """Whether a text of which nobody said what it is stands for an organisation: a credit code that is no citizen's
    number. Some codes of digits alone have the form of an identity number with a region that does not exist."""
    return is_uscc(text) and identity_number_fault(text, date.max) is not None


def has_organisation_check(text: str) -> bool:
    """Whether a number that is given as an organisation's has a check digit of one: `is_organisation`, a business
    registration number of 15 digits (GS 15-2006: ISO 7064, MOD 11,10), or a tax registration number. Of old identity
    numbers, which have 15 digits and none, one in five has one by chance."""
    tax = _TAX_REGISTRATION.match(text)
    return (
        is_organisation(text)
        or bool(_FIFTEEN_DIGITS.match(text) and mod_11_10.is_valid(text))
        or bool(tax and organisation_code_fault(tax[1]) is None)
    )


def organisation_code_fault(value: str) -> str | None:
    """Returns the fault of an organisation code without hyphen (GB 11714): `length`, `format`, `check_digit`, or None."""
    if len(value) != 9:
        return "length"
    if not _ORGANISATION_CODE.match(value):
        return "format"
    total = sum(_DIGITS.index(c) * w for c, w in zip(value, _ORGANISATION_WEIGHTS, strict=False))
    return None if "0123456789X0"[11 - total % 11] == value[-1] else "check_digit"


def identity_number_fault(value: str, today: date) -> str | None:
    """Returns the fault of an identity number (GB 11643): `fifteen_digits`, `length`, `format`, `check_digit`,
    `birth_date`, `region`, or None.

    Residence permits of residents of Hong Kong, Macao and Taiwan have such a number (81, 82, 83). Of the region only the
    province is checked: a number keeps the county code of the day on which it was issued, and many counties are gone.
    """
    if _FIFTEEN_DIGITS.match(value):
        return "fifteen_digits"
    if len(value) != 18:
        return "length"
    if not _EIGHTEEN_DIGITS.match(value):
        return "format"
    if ric.calc_check_digit(value) != value[-1]:
        return "check_digit"
    if not _is_born(value[6:14], today):
        return "birth_date"
    return None if _STARTS_IN_PROVINCE.match(value) else "region"


def permanent_residence_fault(value: str, today: date) -> str | None:
    """Returns the fault of the number of a foreigner's permanent residence card, in the form of 18 or of 15 characters:
    `length`, `format`, `state`, `check_digit`, `birth_date`, or None. How the 15 characters are checked is not
    published."""
    if len(value) not in (15, 18):
        return "length"
    if not _PERMANENT_RESIDENCE.match(value):
        return "format"
    if len(value) == 15:
        if value[:3] not in FOREIGN:
            return "state"
        # Of the year there are two digits, so the century is open; 2000 had a 29th of February.
        return None if _is_born(f"20{value[7:13]}", date.max) else "birth_date"
    if ric.calc_check_digit(value) != value[-1]:
        return "check_digit"
    if value[3:6] not in FOREIGN_DIGITS:
        return "state"
    return None if _is_born(value[6:14], today) else "birth_date"


def passport_fault(value: str) -> str | None:
    """Returns the fault of the number of a passport with its State: `format`, `state`, or None."""
    if not _PASSPORT.match(value):
        return "format"
    return None if value[:3] in ISSUERS else "state"


def standard_form(scheme: str, text: str) -> str:
    """Returns an identifier as it is recorded, queried and compared: half-width capitals and digits without spaces.

    An organisation code has no hyphen. A permit of a resident of Hong Kong or Macao is written without the two digits
    that count its renewals, because the number before them stays for life. German passports say D where ISO 3166-1 has DEU.
    Who calls this twice gets the same.
    """
    plain = with_plain_dashes(standard_identifier(text))
    if scheme == "organisation_code":
        return plain.replace("-", "")
    if scheme in ("passport", ANY_DOCUMENT):
        plain = _PRINTED_GERMAN.sub("DEU", plain)
    if scheme in ("hk_macao_permit", ANY_DOCUMENT) and _HK_MACAO_PERMIT_RENEWED.match(plain):
        return plain[:9]
    return plain


def _is_born(text: str, today: date) -> bool:
    try:
        born = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return born.year >= _EARLIEST_YEAR and born <= today


def _of_form(form: re.Pattern[str]) -> FaultFinder:
    return lambda value, _today: None if form.match(value) else "format"


@dataclass(frozen=True)
class IdentifierKind:
    """What a scheme of identifiers is."""

    # A regular expression, and the most characters.
    form: str
    length: int
    fault: FaultFinder
    # Whether it identifies a natural person.
    personal: bool
    # What the form does not say, in Chinese and English; empty where it says everything.
    beyond_form: tuple[str, str] = ("", "")


def _both(*texts: tuple[str, str]) -> tuple[str, str]:
    return "；".join(zh for zh, _ in texts), "; ".join(en for _, en in texts)


_CHECK_DIGIT: Final = ("末位为校验码", "the last character is a check digit")
_CHECK_DIGITS: Final = (
    "末位为校验码，第 9 至 17 位为组织机构代码（GB 11714），其末位也是校验码",
    "the last character is a check digit, and so is the 17th, of the organisation code inside (9th to 17th, GB 11714)",
)
_BORN: Final = (
    "含出生日期：须为公历日期，不晚于当日；18 位号码末位为校验码（GB 11643）",
    "it holds the date of birth, a date of the calendar not after today; the last of 18 is a check digit (GB 11643)",
)
_STATE: Final = (
    "护照的签发国为 ISO 3166-1 或 ICAO 9303 的 3 位字母代码",
    "the State of a passport is a code of three letters of ISO 3166-1 or ICAO Doc 9303",
)
_COUNTRY: Final = (
    "永久居留身份证号码中的国籍为 ISO 3166-1 中国以外的国家或地区",
    "the country in the number of a permanent residence card is one of ISO 3166-1 other than China",
)
# The schemes, strongest first: a subject is shown under the strongest that it has.
IDENTIFIERS: Final = {
    "uscc": IdentifierKind(USCC, 18, lambda value, _today: uscc_fault(value), False, _CHECK_DIGITS),
    "identity_number": IdentifierKind(IDENTITY_NUMBER, 18, identity_number_fault, True, _BORN),
    "permanent_residence": IdentifierKind(
        PERMANENT_RESIDENCE, 18, permanent_residence_fault, True, _both(_BORN, _COUNTRY)
    ),
    "hk_macao_permit": IdentifierKind(HK_MACAO_PERMIT, 9, _of_form(_HK_MACAO_PERMIT), True),
    "taiwan_permit": IdentifierKind(TAIWAN_PERMIT, 8, _of_form(_TAIWAN_PERMIT), True),
    "passport": IdentifierKind(PASSPORT, 13, lambda value, _today: passport_fault(value), True, _STATE),
    "organisation_code": IdentifierKind(
        ORGANISATION_CODE, 9, lambda value, _today: organisation_code_fault(value), False, _CHECK_DIGIT
    ),
}
# What an item of a catalog entry may be declared to hold: one of the schemes, or the number of any document of a person.
# There the scheme follows from the value, because no form of one is the form of another.
ANY_DOCUMENT: Final = "personal_document"
_PERSONS: Final = {scheme: re.compile(rf"{kind.form}\Z") for scheme, kind in IDENTIFIERS.items() if kind.personal}
PERSONAL: Final = frozenset((*_PERSONS, ANY_DOCUMENT))


def fault_of(declared: str, value: str, today: date) -> str | None:
    """Returns what is wrong with an identifier in standard form; None when nothing is, or when nothing is checked."""
    scheme = scheme_of(declared, value)
    return IDENTIFIERS[scheme].fault(value, today) if scheme in IDENTIFIERS else None


def scheme_of(declared: str, value: str) -> str:
    """Returns the scheme of a value in standard form, of an item that is declared to hold it.

    Of documents of persons, what has no form of one is taken for an identity number.
    """
    if declared != ANY_DOCUMENT:
        return declared
    return next((scheme for scheme, form in _PERSONS.items() if form.match(value)), "identity_number")


def personal_scheme(text: str, today: date) -> str | None:
    """Returns the scheme under which a text is the number of a person's document, in whatever way it is written; None
    when it is none."""
    plain = standard_form(ANY_DOCUMENT, text)
    return None if fault_of(ANY_DOCUMENT, plain, today) else scheme_of(ANY_DOCUMENT, plain)


DECLARED: Final = IDENTIFIERS | {
    ANY_DOCUMENT: IdentifierKind(
        f"(?:{'|'.join(kind.form for kind in IDENTIFIERS.values() if kind.personal)})",
        max(kind.length for kind in IDENTIFIERS.values() if kind.personal),
        lambda value, today: fault_of(ANY_DOCUMENT, value, today),
        True,
        _both(_BORN, _COUNTRY, _STATE),
    )
}
