"""The views of the working-day calendar. They decide nothing."""

from flask import Response
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.web import RepeatableRequest, answer
from chengxin.values.workdays import CalendarYear
from services.catalog.context import CatalogContext
from services.catalog.domain import holiday_notice
from services.catalog.http import schemas
from services.catalog.http.rule_sets import RULES_TAG
from services.catalog.usecases import calendar


class YearPath(BaseModel):
    """A year."""

    year: int = Field(ge=holiday_notice.YEARS.start, lt=holiday_notice.YEARS.stop)


def add_calendar(app: OpenAPI, ctx: CatalogContext) -> None:
    """Adds the views of the calendar."""

    @app.get(
        "/v1/catalog/calendar",
        tags=[RULES_TAG],
        summary="The working-day calendar",
        responses={200: schemas.CalendarAnswer},
    )
    @serves(calendar.years)
    def years() -> Response:
        """It has every year that was loaded or seeded."""
        return answer({"calendar_years": [holiday_notice.year_to_dict(y) for y in calendar.years(ctx, caller())]})

    @app.get(
        "/v1/catalog/calendar/<int:year>",
        tags=[RULES_TAG],
        summary="The working days of a year",
        responses={200: schemas.CalendarYearAnswer},
    )
    @serves(calendar.year)
    def year(path: YearPath) -> Response:
        """Only the days that differ from the rule of their weekday are listed."""
        return answer(holiday_notice.year_to_dict(calendar.year(ctx, caller(), path.year)))

    @app.put(
        "/v1/catalog/calendar/<int:year>",
        tags=[RULES_TAG],
        summary="Load the State Council's notice for a year",
        responses={200: schemas.CalendarYearAnswer},
    )
    @serves(calendar.load)
    def load_year(path: YearPath, body: schemas.NoticeBody, header: RepeatableRequest) -> Response:
        """Days of the December before that the notice moves belong to that year: load it again with them."""
        if body.year not in (None, path.year):
            raise INPUT_INVALID(fields=[FieldError("year", "year", f"{body.year} ≠ {path.year}")])
        loaded = CalendarYear(path.year, True, frozenset(body.days_off), frozenset(body.days_worked))
        return answer(holiday_notice.year_to_dict(calendar.load(ctx, caller(), loaded, header.idempotency_key)))
