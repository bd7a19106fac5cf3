"""What people write into the system (reasons, remarks, names, names of files): as in records, every character is seen,
and what is shown to others, goes into tokens or is kept in the clear holds no number of a person.

A statement that an officer reads, or a name in a list, could else show what it does not say: `gpj.exe` as `exe.jpg`.
"""

import re
from collections.abc import Container, Iterator
from typing import Any, Final

from chengxin.errors import FieldError
from chengxin.values.personal_numbers import holds_personal_number
from chengxin.values.text_forms import code_point, first_unseen

# As the rule of records is named.
_RULE: Final = "characters"
_PLACE_IN_LIST: Final = re.compile(r"\.[0-9]+(?=\.|$)")


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


def number_faults(members: dict[str, Any], may: Container[str] = ()) -> list[FieldError]:
    """What is wrong with the texts in these members, however deep, that hold the number of a person.

    `may` are the members that may hold one, with all in them: their names, with dots between, without places in lists.
    The names of members are texts, too: what is wrong with one is told of what it is a member of.
    """
    faults = []
    waiting: list[tuple[str, Any]] = [*members.items()]
    while waiting:
        place, value = waiting.pop()
        if _PLACE_IN_LIST.sub("", place) in may:
            continue
        texts = value if isinstance(value, dict) else [value] if isinstance(value, str) else []
        if any(holds_personal_number(text) for text in texts):
            faults.append(number_fault(place))
        elif isinstance(value, dict):
            waiting += ((f"{place}.{name}", part) for name, part in value.items())
        elif isinstance(value, list | tuple):
            waiting += ((f"{place}.{number}", part) for number, part in enumerate(value))
    return faults


def number_fault(field: str) -> FieldError:
    """That a text holds the number of a person, which is not told."""
    zh, en = (
        "不得含有身份证号、银行卡号或电话号码，请删去",
        "holds an identity, bank card or telephone number; leave it out",
    )
    return FieldError(field, "personal_number", f"{zh} / {en}")


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
