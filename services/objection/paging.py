"""Pages, the same from both faces."""

from dataclasses import dataclass
from typing import Any

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.principal import Principal
from chengxin.web import decode_page_token, encode_page_token
from services.objection import provider
from services.objection.room import Objections
from services.objection.sight import Sight


@dataclass(frozen=True)
class TasksPage:
    """Some tasks, and where the next ones are."""

    sights: list[Sight]
    next_page_token: str


def tasks_page(room: Objections, caller: Principal, open_only: bool, token: str, size: int) -> TasksPage:
    """A provider's tasks by due date. Raises INPUT_INVALID."""
    due, number = position(token, str, str) or ("", "")
    sights, more = provider.tasks(room, caller, open_only, (due, number), size)
    if not more:
        return TasksPage(sights, "")
    last = sights[-1].case
    period = last.answer_period
    return TasksPage(sights, encode_page_token([period.due.isoformat() if period else "", last.objection_no]))


def position(token: str, *kinds: type) -> list[Any] | None:
    """Where a token says that a page begins, None for the first page. Raises INPUT_INVALID."""
    found = decode_page_token(token)
    if found is None:
        return None
    if not isinstance(found, list) or [type(part) for part in found] != list(kinds):
        told = "use next_page_token of the previous answer unchanged / 请原样使用上一页返回的 next_page_token"
        raise INPUT_INVALID(fields=[FieldError("page_token", "page_token", told)])
    return found
