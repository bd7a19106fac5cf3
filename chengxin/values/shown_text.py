"""How a text is shown on a terminal: what a terminal would obey, or nobody would see, is an escape (`\\u202e`), which JSON
reads as the character."""

import re
from typing import Final

from chengxin.values.text_forms import HIDDEN_CLASS

_HIDDEN_OR_BREAK: Final = re.compile(f"[{HIDDEN_CLASS}\r\n]")


def escape(text: str) -> str:
    """The text as one line."""
    return _HIDDEN_OR_BREAK.sub(_as_escape, text)


def escape_lines(text: str) -> str:
    """The text with its lines as they are."""
    return "\n".join(map(escape, text.split("\n")))


def _as_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
