"""Supervision of how objections are handled (Art. 30), and the guideline that everybody may read (Art. 28)."""

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from services.objection.context import Objections
from services.objection.domain.case_views import Sight
from services.objection.domain.deadlines import Rules

_SUPERVISE = {Role.SUPERVISOR, Role.AUTHORITY}


@rule("course.read", roles=_SUPERVISE, articles=("30",))
def course(room: Objections, caller: Principal, objection_no: str) -> Sight:
    """How a case goes: states, deadlines, lateness, and no word of what was written. Raises OBJECTION_UNKNOWN."""
    return room.read("course.read", caller, objection_no)


@rule("course.listed", roles=_SUPERVISE, articles=("30",))
def courses(
    room: Objections, caller: Principal, state: str, overdue: bool, after: str, size: int
) -> tuple[list[Sight], bool]:
    """How cases go, oldest first, after a number; and whether there are more."""
    late_on = room.clock.today() if overdue else None
    return room.read_all("course.listed", caller, room.store.cases(state, late_on, after, size + 1), size)


def rules_in_force(room: Objections) -> Rules:
    """The deadlines of today, for the guideline. Raises DEADLINE_UNKNOWN before the catalog's feed has told them."""
    return room.store.timetable_in_force(room.clock.today()).rules
