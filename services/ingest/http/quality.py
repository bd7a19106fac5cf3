"""The HTTP face of quality and timeliness: it answers with JSON and CSV, and decides nothing."""

from datetime import date, timedelta
from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.description import json_or_file
from chengxin.http.web import RepeatableRequest, answer
from chengxin.values.page_tokens import encode_page_token
from services.ingest.context import IngestContext
from services.ingest.domain.reporting_periods import LOOKED_BACK
from services.ingest.http.quality_answers import (
    CSV,
    FINDING_COLUMNS,
    REPORT_COLUMNS,
    csv_answer,
    finding_answer,
    finding_row,
    overdue_answer,
    report_answer,
    report_row,
)
from services.ingest.http.quality_schemas import (
    DeclarationAnswer,
    DeclarationBody,
    FindingAnswer,
    FindingPath,
    FindingsAnswer,
    FindingsQuery,
    OverdueAnswer,
    OverduesAnswer,
    QualityQuery,
    RemarkBody,
    ReportsAnswer,
    SearchedAnswer,
    SeriesQuery,
)
from services.ingest.usecases import anomalies, quality_reports
from services.ingest.usecases.paging import series_position, submission_position

_QUALITY: Final = Tag(
    name="quality", description="What was expected of providers, what came, and what is out of the ordinary"
)
_QUARTER: Final = timedelta(days=90)
# Every delivery is later, and a quarter can be counted back from it.
_EARLIEST: Final = date(1990, 1, 1)


def add_quality(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the addresses."""
    _add_lists(app, ctx)
    _add_declaration(app, ctx)
    _add_findings(app, ctx)
    _add_remarks(app, ctx)


def _add_lists(app: OpenAPI, ctx: IngestContext) -> None:
    @app.get(
        "/v1/submissions/quality",
        tags=[_QUALITY],
        summary="Quality of deliveries",
        responses={200: json_or_file(ReportsAnswer, CSV)},
    )
    @serves(quality_reports.reports)
    def reports(query: QualityQuery) -> Response:
        """By provider and entry, over some days."""
        first, last = _days(query, ctx.clock.today())
        after, size = _page(query, series_position(query.page_token, 2))
        found, following = quality_reports.reports(ctx, caller(), query.wanted(), first, last, after, size)
        if query.format == "csv":
            return csv_answer("quality", REPORT_COLUMNS, map(report_row, map(report_answer, found)))
        days = {"first_day": first.isoformat(), "last_day": last.isoformat()}
        return answer(
            days | {"reports": [report_answer(r) for r in found], "next_page_token": encode_page_token(following)}
        )

    @app.get(
        "/v1/submissions/overdue",
        tags=[_QUALITY],
        summary="Overdue periods",
        responses={200: json_or_file(OverduesAnswer, CSV)},
    )
    @serves(quality_reports.overdue)
    def overdue(query: SeriesQuery) -> Response:
        """By provider, entry and time."""
        after, size = _page(query, series_position(query.page_token, 3))
        found, following = quality_reports.overdue(ctx, caller(), query.wanted(), after, size)
        rows = [overdue_answer(one) for one in found]
        if query.format == "csv":
            columns = [name for name in OverdueAnswer.model_fields if name != "entry_name"]
            return csv_answer("overdue", columns, ([row[name] for name in columns] for row in rows))
        return answer({"overdue": rows, "next_page_token": encode_page_token(following)})


def _add_declaration(app: OpenAPI, ctx: IngestContext) -> None:
    @app.post(
        "/v1/submissions/nothing-to-report",
        tags=[_QUALITY],
        summary="Nothing to report",
        responses={200: DeclarationAnswer},
    )
    @serves(quality_reports.declare_nothing)
    def declare(body: DeclarationBody, header: RepeatableRequest) -> Response:
        """A provider says that there was nothing to report in a period that is over."""
        declaration = quality_reports.Declaration(body.catalog, body.period, body.through)
        periods = quality_reports.declare_nothing(ctx, caller(), declaration, header.idempotency_key)
        return answer({"catalog": body.catalog, "periods": periods})


def _add_findings(app: OpenAPI, ctx: IngestContext) -> None:
    @app.post(
        "/v1/submissions/quality/recompute",
        tags=[_QUALITY],
        summary="Look for anomalies now",
        responses={200: SearchedAnswer},
    )
    @serves(anomalies.recompute)
    def recompute() -> Response:
        """What happens every day by itself."""
        return answer(anomalies.recompute(ctx, caller()))

    @app.get(
        "/v1/submissions/findings",
        tags=[_QUALITY],
        summary="Findings",
        responses={200: json_or_file(FindingsAnswer, CSV)},
    )
    @serves(anomalies.findings)
    def listed(query: FindingsQuery) -> Response:
        """Latest first."""
        after, size = _page(query, submission_position(query.page_token))
        found, following = anomalies.findings(ctx, caller(), query.wanted(), query.state, query.kind, after, size)
        rows = [finding_answer(row) for row in found]
        if query.format == "csv":
            return csv_answer("findings", FINDING_COLUMNS, map(finding_row, rows))
        return answer({"findings": rows, "next_page_token": encode_page_token(following)})

    @app.get(
        "/v1/submissions/findings/<finding_id>", tags=[_QUALITY], summary="A finding", responses={200: FindingAnswer}
    )
    @serves(anomalies.finding)
    def finding(path: FindingPath) -> Response:
        """With what was said of it."""
        return answer(finding_answer(anomalies.finding(ctx, caller(), path.finding_id)))


def _add_remarks(app: OpenAPI, ctx: IngestContext) -> None:
    @app.post(
        "/v1/submissions/findings/<finding_id>/explain",
        tags=[_QUALITY],
        summary="Explain a finding",
        responses={200: FindingAnswer},
    )
    @serves(anomalies.explain)
    def explain(path: FindingPath, body: RemarkBody, header: RepeatableRequest) -> Response:
        """Its provider says how it came about."""
        remark = anomalies.Remark(path.finding_id, body.text)
        return answer(finding_answer(anomalies.explain(ctx, caller(), remark, header.idempotency_key)))

    @app.post(
        "/v1/submissions/findings/<finding_id>/close",
        tags=[_QUALITY],
        summary="Close a finding",
        responses={200: FindingAnswer},
    )
    @serves(anomalies.close)
    def close(path: FindingPath, body: RemarkBody, header: RepeatableRequest) -> Response:
        """The supervisor is done with it."""
        remark = anomalies.Remark(path.finding_id, body.text)
        return answer(finding_answer(anomalies.close(ctx, caller(), remark, header.idempotency_key)))


def _days(query: QualityQuery, today: date) -> tuple[date, date]:
    last = query.last or today
    first = query.first or max(last, _EARLIEST) - _QUARTER
    if not timedelta(0) <= last - first <= LOOKED_BACK:
        told = (
            f"不晚于 until，且最多早 {LOOKED_BACK.days} 天 / not after until, at most {LOOKED_BACK.days} days before it"
        )
        raise INPUT_INVALID(fields=[FieldError("from", "range", told)])
    return first, last


def _page(query: SeriesQuery, after: Any) -> tuple[Any, int]:
    return (None, 0) if query.format == "csv" else (after, query.page_size)
