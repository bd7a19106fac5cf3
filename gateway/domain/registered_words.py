"""The words with which clients, officers and representatives are registered: all that is in them is seen, because officers
approve what they read (decision 43). Pure."""

from typing import Final

from chengxin.errors import InBoth
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.text_forms import code_point, comparison_key, first_hidden

# Each is an address, too, where `.` and `..` are none (RFC 3986, 5.2.4).
ADDRESSED_NAME: Final = r"[a-z0-9_-][a-z0-9_.-]{0,63}"
_LINE_BREAKS: Final = "\t\n\r"


def word_fault(what: str, *texts: str) -> str | None:
    """Returns why one of some texts cannot be registered as `what`: nobody sees all that is in it, or it holds the number of
    a person, and it goes on record. None when all can."""
    for text in texts:
        if not comparison_key(text):
            return InBoth(f"{what} 没有可见的字", f"{what} has nothing that is seen")
        if holds_personal_number(text):
            return InBoth(
                f"{what} 会留痕，不得含身份号码或电话号码",
                f"{what} goes on record and holds no identity or telephone number",
            )
        if unseen := [char for char in _LINE_BREAKS if char in text] or [char for _, char in first_hidden(text, 1)]:
            char = code_point(unseen[0])
            return InBoth(f"{what} 含有不可见的字符：{char}", f"{what} has a character that nobody sees: {char}")
    return None
