"""Pages, the same from both faces."""

from dataclasses import dataclass

from chengxin.auth.principal import Principal
from chengxin.values.page_tokens import decode_page_token, encode_page_token
from services.objection.context import ObjectionContext
from services.objection.domain.case_views import CaseView
from services.objection.usecases import provider


@dataclass(frozen=True)
class TasksPage:
    """Some tasks, and where the next ones are."""

    sights: list[CaseView]
    next_page_token: str


def tasks_page(ctx: ObjectionContext, caller: Principal, open_only: bool, token: str, size: int) -> TasksPage:
    """A provider's tasks by due date. Raises INPUT_INVALID."""
    due, number = decode_page_token(token, str, str) or ("", "")
    sights, more = provider.tasks(ctx, caller, open_only, (due, number), size)
    if not more:
        return TasksPage(sights, "")
    last = sights[-1].case
    period = last.answer_period
    return TasksPage(sights, encode_page_token([period.due.isoformat() if period else "", last.objection_no]))
