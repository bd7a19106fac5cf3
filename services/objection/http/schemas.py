"""What the HTTP face takes and gives, as OpenAPI describes it."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from chengxin.http.inputs import SEALED, Body
from chengxin.http.web import PageQuery
from services.objection.domain.case_states import CaseOutcome, CaseState, CentreFinding, Party, ProviderFinding
from services.objection.domain.deadlines import Step
from services.objection.usecases import centre, provider


class NumberPath(BaseModel):
    """An objection."""

    objection_no: str = Field(max_length=64)


class EvidencePath(NumberPath):
    """An attachment."""

    number: int = Field(ge=1, le=1_000)


class CasesQuery(PageQuery):
    """Which objections."""

    state: CaseState | Literal[""] = Field("", description="Empty: all")
    overdue: bool = Field(False, description="Only those whose running period has ended")


class TasksQuery(PageQuery):
    """Which tasks."""

    open_only: bool = Field(False, description="Only those that still wait for an answer")


class NoBody(Body):
    """Nothing to say."""


class RefusalBody(Body):
    """Why an objection is not accepted."""

    may_hold_numbers = {
        "reason": SEALED,
    }

    beyond_schema: ClassVar[str] = "Words that are not blank"

    reason: str = Field(max_length=centre.LONGEST)


class MissingBody(Body):
    """Everything that is missing, at once (Art. 24)."""

    may_hold_numbers = {
        "missing": SEALED,
    }

    beyond_schema: ClassVar[str] = "At least one thing, in words that are not blank"

    missing: list[Annotated[str, Field(max_length=centre.LONGEST)]] = Field(
        min_length=1, max_length=centre.MOST_MISSING
    )


class VerificationBody(Body):
    """What the centre found (Art. 25)."""

    may_hold_numbers = {
        "note": SEALED,
    }

    beyond_schema: ClassVar[str] = "Words that are not blank"

    finding: CentreFinding
    note: str = Field(max_length=centre.LONGEST)


class RetractionBody(Body):
    """Why the centre takes a step back."""

    beyond_schema: ClassVar[str] = "Words that are not blank"

    reason: str = Field(max_length=centre.LONGEST)


class AnswerRetractionBody(Body):
    """Why the provider takes an answer back."""

    beyond_schema: ClassVar[str] = "Words that are not blank"

    reason: str = Field(max_length=provider.LONGEST)


class DecisionBody(Body):
    """How a case is decided (Art. 27)."""

    may_hold_numbers = {
        "explanation": SEALED,
    }

    beyond_schema: ClassVar[str] = "Words that are not blank"

    outcome: CaseOutcome
    explanation: str = Field(max_length=centre.LONGEST)


class AnswerBody(Body):
    """What the provider found (Art. 26)."""

    may_hold_numbers = {
        "evidence": SEALED,
    }

    beyond_schema: ClassVar[str] = "right goes with evidence in words"

    finding: ProviderFinding
    evidence: str = Field("", max_length=provider.LONGEST, description="In words; required for right")


class ExtensionBody(Body):
    """Why the case is complex."""

    may_hold_numbers = {
        "reason": SEALED,
    }

    beyond_schema: ClassVar[str] = "Words that are not blank"

    reason: str = Field(max_length=provider.LONGEST)


class LocalTextAnswer(BaseModel):
    """A text in two languages."""

    zh: str = ""
    en: str = ""


class StepPeriodAnswer(BaseModel):
    """The time for one step."""

    step: Step
    start: str = Field(description="Shanghai date; does not count itself")
    working_days: int
    due: str
    provisional: bool = Field(description="A notice still to come may move the due date")
    done_on: str = Field(description="Empty while it runs")
    late: bool


class MilestoneAnswer(BaseModel):
    """A state reached."""

    state: CaseState
    by: Party
    at: str


class CorrectionAnswer(BaseModel):
    """The change of the record that the case led to: one that names it, or else what it was concluded on."""

    record_version: int
    revoked: bool
    seen_at: str


class RecordChangeAnswer(BaseModel):
    """A version that the record got since it was objected to, whether or not it names the objection."""

    record_version: int
    revoked: bool
    recorded_at: str


class ReasonedChangeAnswer(RecordChangeAnswer):
    """The same, with the provider's reason."""

    reason: str = Field(description="resubmission: the record was delivered again, with other values")


class RetractionAnswer(BaseModel):
    """A step or an answer that was taken back: the state it had led to."""

    state: CaseState
    by: Party
    at: str


class ReasonedRetractionAnswer(RetractionAnswer):
    """The same, with the words."""

    reason: str
    said: str = Field(description="What was said with it: the note, the evidence, what was missing")


class EvidenceAnswer(BaseModel):
    """What is told of an attachment."""

    number: int
    name: str
    content_type: str
    size: int
    sha256: str
    added_at: str


class MatterAnswer(BaseModel):
    """What a case is about."""

    objection_no: str
    record_id: str
    record_version: int
    entry_code: str
    entry_version: int
    entry_name: LocalTextAnswer
    items: list[str]
    item_names: dict[str, LocalTextAnswer]
    state: CaseState
    state_name: LocalTextAnswer


class CaseCourseAnswer(MatterAnswer):
    """What everybody who sees a case is told of it."""

    version: int = Field(description="Counts changes; send it as If-Match to act only on what you saw")
    open: bool
    provider_uscc: str
    provider_name: str
    filed_at: str
    rules_version: int
    due: str
    provisional: bool
    overdue: bool
    extended: bool
    periods: list[StepPeriodAnswer]
    history: list[MilestoneAnswer]
    finding: CentreFinding | Literal[""]
    answer: ProviderFinding | Literal[""]
    outcome: CaseOutcome | Literal[""]
    correction: CorrectionAnswer | None


class CourseAnswer(CaseCourseAnswer):
    """How a case goes."""

    record_changes: list[RecordChangeAnswer]
    retractions: list[RetractionAnswer]


class ApplicantTextsAnswer(CaseCourseAnswer):
    """What applicant and centre wrote to each other, and what changed in the record."""

    record_changes: list[ReasonedChangeAnswer]

    statement: str
    evidence: list[EvidenceAnswer]
    missing: list[str]
    supplement: str
    refusal_reason: str
    explanation: str


class OwnCaseAnswer(ApplicantTextsAnswer):
    """An objection as its applicant sees it."""

    retractions: list[RetractionAnswer]


class CaseAnswer(ApplicantTextsAnswer):
    """An objection as the centre sees it."""

    retractions: list[ReasonedRetractionAnswer]

    subject_ref: str
    verification_note: str
    extension_reason: str
    answer_evidence: str


class TaskAnswer(MatterAnswer):
    """A verification task."""

    statement: str
    answer_due: str
    provisional: bool
    late: bool
    extended: bool
    notified_at: str
    answer: ProviderFinding | Literal[""]
    record_changes: list[ReasonedChangeAnswer]


class OwnCasesAnswer(BaseModel):
    """An applicant's objections."""

    objections: list[OwnCaseAnswer]
    next_page_token: str


class CasesAnswer(BaseModel):
    """Objections."""

    objections: list[CaseAnswer]
    next_page_token: str


class CoursesAnswer(BaseModel):
    """How cases go."""

    objections: list[CourseAnswer]
    next_page_token: str


class TasksAnswer(BaseModel):
    """Verification tasks."""

    tasks: list[TaskAnswer]
    next_page_token: str


class GuidelineAnswer(BaseModel):
    """The guideline (Art. 28)."""

    rules_version: int
    deadlines: dict[str, int] = Field(description="Working days")
    zh: str = Field(description="Markdown")
    en: str = Field(description="Summary, Markdown")
