"""Makes a search of the log from the texts that both faces receive."""

from chengxin.errors import INPUT_INVALID, FieldError
from services.audit.domain.event import EventSearch, instant


def search(**conditions: str) -> EventSearch:
    """Returns the search for these conditions; `since` and `until` are RFC 3339 in UTC. Raises INPUT_INVALID."""
    wrong = []
    for name, shown in (("since", "from"), ("until", "until")):
        if text := conditions.get(name):
            if (found := instant(text)) is None:
                message = (
                    "应为 RFC 3339 UTC 时刻 / must be an RFC 3339 instant in UTC, for example 2026-11-24T04:00:00Z"
                )
                wrong.append(FieldError(shown, "instant", message))
            else:
                conditions[name] = found
    first, end = conditions.get("since"), conditions.get("until")
    if not wrong and first and end and first >= end:
        wrong.append(FieldError("from", "range", "应早于 until / must be before until"))
    if wrong:
        raise INPUT_INVALID(fields=wrong)
    return EventSearch(**conditions)
