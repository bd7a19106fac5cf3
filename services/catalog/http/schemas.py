"""The bodies and answers of the HTTP face, as OpenAPI describes them."""

from dataclasses import fields
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from chengxin.http.inputs import IN_ONE_FORM, Body, Day
from services.catalog.domain.draft import ReviewDecision, Stance
from services.catalog.domain.entry import (
    Attribute,
    CrossRule,
    DisclosurePeriod,
    EntryContent,
    InformationClass,
    Item,
    ItemGroup,
    LegalDocumentItems,
    LocalText,
    Mode,
    Organisation,
    SubjectKind,
    UpdateCycle,
)
from services.catalog.domain.entry_diff import Compatibility
from services.catalog.domain.holiday_notice import YEARS
from services.catalog.domain.rule_set import GREATEST, MOST_VALUES, NAME


class Strict(Body):
    """A body that refuses unknown fields, also those of the dataclasses inside, so that none is dropped unnoticed."""

    # Fields that only answers have. A body may have them too and they are ignored, so that an answer can be sent back
    # (AIP-203).
    output_only: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Self:
        """Reads a body, without what only answers have."""
        if isinstance(obj, dict):
            obj = {name: value for name, value in obj.items() if name not in cls.output_only}
        return super().model_validate(obj)


class EntryBody(Strict):
    """An entry as its draft has it: the contract's Entry without version, days in force and time of publication."""

    beyond_schema: ClassVar[str] = "The rules of the catalog for an entry: see docs/operations/catalog.md"

    output_only = frozenset(
        {
            *("version", "effective_from", "effective_to", "published_at"),
            *("publication_document", "retirement_basis"),
        }
    )
    code: str = Field(description="Capitals, digits and underscores, for example XZXK")
    name: LocalText
    providers: tuple[Organisation, ...] = Field(description="Who supplies it (Art. 8)")
    subject_kinds: tuple[SubjectKind, ...] = Field(description="Art. 13")
    information_class: InformationClass = Field(description="Art. 13")
    regions: tuple[str, ...] = Field(description="GB/T 2260 codes covered")
    update_cycle: UpdateCycle
    sharing: Attribute
    openness: Attribute
    modes: tuple[Mode, ...] = Field(description="Disclosure modes (Art. 14)")
    items: tuple[Item, ...]
    natural_key: tuple[str, ...] = Field(description="Items that identify a record within the entry")
    subject_name_item: str
    subject_id_items: tuple[str, ...] = Field(description="Items that identify the subject, most authoritative first")
    reporting_limit_working_days: int = Field(description="For amendments and revocations (Art. 11)")
    disclosure_period: DisclosurePeriod
    legal_basis: tuple[str, ...] = Field(description="Law, regulation, rule or national standard (Art. 7)")
    legal_document: LegalDocumentItems
    required_one_of: tuple[ItemGroup, ...] = ()
    cross_rules: tuple[CrossRule, ...] = ()
    description: str = Field("", description="What the information resource is about")
    resource_code: str = Field("", description="In the government information resource catalog (Art. 6)")
    coverage_note: str = Field("", description="What regions and subject kinds cannot say of the coverage")

    def content(self) -> EntryContent:
        """Returns the content in the form that the use cases take."""
        return EntryContent(**{f.name: getattr(self, f.name) for f in fields(EntryContent)})


class EntryAnswer(EntryBody):
    """One published version of an entry."""

    version: int
    effective_from: date
    effective_to: str = Field(description="Last day in force; empty while it is")
    published_at: str
    publication_document: str = Field(description="By which it was published; may be empty")
    retirement_basis: str = Field(description="Why it ends, when it was retired; else empty")


class EntriesAnswer(BaseModel):
    """Entries, one version each."""

    entries: list[EntryAnswer]
    next_page_token: str


class ReviewAnswer(BaseModel):
    """A reviewer's decision about one revision of a draft."""

    decision: Literal["approve", "return"]
    opinion: str
    reviewer: str
    revision: int
    at: str


class DraftAnswer(BaseModel):
    """A draft."""

    draft_id: str
    code: str
    state: Literal["draft", "submitted", "reviewed", "published"]
    authors: list[str] = Field(description="Who wrote it; none of them may review it")
    reviews: list[ReviewAnswer] = Field(description="Oldest first")
    revision: int = Field(description="Counts edits; sent as If-Match of an edit, and with a publication")
    version: int = Field(description="The version it was published as; 0 before")
    created_at: str
    updated_at: str
    entry: EntryBody


class DraftsAnswer(BaseModel):
    """Drafts."""

    drafts: list[DraftAnswer]
    next_page_token: str


