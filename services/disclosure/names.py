"""Names and codes as they are searched. Pure."""

import re
import unicodedata
from typing import Final

_SPACES: Final = re.compile(r"\s+")
_CODE: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{4,18}")


def normalised(text: str) -> str:
    """A name or query without differences of width, case and spacing."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text)).casefold()


def as_code(query: str) -> str:
    """The query as a unified social credit code or the beginning of one (four characters or more); else empty."""
    code = normalised(query).upper()
    return code if _CODE.fullmatch(code) else ""
