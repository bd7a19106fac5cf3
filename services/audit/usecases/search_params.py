"""A search as it travels: texts to conditions, and a token to the place where its page begins."""

from typing import Final

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.values.page_tokens import decode_page_token, refused_page_token
from services.audit.domain.event import EventSearch, instant

_GREATEST_INDEX: Final = 2**62


def search(**conditions: str) -> EventSearch:
    """The search for these conditions; `since` and `until` are RFC 3339 in UTC. Raises INPUT_INVALID."""
    wrong = []
    for name, shown in (("since", "from"), ("until", "until")):
        if text := conditions.get(name):
            if (found := instant(text)) is None:
                told = "应为 RFC 3339 UTC 时刻 / must be an RFC 3339 instant in UTC, for example 2026-11-24T04:00:00Z"
                wrong.append(FieldError(shown, "instant", told))
            else:
                conditions[name] = found
    if wrong:
        raise INPUT_INVALID(fields=wrong)
    return EventSearch(**conditions)


def below(page_token: str) -> int:
    """The index below which the page begins that a token stands for; 0 for the first page. Raises INPUT_INVALID."""
    found = decode_page_token(page_token, int)
    if found is None:
        return 0
    if not 0 < found[0] < _GREATEST_INDEX:
        raise refused_page_token()
    return int(found[0])
