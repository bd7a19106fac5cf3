"""Alphabet and length of the identifiers that a catalog entry can name, as regular expressions without anchors. Pure.

`FORMS` has the values of the contract's Identifier as keys. The expressions do not test check digits, birth dates and
provinces; `is_uscc` does. Python's `re` and ECMA-262, which JSON Schema uses, read them alike.
"""

import re
from typing import Final

from stdnum.cn import uscc

# GB 32100: registrar and category, region, organisation code, check digit; without I, O, S, V, Z.
USCC: Final = "[0-9]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
# GB 11643.
IDENTITY_NUMBER: Final = "[0-9]{17}[0-9X]"
# GB 11714, without its hyphen.
ORGANISATION_CODE: Final = "[0-9A-Z]{8}[0-9X]"

_USCC: Final = re.compile(USCC + r"\Z")

FORMS: Final = {"uscc": USCC, "identity_number": IDENTITY_NUMBER, "organisation_code": ORGANISATION_CODE}


def is_uscc(text: str) -> bool:
    """Whether a text is a unified social credit code (GB 32100): form, registrar, check digit.

    `000000000000000000` has a good check digit; no registrar has the code 0.
    """
    return bool(_USCC.match(text)) and text[0] != "0" and bool(uscc.is_valid(text))
