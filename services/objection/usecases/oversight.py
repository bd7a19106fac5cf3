"""Supervision of how objections are handled (Art. 30), and the guideline that everybody may read (Art. 28)."""

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.values.acts import Act
from services.objection.context import ObjectionContext, any_case
from services.objection.domain.case_views import CaseView
from services.objection.domain.deadlines import DeadlineRules

_SUPERVISE = {Role.SUPERVISOR, Role.AUTHORITY}


@query(Act.COURSE_READ, roles=_SUPERVISE, articles=("30",), may=any_case)
def course(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """The course of a case: states, deadlines, lateness, and none of its texts. Raises OBJECTION_UNKNOWN."""
    return ctx.read(Act.COURSE_READ, caller, objection_no)


@query(Act.COURSE_LISTED, roles=_SUPERVISE, articles=("30",))
def courses(
    ctx: ObjectionContext, caller: Principal, state: str, overdue: bool, after: str, size: int
) -> tuple[list[CaseView], bool]:
    """The courses of cases, oldest first, after a number; and whether there are more."""
    late_on = ctx.clock.today() if overdue else None
    return ctx.read_all(Act.COURSE_LISTED, caller, ctx.store.cases(state, late_on, after, size + 1), size)


def rules_in_force(ctx: ObjectionContext) -> DeadlineRules:
    """Returns the deadlines of today, for the guideline. Raises DEADLINE_UNKNOWN before the catalog's feed has come."""
    return ctx.store.timetable_in_force(ctx.clock.today()).rules
