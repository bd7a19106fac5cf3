"""What the centre does: acceptance, verification, decision (Art. 24, 25, 27)."""

from collections.abc import Sequence
from typing import Final

from chengxin.auth.executor import command, query
from chengxin.auth.powers import OWN, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from services.objection.context import RECORD_UNKNOWN, ActRequest, ObjectionContext, any_case, case_in_region
from services.objection.domain.case_states import CaseOutcome, CentreFinding
from services.objection.domain.case_views import CaseView
from services.objection.domain.cases import Case
from services.objection.domain.evidence import Evidence
from services.objection.domain.texts import require_text

LONGEST: Final = 2000
MOST_MISSING: Final = 50
# Of each act on a case.
_POWER: Final = Power(
    OWN,
    one("the case keeps who did what and why; the record itself is changed by the provider, or by an act of its own"),
    "the applicant and the provider, who see the course of the case; supervisors, who see its deadlines",
)


@command(Act.OBJECTION_ACCEPTED, roles={Role.CENTRE}, articles=("24",), may=case_in_region, power=_POWER)
def accept(ctx: ObjectionContext, caller: Principal, objection_no: str, request: ActRequest) -> CaseView:
    """The centre accepts an objection and begins to verify. Raises OBJECTION_STATE, OBJECTION_CLOSED."""

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.accepted(ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.OBJECTION_ACCEPTED, caller, objection_no, change, request)


@command(Act.OBJECTION_REFUSED, roles={Role.CENTRE}, articles=("24",), may=case_in_region, power=_POWER)
def refuse(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, request: ActRequest) -> CaseView:
    """The centre does not accept an objection, and says why. Raises OBJECTION_STATE, OBJECTION_CLOSED."""
    text = require_text("reason", reason, LONGEST)
    return ctx.act(
        Act.OBJECTION_REFUSED, caller, objection_no, lambda case, _: case.refused(text, ctx.now()), request, text
    )


@command(Act.SUPPLEMENT_REQUESTED, roles={Role.CENTRE}, articles=("24",), may=case_in_region, power=_POWER)
def request_supplement(
    ctx: ObjectionContext, caller: Principal, objection_no: str, missing: Sequence[str], request: ActRequest
) -> CaseView:
    """The centre sends an objection back, once, listing everything that is missing.

    Raises SUPPLEMENT_ALREADY_REQUESTED, OBJECTION_STATE, OBJECTION_CLOSED.
    """
    if not 1 <= len(missing) <= MOST_MISSING:
        raise INPUT_INVALID(fields=[FieldError("missing", "count", f"1 … {MOST_MISSING}")])
    texts = [require_text(f"missing.{n}", text, LONGEST) for n, text in enumerate(missing)]

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.supplement_requested(texts, ctx.now())

    return ctx.act(Act.SUPPLEMENT_REQUESTED, caller, objection_no, change, request, texts, missing=len(texts))


@command(Act.OBJECTION_VERIFIED, roles={Role.CENTRE}, articles=("25",), may=case_in_region, power=_POWER)
def verify(
    ctx: ObjectionContext, caller: Principal, objection_no: str, finding: CentreFinding, note: str, request: ActRequest
) -> CaseView:
    """The centre finds the system at fault, or the record in agreement with its source: then its provider verifies.

    Raises OBJECTION_STATE, OBJECTION_CLOSED.
    """
    text = require_text("note", note, LONGEST)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.verified(finding, text, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(
        Act.OBJECTION_VERIFIED, caller, objection_no, change, request, finding.value, text, finding=finding.value
    )


@command(Act.OBJECTION_STEP_RETRACTED, roles={Role.CENTRE}, articles=("24", "25"), may=case_in_region, power=_POWER)
def retract(ctx: ObjectionContext, caller: Principal, objection_no: str, reason: str, request: ActRequest) -> CaseView:
    """The centre takes back that the system is at fault, or its request for a supplement, and takes the step anew.

    Raises OBJECTION_STATE, OBJECTION_CLOSED, RETRACTED_TOO_OFTEN.
    """
    text = require_text("reason", reason, LONGEST)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.step_retracted(text, ctx.now(), ctx.store.timetable_of(case, unit))

    return ctx.act(Act.OBJECTION_STEP_RETRACTED, caller, objection_no, change, request, text)


@command(Act.OBJECTION_DECIDED, roles={Role.CENTRE}, articles=("27",), may=case_in_region, power=_POWER)
def decide(
    ctx: ObjectionContext,
    caller: Principal,
    objection_no: str,
    outcome: CaseOutcome,
    explanation: str,
    request: ActRequest,
) -> CaseView:
    """The centre concludes, corrected or as recorded, and tells the applicant why.

    Raises CORRECTION_NOT_SEEN, CORRECTION_WAS_MADE, OBJECTED_RECORD_CHANGED, OBJECTION_STATE, OBJECTION_CLOSED,
    UPSTREAM_UNAVAILABLE.
    """
    text = require_text("explanation", explanation, LONGEST)
    # Ingest is asked before the transaction; nobody is told of somebody else's case by it. The transaction asks again.
    challenged = authorise(ctx.store.case(objection_no), objection_no).record
    if (head := ctx.records(challenged.record_id, challenged.record_version)) is None:
        raise RECORD_UNKNOWN(record_id=challenged.record_id)

    def change(case: Case, unit: UnitOfWork) -> Case:
        return case.decided(outcome, text, ctx.now(), head)

    return ctx.act(
        Act.OBJECTION_DECIDED, caller, objection_no, change, request, outcome.value, text, outcome=outcome.value
    )


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
