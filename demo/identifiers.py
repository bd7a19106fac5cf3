"""Identifiers of the demonstration world, with right check digits, which no real organisation or person can have.

`python -m demo.identifiers uscc 91 MA 7` and `python -m demo.identifiers person 1888-03-02 2` print one.
"""

import sys
from datetime import date
from typing import Final

from stdnum.cn import ric, uscc

# No organisation is registered in region 000000.
_NOWHERE: Final = "000000"
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# No person who was born in these years is alive.
_BORN: Final = (1886, 1899)


def organisation_code(body: str) -> str:
    """The GB 11714 code, without hyphen, with these 8 digits and capitals."""
    total = sum(_DIGITS.index(c) * w for c, w in zip(body, _ORGANISATION_WEIGHTS, strict=True))
    return body + "0123456789X0"[11 - total % 11]


def demo_uscc(registrar: str, number: int, prefix: str = "") -> str:
    """The unified social credit code (GB 32100) of the `number`th organisation of a registrar and category.

    `registrar` is two characters, for example `11` organ, `12` public institution, `51` social association,
    `91` company; `prefix` begins the organisation code, as `MA` does for new companies.

    Both check digits are right, also that of the organisation code inside (GB 11714). Numbers whose organisation code
    ends in X are used like any other. Raises `ValueError` when the number does not fit.
    """
    body = f"{prefix}{number:0{8 - len(prefix)}d}"
    if len(registrar) != 2 or len(body) != 8:
        raise ValueError("two characters of registrar, and a number that fits in 8")
    code = f"{registrar}{_NOWHERE}{organisation_code(body)}"
    return code + str(uscc.calc_check_digit(code))


def demo_identity_number(born: date, sequence: int, region: str = "441702") -> str:
    """The identity number (GB 11643) of the `sequence`th person registered for a day; odd numbers are men.

    Raises `ValueError` when a person of that year can be alive, or the sequence is not 1 to 999.
    """
    if not _BORN[0] <= born.year <= _BORN[1] or not 0 < sequence < 1000:
        raise ValueError(f"born in {_BORN[0]} to {_BORN[1]}, sequence 1 to 999")
    digits = f"{region}{born:%Y%m%d}{sequence:03d}"
    return digits + str(ric.calc_check_digit(digits + "0"))


def demo_permanent_residence(born: date, sequence: int) -> str:
    """The number of the permanent residence card (form of 2023) of the `sequence`th foreigner born on a day.

    Its country, 900, is no country: it is that of specimens. Raises `ValueError` as `demo_identity_number` does.
    """
    digits = f"944900{demo_identity_number(born, sequence)[6:17]}"
    return digits + str(ric.calc_check_digit(digits + "0"))


def main(arguments: list[str]) -> None:
    """Prints the identifier asked for."""
    match arguments:
        case ["uscc", registrar, number]:
            print(demo_uscc(registrar, int(number)))
        case ["uscc", registrar, prefix, number]:
            print(demo_uscc(registrar, int(number), prefix))
        case ["person", born, sequence]:
            print(demo_identity_number(date.fromisoformat(born), int(sequence)))
        case _:
            sys.exit("usage: python -m demo.identifiers uscc REGISTRAR [PREFIX] NUMBER | person BORN SEQUENCE")


if __name__ == "__main__":
    main(sys.argv[1:])
