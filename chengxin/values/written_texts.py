"""What people write into the system (reasons, remarks, names, names of files): as in records, every character is seen.

A statement that an officer reads, or a name in a list, could else show what it does not say: `gpj.exe` as `exe.jpg`.
"""

from collections.abc import Iterator
from typing import Any, Final

from chengxin.errors import FieldError
from chengxin.values.text_forms import code_point, first_unseen

# As the rule of records is named.
_RULE: Final = "characters"


def hidden_fault(field: str, text: str) -> FieldError | None:
    """What is wrong with a text that has a character which nobody sees; line breaks and tabs are none."""
    for place, char in first_unseen(text, 1):
        named = code_point(char)
        zh = f"第 {place} 个字符 {named} 是看不见的控制或格式字符，请删去"
        en = f"character {place}, {named}, is a control or format character that nobody sees; leave it out"
        return FieldError(field, _RULE, f"{zh} / {en}")
    return None


def hidden_faults(members: dict[str, Any]) -> list[FieldError]:
    """Those of all texts in these members, however deep."""
    return [fault for field, text in _texts_in(members) if (fault := hidden_fault(field, text))]


def _texts_in(members: dict[str, Any]) -> Iterator[tuple[str, str]]:
    # Without recursion: how deep the members are is their sender's choice.
    waiting: list[tuple[str, Any]] = [*members.items()]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            waiting += ((f"{place}.{name}", part) for name, part in value.items())
        elif isinstance(value, list | tuple):
            waiting += ((f"{place}.{number}", part) for number, part in enumerate(value))
