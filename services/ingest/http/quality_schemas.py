"""Quality and timeliness over HTTP: the schemas of questions and answers."""

from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from chengxin.http.inputs import Body, OptionalDay
from chengxin.http.named_things import OrganisationName, RegionName
from chengxin.http.web import PageQuery
from services.ingest.domain.quality import AnomalyKind
from services.ingest.domain.reporting_periods import PeriodState
from services.ingest.usecases import quality_reports

_Format = Literal["json", "csv"]


class SeriesQuery(PageQuery):
    """Whose deliveries for what."""

    beyond_schema: ClassVar[str] = "A provider's code with a right check digit; an entry and a region that there are"

    provider: OrganisationName = Field("", description="For organs: the provider's unified social credit code")
    entry: str = Field("", pattern=r"^([A-Za-z][A-Za-z0-9_]{0,63})?$", description="Code of the catalog entry")
    region: RegionName = Field("", description="GB/T 2260 region of the provider, where its client has one")
    format: _Format = Field("json", description="csv: all of them as a file")

    def wanted(self) -> quality_reports.SeriesFilter:
        """Which series."""
        return quality_reports.SeriesFilter(self.provider, self.entry, self.region)


class QualityQuery(SeriesQuery):
    """Which days."""

    beyond_schema: ClassVar[str] = "from is not after until, and at most a number of days before it"

    first: OptionalDay = Field(None, alias="from", description="First Shanghai date; left out: 90 days before the last")
    last: OptionalDay = Field(None, alias="until", description="Last Shanghai date; left out: today")


class FindingsQuery(SeriesQuery):
    """Which findings."""

    state: Literal["", "open", "explained", "closed"] = ""
    kind: Literal["", "volume_drop", "rejection_change", "mass_revocation", "backdating"] = ""


class FindingPath(BaseModel):
    """A finding."""

    finding_id: str = Field(max_length=64)


class RemarkBody(Body):
    """What is said of a finding."""

    text: str = Field(
        min_length=1, max_length=2000, pattern=r"\S", description="Kept with the finding, and nowhere else"
    )


class DeclarationBody(Body):
    """That there was nothing to report."""

    beyond_schema: ClassVar[str] = "Periods of the entry that are over, in the form of its update cycle"

    catalog: str = Field(max_length=64, description="Code of the catalog entry")
    period: str = Field(
        max_length=10, description="2026-11-24, 2026-W48, 2026-11, 2026-Q4 or 2026, by the update cycle"
    )
    through: str = Field("", max_length=10, description="The last of several periods; empty: only the one")


class DeclarationAnswer(BaseModel):
    """Periods for which it is on record that there was nothing to report."""

    catalog: str
    periods: list[str]


class BrokenRuleAnswer(BaseModel):
    """How often a rule was broken."""

    rule: str
    count: int


class ItemShare(BaseModel):
    """How often an optional item was filled."""

    item: str
    filled: float


class ReportingPeriodAnswer(BaseModel):
    """A period and how it stands with it."""

    period: str
    first_day: str
    last_day: str
    state: str = Field(description=", ".join(PeriodState))
    due: str | None
    provisional: bool
    covered_on: str | None


class ReportAnswer(BaseModel):
    """How a provider does with an entry."""

    provider_uscc: str
    provider_name: str
    entry_code: str
    entry_name: dict[str, str]
    region: str
    update_cycle: str
    periods: dict[str, int] = Field(description="How many periods are in each state")
    latest_periods: list[ReportingPeriodAnswer] = Field(description="The latest ten")
    records: dict[str, int]
    rejection_rate: float | None
    unchanged_rate: float | None
    completeness: float | None = Field(description="Share of optional items filled in valid records")
    least_filled: list[ItemShare] = Field(description="The five optional items that are filled least")
    broken_rules: list[BrokenRuleAnswer]
    changes: dict[str, int] = Field(
        description="Amendments and revocations, and how late they were in working days; of how many that is undetermined"
    )
    corrections: int = Field(description="Versions that an objection brought about")
    correction_rate: float | None = Field(description="Corrections per record in force")


class ReportsAnswer(BaseModel):
    """A page of reports."""

    first_day: str
    last_day: str
    reports: list[ReportAnswer]
    next_page_token: str


class OverdueAnswer(BaseModel):
    """An overdue period."""

    provider_uscc: str
    provider_name: str
    entry_code: str
    entry_name: dict[str, str]
    region: str
    period: str
    first_day: str
    last_day: str
    due: str
    provisional: bool
    working_days_late: int | None = Field(description="Null where the calendar of this year is missing")


class OverduesAnswer(BaseModel):
    """A page of overdue periods."""

    overdue: list[OverdueAnswer]
    next_page_token: str


class FindingRemarkAnswer(BaseModel):
    """What somebody said of a finding."""

    act: Literal["explained", "closed"]
    by: str
    at: str
    text: str


class FindingAnswer(BaseModel):
    """Something out of the ordinary."""

    finding_id: str
    kind: str = Field(description=", ".join(AnomalyKind))
    provider_uscc: str
    provider_name: str = Field(description="As the entry names it")
    entry_code: str
    entry_name: dict[str, str]
    period: str
    first_day: str
    last_day: str
    figures: dict[str, float]
    state: str = Field(description="open, explained, closed")
    first_seen: str
    last_seen: str
    acts: list[FindingRemarkAnswer]


class FindingsAnswer(BaseModel):
    """A page of findings."""

    findings: list[FindingAnswer]
    next_page_token: str


class SearchedAnswer(BaseModel):
    """What a search did."""

    series: int
    raised: int
