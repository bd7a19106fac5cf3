"""Alphabet and length of the identifiers that a catalog entry can name, as regular expressions without anchors. Pure.

`FORMS` has the values of the contract's Identifier as keys. The expressions do not test check digits, birth dates and
provinces. Python's `re` and ECMA-262, which JSON Schema uses, read them alike.
"""

from typing import Final

# GB 32100: registrar and category, region, organisation code, check digit; without I, O, S, V, Z.
USCC: Final = "[0-9]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}"
# GB 11643.
IDENTITY_NUMBER: Final = "[0-9]{17}[0-9X]"
# GB 11714, without its hyphen.
ORGANISATION_CODE: Final = "[0-9A-Z]{8}[0-9X]"

FORMS: Final = {"uscc": USCC, "identity_number": IDENTITY_NUMBER, "organisation_code": ORGANISATION_CODE}
