"""The provider's side: verification tasks addressed to it (Art. 25, 26)."""

from typing import Final

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from services.objection.context import OBJECTION_UNKNOWN, ActRequest, ObjectionContext
from services.objection.domain import cases
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case, CaseState, ProviderFinding

_LONGEST: Final = 4000


def own_task(ctx: ObjectionContext, caller: Principal, objection_no: str, *_: object, **__: object) -> Problem | None:
    """Only the organisation that supplied the record, once it is told to verify; to others there is no such task."""
    case = ctx.store.case(objection_no)
    if case is not None and case.notified_at and caller.org and case.record.provider_uscc == caller.org:
        return None
    return OBJECTION_UNKNOWN(objection_no=objection_no)


@rule("task.listed", roles={Role.PROVIDER}, articles=("25", "26"))
def tasks(
    ctx: ObjectionContext, caller: Principal, open_only: bool, after: tuple[str, str], size: int
) -> tuple[list[CaseView], bool]:
    """The tasks of the caller's organisation by due date, after a date and number; and whether there are more."""
    waiting_in = CaseState.PROVIDER_NOTIFIED.value if open_only else ""
    # Somebody without an organisation has no tasks.
    found = ctx.store.tasks(caller.org, waiting_in, after, size + 1) if caller.org else []
    return ctx.read_all("task.listed", caller, found, size)


@rule("task.read", roles={Role.PROVIDER}, articles=("25", "26"), when=(own_task,))
def task(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """One task of the caller's organisation. Raises OBJECTION_UNKNOWN."""
    return ctx.read("task.read", caller, objection_no)


@rule("task.answered", roles={Role.PROVIDER}, articles=("26",), when=(own_task,))
def answer(
    ctx: ObjectionContext,
    caller: Principal,
    objection_no: str,
    finding: ProviderFinding,
    evidence: str,
    asked: ActRequest,
) -> CaseView:
    """The provider has verified: the record is wrong, or right with evidence. Raises INPUT_INVALID, OBJECTION_STATE."""
    said = cases.may_say("evidence", evidence, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.answered(finding, said, ctx.now(), ctx.store.timetable_of(case, unit))

    words = (finding.value, said)
    return ctx.act("task.answered", caller, objection_no, does, asked, *words, finding=finding.value)


@rule("task.extended", roles={Role.PROVIDER}, articles=("26",), when=(own_task,))
def extend(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, asked: ActRequest) -> CaseView:
    """A complex case: the provider takes the longer time, once.

    Raises EXTENSION_ALREADY_GRANTED, EXTENSION_TOO_LATE, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    said = cases.said("reason", reason, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.given_more_time(said, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act("task.extended", caller, objection_no, does, asked, said)
