"""HTTP face: JSON in, JSON out. No decisions here."""

from collections.abc import Callable
from typing import Final

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import Admission, serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.http.web import PageQuery, answer, idempotency_key, make_app
from chengxin.values.page_tokens import decode_page_token, number_after
from chengxin.values.workdays import CalendarYear
from services.catalog.context import CatalogContext
from services.catalog.domain import holiday_notice
from services.catalog.domain.entry import Entry
from services.catalog.domain.record_schema import DIALECT_REVISION, record_schema
from services.catalog.domain.rule_set import RuleSet
from services.catalog.http import schemas
from services.catalog.http.drafts import add_drafts
from services.catalog.http.registers import add_code_lists, add_directory
from services.catalog.http.responses import FOR_EVER, EntryPath, VersionQuery, page
from services.catalog.http.workbooks import add_forms
from services.catalog.usecases import calendar, read_catalog
from services.catalog.usecases import rule_sets as rules
from services.catalog.usecases.paging import entries_page

_ENTRIES: Final = Tag(name="catalog", description="What may be collected, from whom, and under which rules")
_RULES: Final = Tag(name="catalog rules", description="Deadlines with effective dates, and the working-day calendar")
_MAX_BODY: Final = 4 * 1024 * 1024


class EntriesQuery(PageQuery):
    """Which entries."""

    as_of: str = Field("", max_length=10, description="Shanghai date YYYY-MM-DD; empty: today")


class EntryVersionPath(EntryPath):
    """A version of an entry."""

    version: int = Field(ge=1, le=1_000_000)


class BetweenQuery(BaseModel):
    """Two versions."""

    before: int = Field(alias="from", ge=1, le=1_000_000)
    after: int = Field(0, alias="to", ge=0, le=1_000_000, description="0: the version in force today")


class RulesQuery(PageQuery):
    """Which rule sets."""

    name: str = Field("", max_length=64, description="Empty: all")


class YearPath(BaseModel):
    """A year."""

    year: int = Field(ge=holiday_notice.YEARS.start, lt=holiday_notice.YEARS.stop)


