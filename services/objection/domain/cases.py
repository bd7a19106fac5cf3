"""Objection cases and the steps of their procedure (Art. 23 to 27); each step returns the changed case."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from chengxin.errors import precondition
from chengxin.values.clock import shanghai_date
from services.objection.domain.case_states import (
    CLOSED,
    STATE_ZH,
    CaseOutcome,
    CaseState,
    CentreFinding,
    Party,
    ProviderFinding,
)
from services.objection.domain.challenged_records import ChallengedRecord, Correction, LaterVersion, RecordHead
from services.objection.domain.deadlines import CaseTimetable, Step, StepPeriod
from services.objection.domain.evidence import Evidence
from services.objection.domain.texts import required

OBJECTION_STATE = precondition(
    "OBJECTION_STATE",
    "异议 {objection_no} 当前为“{state_zh}”，不能执行此操作",
    "Objection {objection_no} is {state}; this cannot be done now",
)
OBJECTION_CLOSED = precondition(
    "OBJECTION_CLOSED",
    "异议 {objection_no} 已办结（{state_zh}），如有新的理由请另行提出",
    "Objection {objection_no} is closed ({state}); file a new one if there are new grounds",
)
OBJECTION_CHANGED = precondition(
    "OBJECTION_CHANGED",
    "异议 {objection_no} 刚被他人处理，请刷新后再试",
    "Objection {objection_no} was changed by somebody else just now; read it again",
)
SUPPLEMENT_ALREADY_REQUESTED = precondition(
    "SUPPLEMENT_ALREADY_REQUESTED",
    "异议 {objection_no} 已一次性告知补正内容，不得再次要求补正，请受理或不予受理",
    "A supplement of objection {objection_no} was requested already, which may be done once; accept or refuse it",
)
EXTENSION_ALREADY_GRANTED = precondition(
    "EXTENSION_ALREADY_GRANTED",
    "异议 {objection_no} 的核查期限已延长一次，不得再次延长",
    "The period to answer objection {objection_no} was extended already, which may be done once",
)
EXTENSION_TOO_LATE = precondition(
    "EXTENSION_TOO_LATE",
    "异议 {objection_no} 的核查期限已于 {due} 届满，不能延长，请尽快答复",
    "The period to answer objection {objection_no} ended on {due}; it can no longer be extended, answer it",
)
CORRECTION_NOT_SEEN = precondition(
    "CORRECTION_NOT_SEEN",
    "尚未收到注明异议 {objection_no} 的变更或撤销，所异议的内容也没有改变，请先更正记录再办结；核查结论或答复有误的，由作出的一方说明理由收回",
    "No amendment or revocation naming objection {objection_no} has arrived, and what was objected to is as it was;"
    " have the record corrected first, or have the mistaken finding or answer taken back by who gave it",
)
CORRECTION_WAS_MADE = precondition(
    "CORRECTION_WAS_MADE",
    "记录已因异议 {objection_no} 更正（第 {record_version} 版），不能以维持原状办结",
    "The record was corrected because of objection {objection_no} (version {record_version}); it is not as recorded",
)
OBJECTED_RECORD_CHANGED = precondition(
    "OBJECTED_RECORD_CHANGED",
    "所异议的内容已被变更或者撤销（现为第 {record_version} 版），不能以维持原状办结；请以已更正（corrected）办结，并在说明中写明现在的记载",
    "What objection {objection_no} is about was amended or revoked (the record has version {record_version} now) and"
    " cannot be upheld; conclude as corrected, and say in the explanation what is recorded now",
)

RETRACTED_TOO_OFTEN = precondition(
    "RETRACTED_TOO_OFTEN",
    "异议 {objection_no} 的步骤已收回 {times} 次，不能再收回；请继续办理，或者更正记录后办结",
    "Steps of objection {objection_no} were taken back {times} times, and no more can be; go on with the case, or have"
    " the record corrected and conclude",
)

# A case is one document, which each change writes anew.
MOST_RETRACTIONS: Final = 20
MOST_CHANGES: Final = 100

_STATE_BY_ANSWER: Final = {
    ProviderFinding.WRONG: CaseState.ANSWERED_WRONG,
    ProviderFinding.RIGHT: CaseState.ANSWERED_RIGHT,
}


# The steps of the centre that it may take back, each with the state before it.
_BEFORE_STEP: Final = {
    CaseState.SYSTEM_FAULT: CaseState.ACCEPTED,
    CaseState.SUPPLEMENT_REQUESTED: CaseState.FILED,
}


@dataclass(frozen=True)
class Milestone:
    """A state that a case reached, by which party and when."""

    state: CaseState
    by: Party
    at: datetime


@dataclass(frozen=True)
class Retraction:
    """A step that the party that took it took back: the state it had led to, and what was said with it."""

    state: CaseState
    by: Party
    at: datetime
    reason: str
    said: str


@dataclass(frozen=True)
class Case:
    """One objection. `version` counts its changes."""

    objection_no: str
    record: ChallengedRecord
    # The codes of the challenged items; empty for the record as a whole.
    items: tuple[str, ...]
    statement: str
    filed_at: datetime
    rules_version: int
    state: CaseState
    periods: tuple[StepPeriod, ...]
    history: tuple[Milestone, ...]
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    supplement: str = ""
    refusal_reason: str = ""
    finding: CentreFinding | None = None
    verification_note: str = ""
    extension_reason: str = ""
    answer: ProviderFinding | None = None
    answer_evidence: str = ""
    correction: Correction | None = None
    record_changes: tuple[LaterVersion, ...] = ()
    retractions: tuple[Retraction, ...] = ()
    outcome: CaseOutcome | None = None
    explanation: str = ""
    version: int = 1

    @property
    def applicant(self) -> str:
        """The subject reference of the applicant; only the subject of the record can file an objection."""
        return self.record.subject_ref

    @property
    def open(self) -> bool:
        """Whether a party still has to act."""
        return self.state not in CLOSED

    @property
    def running(self) -> StepPeriod | None:
        """The period that runs; None while a supplement is requested, and after the case is closed."""
        return self.periods[-1] if self.periods[-1].done_on is None else None

    @property
    def answer_period(self) -> StepPeriod | None:
        """The provider's period to answer; None before the provider is notified."""
        return next((p for p in reversed(self.periods) if p.step is Step.ANSWER), None)

    @property
    def notified_at(self) -> datetime | None:
        """The time at which the case became a task of the provider."""
        return next((m.at for m in self.history if m.state is CaseState.PROVIDER_NOTIFIED), None)

    @property
    def extended(self) -> bool:
        """Whether the provider's period was extended."""
        return bool(self.extension_reason)

    def covers(self, items: Sequence[str]) -> bool:
        """Whether the case is about any of these items; an empty list means all items."""
        return not self.items or not items or not set(self.items).isdisjoint(items)

    def supplement_requested(self, missing: Sequence[str], at: datetime) -> "Case":
        """Returns the case after the centre asked, ONCE, for everything that is missing (Art. 24)."""
        if self.state is CaseState.SUPPLEMENT_REQUESTED and self.missing == tuple(missing):
            return self
        self._must_be(CaseState.FILED, CaseState.SUPPLEMENT_REQUESTED)
        if self.missing:
            raise SUPPLEMENT_ALREADY_REQUESTED(objection_no=self.objection_no)
        return self._moved(CaseState.SUPPLEMENT_REQUESTED, Party.CENTRE, at, missing=tuple(missing))

    def supplemented(
        self, statement: str, evidence: Sequence[Evidence], at: datetime, timetable: CaseTimetable
    ) -> "Case":
        """Returns the case filed again with its supplement; the period for acceptance starts anew."""
        if (
            self.state is CaseState.FILED
            and self.missing
            and self.supplement == statement
            and self._has_evidence(evidence)
        ):
            return self
        self._must_be(CaseState.SUPPLEMENT_REQUESTED)
        acceptance = timetable.period(Step.ACCEPTANCE, shanghai_date(at))
        added = (*self.evidence, *evidence)
        return self._moved(CaseState.FILED, Party.APPLICANT, at, acceptance, supplement=statement, evidence=added)

    def accepted(self, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the accepted case, which the centre now verifies."""
        if self.state is CaseState.ACCEPTED:
            return self
        self._must_be(CaseState.FILED)
        verification = timetable.period(Step.VERIFICATION, shanghai_date(at))
        return self._moved(CaseState.ACCEPTED, Party.CENTRE, at, verification)

    def refused(self, reason: str, at: datetime) -> "Case":
        """Returns the case refused, with the reason."""
        if self.state is CaseState.REFUSED and self.refusal_reason == reason:
            return self
        self._must_be(CaseState.FILED)
        return self._moved(CaseState.REFUSED, Party.CENTRE, at, refusal_reason=reason)

    def verified(self, finding: CentreFinding, note: str, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the case after the centre's verification.

        A fault of the system must be corrected; a record that agrees with its source goes to the provider.
        """
        if self.finding is finding and self.verification_note == note and self.open:
            return self
        self._must_be(CaseState.ACCEPTED)
        today = shanghai_date(at)
        own_fault = finding is CentreFinding.SYSTEM_FAULT
        following = timetable.period(Step.CONCLUSION if own_fault else Step.ANSWER, today)
        state = CaseState.SYSTEM_FAULT if own_fault else CaseState.PROVIDER_NOTIFIED
        return self._moved(state, Party.CENTRE, at, following, finding=finding, verification_note=note)

    def step_retracted(self, reason: str, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the case as before the centre's step, which it takes back: its finding of a fault, or its request for
        a supplement that does not come. The time to take another step is the one that it had."""
        if self.state in _BEFORE_STEP.values() and self._was_retracted(Party.CENTRE, reason):
            return self
        self._must_be(*_BEFORE_STEP)
        self._must_be_retractable()
        fault = self.state is CaseState.SYSTEM_FAULT
        taken = Retraction(
            self.state, Party.CENTRE, at, reason, self.verification_note if fault else "\n".join(self.missing)
        )
        return self._moved(
            _BEFORE_STEP[self.state],
            Party.CENTRE,
            at,
            self._begun_again(Step.VERIFICATION if fault else Step.ACCEPTANCE, timetable),
            finding=None,
            verification_note="",
            retractions=(*self.retractions, taken),
        )

    def answer_retracted(self, reason: str, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the case to be answered again: the provider takes its answer back. The time for it is the one that it
        had."""
        if self.state is CaseState.PROVIDER_NOTIFIED and self._was_retracted(Party.PROVIDER, reason):
            return self
        self._must_be(*_STATE_BY_ANSWER.values())
        self._must_be_retractable()
        taken = Retraction(self.state, Party.PROVIDER, at, reason, self.answer_evidence)
        period = self._begun_again(Step.ANSWER, timetable)
        return self._moved(
            CaseState.PROVIDER_NOTIFIED,
            Party.PROVIDER,
            at,
            period,
            answer=None,
            answer_evidence="",
            retractions=(*self.retractions, taken),
        )

    def given_more_time(self, reason: str, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the case with the longer period that the provider gets once for a complex case (Art. 26).

        It counts from the notification, as the shorter one did.
        """
        if self.extended and self.extension_reason == reason and self.open:
            return self
        self._must_be(CaseState.PROVIDER_NOTIFIED)
        period = self.periods[-1]
        if self.extended:
            raise EXTENSION_ALREADY_GRANTED(objection_no=self.objection_no)
        if period.late(shanghai_date(at)):
            raise EXTENSION_TOO_LATE(objection_no=self.objection_no, due=period.due)
        longer = timetable.period(Step.ANSWER, period.start, extended=True)
        return self._changed(periods=(*self.periods[:-1], longer), extension_reason=reason)

    def answered(self, answer: ProviderFinding, evidence: str, at: datetime, timetable: CaseTimetable) -> "Case":
        """Returns the case after the provider's verification; the finding `right` needs evidence (Art. 26)."""
        if self.answer is answer and self.answer_evidence == evidence and self.open:
            return self
        self._must_be(CaseState.PROVIDER_NOTIFIED)
        if answer is ProviderFinding.RIGHT and not evidence:
            raise required("evidence")
        conclusion = timetable.period(Step.CONCLUSION, shanghai_date(at))
        return self._moved(
            _STATE_BY_ANSWER[answer], Party.PROVIDER, at, conclusion, answer=answer, answer_evidence=evidence
        )

    def decided(self, outcome: CaseOutcome, explanation: str, at: datetime, head: RecordHead) -> "Case":
        """Returns the concluded case, of which the applicant is informed (Art. 27).

        It ends as corrected when a correction names it, or when the record is no longer as it was objected to; else as
        upheld. `head` is the record now, with what changed since the version that was objected to.
        """
        if self.outcome is outcome and self.explanation == explanation:
            return self
        if outcome is CaseOutcome.CORRECTED:
            self._must_be(CaseState.SYSTEM_FAULT, CaseState.ANSWERED_WRONG, CaseState.ANSWERED_RIGHT)
            correction = self.correction
            if correction is None and head.differs_in(self.items):
                correction = Correction(head.record.record_version, head.revoked, at)
            if correction is None:
                raise CORRECTION_NOT_SEEN(objection_no=self.objection_no)
        else:
            correction = None
            self._must_be(CaseState.ANSWERED_RIGHT)
            if self.correction is not None:
                version = self.correction.record_version
                raise CORRECTION_WAS_MADE(objection_no=self.objection_no, record_version=version)
            if head.differs_in(self.items):
                version = head.record.record_version
                raise OBJECTED_RECORD_CHANGED(objection_no=self.objection_no, record_version=version)
        return self._moved(
            CaseState(outcome), Party.CENTRE, at, outcome=outcome, explanation=explanation, correction=correction
        )

    def withdrawn(self, at: datetime) -> "Case":
        """Returns the case withdrawn by the applicant; a second withdrawal changes nothing."""
        if self.state is CaseState.WITHDRAWN:
            return self
        self._must_be_open()
        return self._moved(CaseState.WITHDRAWN, Party.APPLICANT, at)

    def change_seen(self, change: LaterVersion, correction: Correction | None) -> "Case":
        """Returns the case with a version that its record got. One that names the case is its correction; the newest
        one counts. The case keeps the newest `MOST_CHANGES`; the log has all of them.

        A closed case does not change.
        """
        known = max(
            self.record.record_version,
            self.correction.record_version if self.correction else 0,
            *(seen.record_version for seen in self.record_changes),
        )
        if not self.open or change.record_version <= known:
            return self
        newest = (*self.record_changes, change)[-MOST_CHANGES:]
        return self._changed(record_changes=newest, correction=correction or self.correction)

    def rescheduled(self, timetable: CaseTimetable) -> "Case":
        """Returns the case with its running period counted by the present calendar; past periods stay as they were."""
        if self.running is None:
            return self
        recounted = timetable.again(self.running)
        return self if recounted == self.running else self._changed(periods=(*self.periods[:-1], recounted))

    def _was_retracted(self, by: Party, reason: str) -> bool:
        last = self.retractions[-1] if self.retractions else None
        return last is not None and (last.by, last.reason) == (by, reason)

    def _must_be_retractable(self) -> None:
        if len(self.retractions) >= MOST_RETRACTIONS:
            raise RETRACTED_TOO_OFTEN(objection_no=self.objection_no, times=MOST_RETRACTIONS)

    def _begun_again(self, step: Step, timetable: CaseTimetable) -> StepPeriod:
        return timetable.again(next(period for period in reversed(self.periods) if period.step is step))

    def _has_evidence(self, evidence: Sequence[Evidence]) -> bool:
        return {e.sha256 for e in evidence} <= {e.sha256 for e in self.evidence}

    def _must_be(self, *states: CaseState) -> None:
        self._must_be_open()
        if self.state not in states:
            raise OBJECTION_STATE(objection_no=self.objection_no, state=self.state, state_zh=STATE_ZH[self.state])

    def _must_be_open(self) -> None:
        if not self.open:
            raise OBJECTION_CLOSED(objection_no=self.objection_no, state=self.state, state_zh=STATE_ZH[self.state])

    def _moved(
        self, state: CaseState, by: Party, at: datetime, following: StepPeriod | None = None, **changes: Any
    ) -> "Case":
        periods = self.periods
        if self.running is not None:
            periods = (*self.periods[:-1], self.running.done(shanghai_date(at)))
        return self._changed(
            state=state,
            periods=(*periods, following) if following else periods,
            history=(*self.history, Milestone(state, by, at)),
            **changes,
        )

    def _changed(self, **changes: Any) -> "Case":
        return replace(self, version=self.version + 1, **changes)


def filed(
    objection_no: str,
    record: ChallengedRecord,
    items: Sequence[str],
    statement: str,
    evidence: Sequence[Evidence],
    at: datetime,
    timetable: CaseTimetable,
) -> Case:
    """Returns a new objection by the subject of the record (Art. 23)."""
    return Case(
        objection_no=objection_no,
        record=record,
        items=tuple(sorted(set(items))),
        statement=statement,
        filed_at=at,
        rules_version=timetable.rules.version,
        state=CaseState.FILED,
        periods=(timetable.period(Step.ACCEPTANCE, shanghai_date(at)),),
        history=(Milestone(CaseState.FILED, Party.APPLICANT, at),),
        evidence=tuple(evidence),
    )


def case_number(day: date, count: int) -> str:
    """Returns the number of the `count`-th objection of a day, as people quote it: `YY-20261124-0001` (YY: 异议)."""
    return f"YY-{day:%Y%m%d}-{count:04d}"
