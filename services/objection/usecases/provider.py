"""What a provider does: it answers the verification tasks of its records (Art. 25, 26)."""

from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from services.objection.context import OBJECTION_UNKNOWN, ActRequest, ObjectionContext
from services.objection.domain.case_states import CaseState, ProviderFinding
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case
from services.objection.domain.texts import optional_text, require_text

LONGEST: Final = 4000


def own_task(ctx: ObjectionContext, caller: Principal, case: Case | None, objection_no: str) -> Problem | None:
    """Only the organisation that supplied the record, once it is notified; others are told that there is none."""
    if case is not None and case.notified_at and caller.org and case.record.provider_uscc == caller.org:
        return None
    return OBJECTION_UNKNOWN(objection_no=objection_no)


@query(Act.TASK_LISTED, roles={Role.PROVIDER}, articles=("25", "26"))
def tasks(
    ctx: ObjectionContext, caller: Principal, open_only: bool, after: tuple[str, str], size: int
) -> tuple[list[CaseView], bool]:
    """The tasks of the caller's organisation by due date, after a date and number; and whether there are more."""
    waiting_in = CaseState.PROVIDER_NOTIFIED.value if open_only else ""
    # A caller without an organisation has no tasks.
    found = ctx.store.tasks(caller.org, waiting_in, after, size + 1) if caller.org else []
    return ctx.read_all(Act.TASK_LISTED, caller, found, size)


@query(Act.TASK_READ, roles={Role.PROVIDER}, articles=("25", "26"), may=own_task)
def task(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """One task of the caller's organisation. Raises OBJECTION_UNKNOWN."""
    return ctx.read(Act.TASK_READ, caller, objection_no)


@command(Act.TASK_ANSWERED, roles={Role.PROVIDER}, articles=("26",), may=own_task)
def answer(
    ctx: ObjectionContext,
    caller: Principal,
    objection_no: str,
    finding: ProviderFinding,
    evidence: str,
    request: ActRequest,
) -> CaseView:
    """The provider has verified: the record is wrong, or right with evidence. Raises INPUT_INVALID, OBJECTION_STATE."""
    text = optional_text("evidence", evidence, LONGEST)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.answered(finding, text, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.TASK_ANSWERED, caller, objection_no, change, request, finding.value, text, finding=finding.value)


@command(Act.ANSWER_RETRACTED, roles={Role.PROVIDER}, articles=("26",), may=own_task)
def retract_answer(
    ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, request: ActRequest
) -> CaseView:
    """The provider takes an answer back that it gave by mistake, and answers again within the time that it had.

    Raises OBJECTION_STATE, OBJECTION_CLOSED, RETRACTED_TOO_OFTEN.
    """
    text = require_text("reason", reason, LONGEST)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.answer_retracted(text, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.ANSWER_RETRACTED, caller, objection_no, change, request, text)


@command(Act.TASK_EXTENDED, roles={Role.PROVIDER}, articles=("26",), may=own_task)
def extend(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, request: ActRequest) -> CaseView:
    """The provider takes the longer period for a complex case, once.

    Raises EXTENSION_ALREADY_GRANTED, EXTENSION_TOO_LATE, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    text = require_text("reason", reason, LONGEST)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.given_more_time(text, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.TASK_EXTENDED, caller, objection_no, change, request, text)