def make_catalog_app(ctx: CatalogContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """The app."""
    app = make_app("catalog", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    _add_entries(app, ctx)
    add_drafts(app, ctx)
    add_forms(app, ctx)
    add_code_lists(app, ctx)
    add_directory(app, ctx)
    _add_rules(app, ctx)
    _add_calendar(app, ctx)
    return app


def _add_entries(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/entries",
        tags=[_ENTRIES],
        summary="Entries in force on a day",
        responses={200: schemas.EntriesAnswer},
    )
    @serves(read_catalog.entries)
    def entries(query: EntriesQuery) -> Response:
        """One version each, ordered by code."""
        found = entries_page(ctx, caller(), query.as_of, query.page_token, query.page_size)
        return answer({"entries": [e.to_dict() for e in found.entries], "next_page_token": found.next_page_token})

    @app.get(
        "/v1/catalog/entries/<code>",
        tags=[_ENTRIES],
        summary="One version of an entry",
        responses={200: schemas.EntryAnswer},
    )
    @serves(read_catalog.entry)
    def entry(path: EntryPath, query: VersionQuery) -> Response:
        """The version in force today, or the one named."""
        return answer(read_catalog.entry(ctx, caller(), path.code, query.version).to_dict())

    @app.get(
        "/v1/catalog/entries/<code>/versions",
        tags=[_ENTRIES],
        summary="Every version of an entry",
        responses={200: schemas.EntriesAnswer},
    )
    @serves(read_catalog.versions)
    def versions(path: EntryPath, query: PageQuery) -> Response:
        """Past, present and coming ones, oldest first."""
        after = number_after(query.page_token)
        found = read_catalog.versions(ctx, caller(), path.code, after, query.page_size)
        return page("entries", found, query.page_size, lambda entry: [entry.version])

    @app.get(
        "/v1/catalog/entries/<code>/schema",
        tags=[_ENTRIES],
        summary="JSON Schema of a record of an entry",
        responses={200: schemas.JsonSchemaAnswer},
    )
    @serves(read_catalog.entry)
    def schema(path: EntryPath, query: VersionQuery) -> Response:
        """JSON Schema 2020-12: item code to text. For an address that never changes, name the version in the path."""
        return _schema(read_catalog.entry(ctx, caller(), path.code, query.version))

    @app.get(
        "/v1/catalog/entries/<code>/versions/<int:version>/schema",
        tags=[_ENTRIES],
        summary="JSON Schema of a record of one version, for ever",
        responses={200: schemas.JsonSchemaAnswer},
    )
    @serves(read_catalog.entry)
    def version_schema(path: EntryVersionPath) -> Response:
        """May be kept without asking again."""
        found = _schema(read_catalog.entry(ctx, caller(), path.code, path.version))
        found.headers["Cache-Control"] = FOR_EVER
        return found

    @app.get(
        "/v1/catalog/entries/<code>/diff",
        tags=[_ENTRIES],
        summary="What differs between two versions of an entry",
        responses={200: schemas.EntryDifferenceAnswer},
    )
    @serves(read_catalog.difference)
    def difference(path: EntryPath, query: BetweenQuery) -> Response:
        """In words, and what it means for records and for who sees them."""
        before, after, found = read_catalog.difference(ctx, caller(), path.code, query.before, query.after)
        return answer({"code": path.code, "from": before, "to": after} | found.to_dict())


def _add_rules(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/rules",
        tags=[_RULES],
        summary="Rule sets, every version",
        responses={200: schemas.RuleSetsAnswer},
    )
    @serves(rules.listed)
    def rule_sets(query: RulesQuery) -> Response:
        """In force is the newest version that is effective."""
        name, version = decode_page_token(query.page_token, str, int) or ["", 0]
        found = rules.listed(ctx, caller(), query.name, (name, version), query.page_size)
        return page("rule_sets", found, query.page_size, lambda rules: [rules.name, rules.version])

    @app.post(
        "/v1/catalog/rules",
        tags=[_RULES],
        summary="Publish the next version of a rule set",
        responses={201: schemas.RuleSetAnswer},
    )
    @serves(rules.publish)
    def publish_rules(body: schemas.RuleSetBody) -> Response:
        """Effective from today or later; past decisions keep the version that they were made under."""
        published = rules.publish(
            ctx, caller(), RuleSet(body.name, body.effective_from, body.values), idempotency_key()
        )
        return answer(published.to_dict(), 201)

    @app.post(
        "/v1/catalog/rules/preview",
        tags=[_RULES],
        summary="What publishing rules would change",
        responses={200: schemas.RulesPreviewAnswer},
    )
    @serves(rules.preview)
    def preview_rules(body: schemas.RuleSetBody) -> Response:
        """Publishes nothing; the same rules are refused as when publishing."""
        asked = RuleSet(body.name, body.effective_from, body.values)
        return answer(rules.preview(ctx, caller(), asked))


def _add_calendar(app: OpenAPI, ctx: CatalogContext) -> None:
    @app.get(
        "/v1/catalog/calendar",
        tags=[_RULES],
        summary="The working-day calendar",
        responses={200: schemas.CalendarAnswer},
    )
    @serves(calendar.years)
    def years() -> Response:
        """Every year there is."""
        return answer({"calendar_years": [holiday_notice.year_to_dict(y) for y in calendar.years(ctx, caller())]})

    @app.get(
        "/v1/catalog/calendar/<int:year>",
        tags=[_RULES],
        summary="The working days of a year",
        responses={200: schemas.CalendarYearAnswer},
    )
    @serves(calendar.year)
    def year(path: YearPath) -> Response:
        """Days that are not what their weekday says."""
        return answer(holiday_notice.year_to_dict(calendar.year(ctx, caller(), path.year)))

    @app.put(
        "/v1/catalog/calendar/<int:year>",
        tags=[_RULES],
        summary="Load the State Council's notice for a year",
        responses={200: schemas.CalendarYearAnswer},
    )
    @serves(calendar.load)
    def load_year(path: YearPath, body: schemas.NoticeBody) -> Response:
        """The days of the December before that the notice moves belong to that year: load it again with them."""
        if body.year not in (None, path.year):
            raise INPUT_INVALID(fields=[FieldError("year", "year", f"{body.year} ≠ {path.year}")])
        loaded = CalendarYear(path.year, True, frozenset(body.days_off), frozenset(body.days_worked))
        return answer(holiday_notice.year_to_dict(calendar.load(ctx, caller(), loaded, idempotency_key())))


def _schema(entry: Entry) -> Response:
    found = answer(record_schema(entry))
    found.set_etag(f"{entry.content.code}-{entry.version}-{DIALECT_REVISION}")
    found.make_conditional(request)
    return found
