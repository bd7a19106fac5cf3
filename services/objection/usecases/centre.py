"""The centre's side: acceptance, verification, decision (Art. 24, 25, 27)."""

from collections.abc import Sequence
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from services.objection.context import ActRequest, ObjectionContext, any_case
from services.objection.domain.case_states import CaseOutcome, CentreFinding
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case
from services.objection.domain.evidence import Evidence
from services.objection.domain.texts import require_text

_LONGEST: Final = 2000
_MOST_MISSING: Final = 50


@command(Act.OBJECTION_ACCEPTED, roles={Role.CENTRE}, articles=("24",), may=any_case)
def accept(ctx: ObjectionContext, caller: Principal, objection_no: str, asked: ActRequest) -> CaseView:
    """The centre accepts an objection and begins to verify. Raises OBJECTION_STATE, OBJECTION_CLOSED."""

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.accepted(ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.OBJECTION_ACCEPTED, caller, objection_no, does, asked)


@command(Act.OBJECTION_REFUSED, roles={Role.CENTRE}, articles=("24",), may=any_case)
def refuse(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, asked: ActRequest) -> CaseView:
    """The centre does not accept an objection, and says why. Raises OBJECTION_STATE, OBJECTION_CLOSED."""
    said = require_text("reason", reason, _LONGEST)
    return ctx.act(
        Act.OBJECTION_REFUSED, caller, objection_no, lambda case, _: case.refused(said, ctx.now()), asked, said
    )


@command(Act.SUPPLEMENT_REQUESTED, roles={Role.CENTRE}, articles=("24",), may=any_case)
def request_supplement(
    ctx: ObjectionContext, caller: Principal, objection_no: str, missing: Sequence[str], asked: ActRequest
) -> CaseView:
    """The centre sends an objection back, once, listing everything that is missing.

    Raises SUPPLEMENT_ALREADY_REQUESTED, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    if not 1 <= len(missing) <= _MOST_MISSING:
        raise INPUT_INVALID(fields=[FieldError("missing", "count", f"1 … {_MOST_MISSING}")])
    said = [require_text(f"missing.{n}", text, _LONGEST) for n, text in enumerate(missing)]

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.supplement_requested(said, ctx.now())

    return ctx.act(Act.SUPPLEMENT_REQUESTED, caller, objection_no, does, asked, said, missing=len(said))


@command(Act.OBJECTION_VERIFIED, roles={Role.CENTRE}, articles=("25",), may=any_case)
def verify(
    ctx: ObjectionContext, caller: Principal, objection_no: str, finding: CentreFinding, note: str, asked: ActRequest
) -> CaseView:
    """The centre finds the system at fault, or the record as its source has it; then the provider is told to verify.

    Raises OBJECTION_STATE, OBJECTION_CLOSED.
    """
    said = require_text("note", note, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.verified(finding, said, ctx.now(), ctx.store.timetable_of(case, unit))

    words = (finding.value, said)
    return ctx.act(Act.OBJECTION_VERIFIED, caller, objection_no, does, asked, *words, finding=finding.value)


@command(Act.OBJECTION_DECIDED, roles={Role.CENTRE}, articles=("27",), may=any_case)
def decide(
    ctx: ObjectionContext,
    caller: Principal,
    objection_no: str,
    outcome: CaseOutcome,
    explanation: str,
    asked: ActRequest,
) -> CaseView:
    """The centre concludes, corrected or as recorded, and tells the applicant why.

    Raises CORRECTION_NOT_SEEN, CORRECTION_WAS_MADE, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    said = require_text("explanation", explanation, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.decided(outcome, said, ctx.now())

    words = (outcome.value, said)
    return ctx.act(Act.OBJECTION_DECIDED, caller, objection_no, does, asked, *words, outcome=outcome.value)


@query(Act.OBJECTION_READ, roles={Role.CENTRE}, articles=("24", "25", "27"), may=any_case)
def read(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """The centre reads an objection. Raises OBJECTION_UNKNOWN."""
    return ctx.read(Act.OBJECTION_READ, caller, objection_no)


@query(Act.OBJECTION_LISTED, roles={Role.CENTRE}, articles=("24", "25", "27"))
def listed(
    ctx: ObjectionContext, caller: Principal, state: str, overdue: bool, after: str, size: int
) -> tuple[list[CaseView], bool]:
    """Objections in a state, or all, oldest first, after a number; and whether there are more."""
    late_on = ctx.clock.today() if overdue else None
    return ctx.read_all(Act.OBJECTION_LISTED, caller, ctx.store.cases(state, late_on, after, size + 1), size)


@query(Act.EVIDENCE_READ, roles={Role.CENTRE}, articles=("24", "25"), may=any_case)
def evidence(ctx: ObjectionContext, caller: Principal, objection_no: str, number: int) -> tuple[Evidence, bytes]:
    """The centre reads an attachment. Raises OBJECTION_UNKNOWN."""
    return ctx.evidence(Act.EVIDENCE_READ, caller, objection_no, number)
