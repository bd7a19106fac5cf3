"""Quality and timeliness over HTTP: the answers as JSON and as lines of CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from flask import Response

from chengxin.tabular.rejects import escape_formula
from chengxin.values.clock import rfc3339
from services.ingest.domain.anomaly_finding import AnomalyFinding
from services.ingest.domain.reporting_duties import ReportingDuty
from services.ingest.domain.reporting_periods import PeriodStanding, PeriodState
from services.ingest.usecases import quality_reports

CSV: Final = "text/csv"


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


def _who(owed: ReportingDuty, region: str) -> dict[str, Any]:
    return {
        "provider_uscc": owed.provider,
        "provider_name": owed.provider_name,
        "entry_code": owed.entry_code,
        "entry_name": {"zh": owed.entry_name.zh, "en": owed.entry_name.en},
        "region": region,
    }


def _period(standing: PeriodStanding) -> dict[str, Any]:
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


def finding_answer(one: AnomalyFinding) -> dict[str, Any]:
    """A finding."""
    return {
        "finding_id": one.finding_id,
        "kind": one.kind,
        "provider_uscc": one.provider,
        "provider_name": one.provider_name,
        "entry_code": one.entry_code,
        "entry_name": {"zh": one.entry_name.zh, "en": one.entry_name.en},
        "period": one.period,
        "first_day": one.first_day,
        "last_day": one.last_day,
        "figures": one.figures,
        "state": one.state.value,
        "first_seen": rfc3339(one.first_seen),
        "last_seen": rfc3339(one.last_seen),
        "acts": [remark.to_dict() for remark in one.remarks],
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


def report_row(row: dict[str, Any]) -> list[Any]:
    """A line of CSV."""
    changes = row["changes"]
    flat = row | row["periods"] | row["records"]
    flat |= {
        "entry_name": row["entry_name"]["zh"],
        "changes": changes["total"],
        "late_changes": changes["late"],
        "undetermined_changes": changes["undetermined"],
        "latest_working_days": changes["latest_working_days"],
        "revoked": changes["revoked"],
    }
    return [flat[name] for name in REPORT_COLUMNS]


def finding_row(row: dict[str, Any]) -> list[Any]:
    """A line of CSV."""
    flat = row | {
        "entry_name": row["entry_name"]["zh"],
        "figures": " ".join(f"{name}={value}" for name, value in row["figures"].items()),
        "last_remark": row["acts"][-1]["text"] if row["acts"] else "",
    }
    return [flat[name] for name in FINDING_COLUMNS]


def csv_answer(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A file of which a spreadsheet evaluates no cell."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else escape_formula(str(cell)) for cell in row])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    # Spreadsheets recognise UTF-8 by its byte order mark.
    body = b"\xef\xbb\xbf" + buffer.getvalue().encode()
    return Response(body, content_type=f"{CSV}; charset=utf-8", headers=headers)
