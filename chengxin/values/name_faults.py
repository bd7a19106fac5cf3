"""What is no name of an organisation or a person: signs alone, and a name of which somebody masked a part. Pure."""

import re
from typing import Final

_STARS: Final = "*\uff0a\ufe61\u2217\u204e\u2731"
_HAN: Final = "\u3400-\u9fff"
# `李**`, `李*娜`, `李××`; names have stars between letters of other scripts alone. `○` masks a person's name of one family
# name alone, because it is also a Chinese nought: `第一○○医院`. As Python and ECMA-262 read it.
MASKED_NAME: Final = (
    f"[{_STARS}×●]{{2}}|[{_HAN}][{_STARS}]|[{_STARS}][{_HAN}]|^[{_STARS}]|[{_STARS}]$"
    f"|^(?![一二三四五六七八九])[{_HAN}]{{1,2}}○+$"
)
_MASKED: Final = re.compile(MASKED_NAME)


def name_fault(name: str) -> str | None:
    """Returns the fault of a name in standard form: `letters` (it has none), `masked`, or None."""
    if not any(map(str.isalpha, name)):
        return "letters"
    return "masked" if _MASKED.search(name) else None
