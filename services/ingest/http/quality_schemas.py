"""Quality and timeliness as the HTTP face says them: questions, answers, lines of CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, Literal

from flask import Response
from pydantic import BaseModel, Field

from chengxin.http.web import PageQuery
from chengxin.tabular.rejects import escape_formula
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from services.ingest.domain.quality import AnomalyKind
from services.ingest.domain.reporting_periods import PeriodState
from services.ingest.usecases import quality_reports

_Format = Literal["json", "csv"]


class SeriesQuery(PageQuery):
    """Whose deliveries for what."""

    provider: str = Field("", max_length=18, description="For organs: the provider's unified social credit code")
    entry: str = Field("", max_length=64, description="Code of the catalog entry")
    region: str = Field("", max_length=12, description="GB/T 2260 region of the provider, where its client has one")
    format: _Format = Field("json", description="csv: all of them as a file")

    def wanted(self) -> quality_reports.SeriesFilter:
        """Which series."""
        return quality_reports.SeriesFilter(self.provider, self.entry, self.region)


class QualityQuery(SeriesQuery):
    """Which days."""

    first: date | None = Field(None, alias="from", description="First Shanghai date; empty: 90 days before the last")
    last: date | None = Field(None, alias="until", description="Last Shanghai date; empty: today")


class FindingsQuery(SeriesQuery):
    """Which findings."""

    state: Literal["", "open", "explained", "closed"] = ""
    kind: Literal["", "volume_drop", "rejection_change", "mass_revocation", "backdating"] = ""


class FindingPath(BaseModel):
    """A finding."""

    finding_id: str = Field(max_length=64)


class RemarkBody(BaseModel):
    """What is said of a finding."""

    text: str = Field(
        min_length=1, max_length=2000, pattern=r"\S", description="Kept with the finding, and nowhere else"
    )


class DeclarationBody(BaseModel):
    """That there was nothing to report."""

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

    act: Act
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


def report_answer(one: quality_reports.Report) -> dict[str, Any]:
    """A report."""
    figures, states = one.figures, [s.state for s in one.standings]
    least = sorted((count, item) for item, count in figures.filled.items())[:5]
    return _who(one.owed, one.region) | {
        "update_cycle": one.owed.cycle,
        "periods": {"expected": sum(s is not PeriodState.NOT_EXPECTED for s in states)}
        | {state.value: states.count(state) for state in PeriodState},
        "latest_periods": [_period(s) for s in one.standings[-10:]],
        "records": {
            "total": figures.total,
            "accepted": figures.accepted,
            "amended": figures.amended,
            "unchanged": figures.unchanged,
            "rejected": figures.rejected,
            "on_record": one.on_record,
        },
        **figures.rates(),
        "least_filled": [{"item": item, "filled": round(count / figures.valid, 4)} for count, item in least],
        "broken_rules": [
            {"rule": rule, "count": count}
            for rule, count in sorted(figures.broken.items(), key=lambda b: (-b[1], b[0]))
        ],
        "changes": {
            "total": figures.changes,
            "revoked": figures.revoked,
            "late": figures.late_changes,
            "undetermined": figures.undetermined_changes,
            "late_working_days": figures.late_working_days,
            "latest_working_days": figures.latest_working_days,
        },
        "corrections": figures.corrections,
        "correction_rate": round(figures.corrections / one.on_record, 4) if one.on_record > 0 else None,
    }


def _who(owed: Any, region: str) -> dict[str, Any]:
    return {
        "provider_uscc": owed.provider,
        "provider_name": owed.provider_name,
        "entry_code": owed.entry_code,
        "entry_name": {"zh": owed.entry_name.zh, "en": owed.entry_name.en},
        "region": region,
    }


def _period(standing: Any) -> dict[str, Any]:
    period = standing.period
    return {
        "period": period.name,
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "state": standing.state.value,
        "due": standing.due.isoformat() if standing.due else None,
        "provisional": standing.provisional,
        "covered_on": standing.covered_on.isoformat() if standing.covered_on else None,
    }


def overdue_answer(one: quality_reports.Overdue) -> dict[str, Any]:
    """An overdue period."""
    period = _period(one.standing)
    told = {name: period[name] for name in ("period", "first_day", "last_day", "due", "provisional")}
    return _who(one.owed, one.region) | told | {"working_days_late": one.working_days_late}


def finding_answer(row: RawDocument) -> dict[str, Any]:
    """A finding."""
    return {
        "finding_id": row["_id"],
        "kind": row["kind"],
        "provider_uscc": row["provider"],
        "provider_name": row.get("provider_name", ""),
        "entry_code": row["entry_code"],
        "entry_name": row.get("entry_name", {"zh": "", "en": ""}),
        "period": row["period"],
        "first_day": row["first_day"],
        "last_day": row["last_day"],
        "figures": row["figures"],
        "state": row["state"],
        "first_seen": rfc3339(row["first_seen"]),
        "last_seen": rfc3339(row["last_seen"]),
        "acts": row["acts"],
    }


REPORT_COLUMNS: Final = (
    *("provider_uscc", "provider_name", "entry_code", "entry_name", "region", "update_cycle", "expected"),
    *("delivered", "delivered_late", "declared", "declared_late", "awaited", "overdue", "undetermined"),
    *("total", "accepted", "amended", "unchanged", "rejected", "rejection_rate", "unchanged_rate", "completeness"),
    *(
        "changes",
        "late_changes",
        "undetermined_changes",
        "latest_working_days",
        "revoked",
        "corrections",
        "correction_rate",
    ),
)
FINDING_COLUMNS: Final = (
    *("finding_id", "kind", "provider_uscc", "provider_name", "entry_code", "entry_name", "period", "state"),
    *("first_seen", "last_seen", "figures", "last_remark"),
)


def report_row(told: dict[str, Any]) -> list[Any]:
    """A line of CSV."""
    changes = told["changes"]
    flat = told | told["periods"] | told["records"]
    flat |= {
        "entry_name": told["entry_name"]["zh"],
        "changes": changes["total"],
        "late_changes": changes["late"],
        "undetermined_changes": changes["undetermined"],
        "latest_working_days": changes["latest_working_days"],
        "revoked": changes["revoked"],
    }
    return [flat[name] for name in REPORT_COLUMNS]


def finding_row(told: dict[str, Any]) -> list[Any]:
    """A line of CSV."""
    flat = told | {
        "entry_name": told["entry_name"]["zh"],
        "figures": " ".join(f"{name}={value}" for name, value in told["figures"].items()),
        "last_remark": told["acts"][-1]["text"] if told["acts"] else "",
    }
    return [flat[name] for name in FINDING_COLUMNS]


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A file, no cell of which becomes a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else escape_formula(str(cell)) for cell in row])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    # With its mark, by which spreadsheets know UTF-8.
    body = b"\xef\xbb\xbf" + buffer.getvalue().encode()
    return Response(body, content_type="text/csv; charset=utf-8", headers=headers)