class PeriodBody(Strict):
    """The days on which a revision of a draft is to be in force, both included."""

    beyond_schema: ClassVar[str] = "effective_from lies from today to two years ahead, and effective_to not before it"

    revision: int = Field(lt=10**9, description="The revision that was read, and is published")
    effective_from: Day = Field(description="Shanghai date, from today to two years ahead")
    effective_to: Annotated[date | Literal[""] | None, IN_ONE_FORM] = Field(
        None, description="Empty: until the next version"
    )
    publication_document: str = Field("", max_length=200, description="The document by which it is published")


class RuleSetBody(Strict):
    """Rules to publish."""

    beyond_schema: ClassVar[str] = (
        "A known name with all of its values, each in its range, from a day that is still to come"
    )

    output_only = frozenset({"version"})
    # What is wrong with rules is told of all of them at once: the bounds are those of its findings.
    name: str = Field(description="For example objection", json_schema_extra={"pattern": NAME})
    effective_from: Day = Field(
        description="Shanghai date, from today to two years ahead; of the first version: any past day too"
    )
    values: dict[str, Annotated[int, Field(json_schema_extra={"minimum": 0, "maximum": GREATEST})]] = Field(
        description="Units are in the name, for example acceptance_working_days",
        json_schema_extra={"minProperties": 1, "maxProperties": MOST_VALUES, "propertyNames": {"pattern": NAME}},
    )


class RuleSetAnswer(RuleSetBody):
    """One version of a rule set."""

    version: int


class RuleSetsAnswer(BaseModel):
    """Rule sets."""

    rule_sets: list[RuleSetAnswer]
    next_page_token: str


class RulesPreviewAnswer(BaseModel):
    """The changes that publishing rules would make."""

    rule_set: RuleSetAnswer
    changes: list[dict[str, Any]] = Field(description="name, before, after; null for a value that is not there")


class NoticeBody(Strict):
    """A year's notice: only the days that are not what their weekday says."""

    beyond_schema: ClassVar[str] = "Days of the year, none of which is what its weekday says anyway"

    days_off: list[Day] = Field(description="Weekdays that are days off")
    days_worked: list[Day] = Field(description="Weekend days that are worked")
    year: Annotated[int, Field(ge=YEARS[0], le=YEARS[-1])] | None = Field(
        None, description="If given, the year in the address"
    )
    announced: Literal[True] = Field(True, description="A notice is an announcement")


class CalendarYearAnswer(BaseModel):
    """Working days of one year."""

    year: int
    announced: bool = Field(description="False until the notice for the year has been loaded")
    days_off: list[date]
    days_worked: list[date]


class CalendarAnswer(BaseModel):
    """All years of the calendar."""

    calendar_years: list[CalendarYearAnswer]


class JsonSchemaAnswer(BaseModel):
    """JSON Schema 2020-12 of one record of an entry version."""

    model_config = ConfigDict(extra="allow")
    properties: dict[str, Any]
    required: list[str]


class SubmissionBody(Strict):
    """The submission of a draft."""

    revision: int | None = Field(None, lt=10**9, description="If given, it must still be the draft's")


class ReviewBody(Strict):
    """A reviewer's decision."""

    decision: ReviewDecision
    opinion: str = Field(min_length=1, max_length=2000, pattern=r"\S", description="The grounds, kept with the draft")
    revision: int = Field(lt=10**9, description="The revision that was reviewed")


class CommentBody(Strict):
    """A comment of a provider, the centre or the authority on a draft."""

    stance: Stance
    text: str = Field(min_length=1, max_length=2000, pattern=r"\S")
    where: str = Field("", max_length=200, description="The field meant, for example items.3.length; empty: the whole")


class CommentAnswer(BaseModel):
    """A comment on a draft."""

    comment_id: str
    draft_id: str
    revision: int = Field(description="The revision that it was made on")
    where: str
    stance: Stance
    text: str
    org: str
    author: str
    at: str


class CommentsAnswer(BaseModel):
    """Comments."""

    comments: list[CommentAnswer]
    next_page_token: str


class RetirementBody(Strict):
    """The end of an entry."""

    beyond_schema: ClassVar[str] = "effective_to is today or later"

    effective_to: Day = Field(description="Last day in force, today or later")
    basis: str = Field(
        min_length=1, max_length=500, pattern=r"\S", description="Law, rule or decision by which it ends"
    )


class EntryDifferenceAnswer(BaseModel):
    """The difference between two contents of an entry, and its effect on records."""

    code: str
    before: int = Field(alias="from", description="Version; 0 when there is none")
    after: int = Field(0, alias="to", description="Version; absent for a draft")
    revision: int = Field(0, description="Of the draft; absent between versions")
    compatibility: Compatibility
    widens_exposure: bool = Field(description="In some mode more may be seen than before")
    changes: list[dict[str, Any]] = Field(description="where, effect, exposure, before, after, zh, en")
