"""What requests name in order to narrow what is asked for: organisations, subjects, events, acts, regions, entries.

A name of what cannot be is refused. "Nothing found" would be believed: with a slip in an entry's code, a subject would
seem to be clean. An empty name stands for all.
"""

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from chengxin.errors import FieldError
from chengxin.values.acts import Act
from chengxin.values.identifiers import is_uscc
from chengxin.values.ids import is_subject_ref
from chengxin.values.region_codes import region_names
from chengxin.values.text_forms import with_hidden_named

_ANYTHING: Final[Callable[[str], bool]] = bool
_MOST_TOLD: Final = 8
_ACTS: Final = frozenset(map(str, Act))


@dataclass(frozen=True)
class NamedThing:
    """A kind of thing that is named in one form."""

    rule: str
    # The form, as JSON Schema has it; it takes the empty name, too.
    pattern: str
    zh: str
    en: str
    # What the form cannot say, such as a check digit.
    can_be: Callable[[str], bool] = _ANYTHING

    def fault(self, field: str, name: str) -> FieldError | None:
        """What is wrong with a name in a field of a request."""
        if not name or (re.search(self.pattern, name, re.ASCII) and "\n" not in name and self.can_be(name)):
            return None
        return self.refused(field)

    def refused(self, field: str) -> FieldError:
        """What is wrong with a field that names none of these."""
        return FieldError(field, self.rule, f"{self.zh} / {self.en}")


ORGANISATION: Final = NamedThing(
    "uscc",
    r"^([0-9A-HJ-NPQRTUWXY]{18})?$",
    "不是有效的统一社会信用代码（GB 32100），请核对",
    "not a valid unified social credit code (GB 32100)",
    is_uscc,
)
SUBJECT: Final = NamedThing(
    "subject_ref",
    r"^(s_[a-z2-7]{26})?$",
    "不是主体代号，请使用系统返回的 subject_ref",
    "not a pseudonym; use a subject_ref that an answer gave",
)
EVENT: Final = NamedThing(
    "event_id",
    r"^(ev_[0-9a-v]{26})?$",
    "不是事件编号，应为 ev_ 加 26 位",
    "not a number of an event: ev_ and 26 characters",
)
REQUEST: Final = NamedThing(
    "request_id",
    r"^(req_[0-9a-v]{26})?$",
    "不是请求编号，应为应答头 X-Request-Id 中的 req_ 加 26 位",
    "not a number of a request: req_ and 26 characters, as X-Request-Id of its answer tells",
)
ACTOR: Final = NamedThing(
    "actor",
    r"^[A-Za-z0-9_.:@/-]{0,80}$",
    "不是行为人：客户端编号、officer:用户名或主体代号",
    "no actor: the id of a client, officer:<user name>, or a subject's pseudonym",
    lambda name: is_subject_ref(name) or not name.startswith("s_"),
)
ACT: Final = NamedThing(
    "act",
    r"^([a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*)?$",
    "没有这种行为，全部行为见 docs/audit-acts.md",
    "there is no such act; all are in docs/audit-acts.md",
    _ACTS.__contains__,
)
REGION: Final = NamedThing(
    "region",
    r"^([0-9]{6})?$",
    "应为 6 位行政区划代码（GB/T 2260），例如 441702",
    "six digits, a code of GB/T 2260, for example 441702",
)


def unknown_name(field: str, rule: str, name: str, known: Collection[str]) -> FieldError:
    """The fault of a name that is none of the known ones; it tells those that may be meant."""
    near = difflib.get_close_matches(name[:64].upper(), known, _MOST_TOLD, 0.3) or sorted(known)[:_MOST_TOLD]
    told, said = ", ".join(near) or "-", with_hidden_named(name[:64])
    return FieldError(
        field, rule, f"没有“{said}”，现有例如：{told} / there is no “{said}”; there are, for example: {told}"
    )


def is_region(name: str) -> bool:
    """Whether a name is a code of GB/T 2260 in use. A city's own list may have more."""
    return name in region_names()
