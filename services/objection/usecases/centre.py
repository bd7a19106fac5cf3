"""The centre's side: acceptance, verification, decision (Art. 24, 25, 27)."""

from collections.abc import Sequence
from typing import Final

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import UnitOfWork
from services.objection.context import ActRequest, ObjectionContext
from services.objection.domain import cases
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case, CaseOutcome, CentreFinding
from services.objection.domain.evidence import Evidence

_LONGEST: Final = 2000
_MOST_MISSING: Final = 50


@rule("objection.accepted", roles={Role.CENTRE}, articles=("24",))
def accept(ctx: ObjectionContext, caller: Principal, objection_no: str, asked: ActRequest) -> CaseView:
    """The centre accepts an objection and begins to verify. Raises OBJECTION_STATE, OBJECTION_CLOSED."""

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.accepted(ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act("objection.accepted", caller, objection_no, does, asked)


@rule("objection.refused", roles={Role.CENTRE}, articles=("24",))
def refuse(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, asked: ActRequest) -> CaseView:
    """The centre does not accept an objection, and says why. Raises OBJECTION_STATE, OBJECTION_CLOSED."""
    said = cases.said("reason", reason, _LONGEST)
    return ctx.act(
        "objection.refused", caller, objection_no, lambda case, _: case.refused(said, ctx.now()), asked, said
    )


@rule("supplement.requested", roles={Role.CENTRE}, articles=("24",))
def request_supplement(
    ctx: ObjectionContext, caller: Principal, objection_no: str, missing: Sequence[str], asked: ActRequest
) -> CaseView:
    """The centre sends an objection back, once, listing everything that is missing.

    Raises SUPPLEMENT_ALREADY_REQUESTED, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    if not 1 <= len(missing) <= _MOST_MISSING:
        raise INPUT_INVALID(fields=[FieldError("missing", "count", f"1 … {_MOST_MISSING}")])
    said = [cases.said(f"missing.{n}", text, _LONGEST) for n, text in enumerate(missing)]

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.supplement_requested(said, ctx.now())

    return ctx.act("supplement.requested", caller, objection_no, does, asked, said, missing=len(said))


@rule("objection.verified", roles={Role.CENTRE}, articles=("25",))
def verify(
    ctx: ObjectionContext, caller: Principal, objection_no: str, finding: CentreFinding, note: str, asked: ActRequest
) -> CaseView:
    """The centre finds the system at fault, or the record as its source has it; then the provider is told to verify.

    Raises OBJECTION_STATE, OBJECTION_CLOSED.
    """
    said = cases.said("note", note, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.verified(finding, said, ctx.now(), ctx.store.timetable_of(case, unit))

    words = (finding.value, said)
    return ctx.act("objection.verified", caller, objection_no, does, asked, *words, finding=finding.value)


@rule("objection.decided", roles={Role.CENTRE}, articles=("27",))
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
    said = cases.said("explanation", explanation, _LONGEST)

    def does(case: Case, unit: UnitOfWork) -> Case:
        return case.decided(outcome, said, ctx.now())

    words = (outcome.value, said)
    return ctx.act("objection.decided", caller, objection_no, does, asked, *words, outcome=outcome.value)


@rule("objection.read", roles={Role.CENTRE}, articles=("24", "25", "27"))
def read(ctx: ObjectionContext, caller: Principal, objection_no: str) -> CaseView:
    """The centre reads an objection. Raises OBJECTION_UNKNOWN."""
    return ctx.read("objection.read", caller, objection_no)


@rule("objection.listed", roles={Role.CENTRE}, articles=("24", "25", "27"))
def listed(
    ctx: ObjectionContext, caller: Principal, state: str, overdue: bool, after: str, size: int
) -> tuple[list[CaseView], bool]:
    """Objections in a state, or all, oldest first, after a number; and whether there are more."""
    late_on = ctx.clock.today() if overdue else None
    return ctx.read_all("objection.listed", caller, ctx.store.cases(state, late_on, after, size + 1), size)


@rule("evidence.read", roles={Role.CENTRE}, articles=("24", "25"))
def evidence(ctx: ObjectionContext, caller: Principal, objection_no: str, number: int) -> tuple[Evidence, bytes]:
    """The centre reads an attachment. Raises OBJECTION_UNKNOWN."""
    return ctx.evidence("evidence.read", caller, objection_no, number)
