"""What the HTTP face takes and gives, as OpenAPI describes it."""

from dataclasses import fields
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.catalog.model import (
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


class _Strict(BaseModel):
    # Also for the dataclasses inside: a misspelt field is told, not dropped.
    model_config = ConfigDict(extra="forbid")


class EntryBody(_Strict):
    """An entry as its draft says it: the contract's Entry without version, days in force and time of publication."""

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

    def content(self) -> EntryContent:
        """As the use cases take it."""
        return EntryContent(**{f.name: getattr(self, f.name) for f in fields(EntryContent)})


class EntryAnswer(EntryBody):
    """One published version of an entry."""

    version: int
    effective_from: date
    effective_to: str = Field(description="Last day in force; empty while it is")
    published_at: str


class EntriesAnswer(BaseModel):
    """Entries, one version each."""

    entries: list[EntryAnswer]
    next_page_token: str


class DraftAnswer(BaseModel):
    """A draft."""

    draft_id: str
    code: str
    state: Literal["draft", "published"]
    revision: int = Field(description="Counts edits; send it as If-Match to edit only what you saw")
    version: int = Field(description="The version it was published as; 0 before")
    created_at: str
    updated_at: str
    entry: EntryBody


class DraftsAnswer(BaseModel):
    """Drafts."""

    drafts: list[DraftAnswer]
    next_page_token: str


class PeriodBody(_Strict):
    """The days on which a version is to be in force, both included."""

    effective_from: date = Field(description="Shanghai date, today or later")
    effective_to: date | Literal[""] | None = Field(None, description="Empty: until the next version")


class RuleSetBody(_Strict):
    """Rules to publish."""

    name: str = Field(description="For example objection")
    effective_from: date
    values: dict[str, int] = Field(description="Units are in the name, for example acceptance_working_days")


class RuleSetAnswer(RuleSetBody):
    """One version of a rule set."""

    version: int


class RuleSetsAnswer(BaseModel):
    """Rule sets."""

    rule_sets: list[RuleSetAnswer]
    next_page_token: str


class NoticeBody(_Strict):
    """A year's notice: only the days that are not what their weekday says."""

    days_off: list[date] = Field(description="Weekdays that are days off")
    days_worked: list[date] = Field(description="Weekend days that are worked")
    year: int | None = Field(None, description="If given, the year in the address")
    announced: Literal[True] = Field(True, description="A notice is an announcement")


class CalendarYearAnswer(BaseModel):
    """Working days of one year."""

    year: int
    announced: bool = Field(description="False until the notice for the year has been loaded")
    days_off: list[date]
    days_worked: list[date]


class CalendarAnswer(BaseModel):
    """All years there are."""

    calendar_years: list[CalendarYearAnswer]


class JsonSchemaAnswer(BaseModel):
    """JSON Schema 2020-12 of one record of an entry version."""

    model_config = ConfigDict(extra="allow")
    properties: dict[str, Any]
    required: list[str]
