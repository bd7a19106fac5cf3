"""Pages of tasks, which both faces answer."""

from dataclasses import dataclass

from chengxin.auth.principal import Principal
from chengxin.values.page_tokens import decode_page_token, encode_page_token
from services.objection.context import ObjectionContext
from services.objection.domain.case_views import CaseView
from services.objection.usecases import provider


@dataclass(frozen=True)
class TasksPage:
    """Some tasks, and the token of the next page; empty after the last."""

    tasks: list[CaseView]
    next_page_token: str


def tasks_page(ctx: ObjectionContext, caller: Principal, open_only: bool, token: str, size: int) -> TasksPage:
    """Returns a page of a provider's tasks by due date. Raises INPUT_INVALID."""
    due, number = decode_page_token(token, str, str) or ("", "")
    tasks, more = provider.tasks(ctx, caller, open_only, (due, number), size)
    if not more:
        return TasksPage(tasks, "")
    last = tasks[-1].case
    period = last.answer_period
    return TasksPage(tasks, encode_page_token([period.due.isoformat() if period else "", last.objection_no]))
