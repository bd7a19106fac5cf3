"""HTTP face: JSON in, JSON out. No decisions here."""

from collections.abc import Callable
from typing import Final

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.policy import Admission, serves
from chengxin.web import PageQuery, answer, encode_page_token, make_app
from chengxin.workdays import CalendarYear
from services.catalog import bodies, calendars, drafts, notice, reading, rules
from services.catalog.paging import entries_page, position
from services.catalog.record_schema import record_schema
from services.catalog.room import Catalog
from services.catalog.rule_set import RuleSet
from services.catalog.versions import Draft, Period

_ENTRIES: Final = Tag(name="catalog", description="What may be collected, from whom, and under which rules")
_DRAFTS: Final = Tag(name="catalog drafts", description="Entries in preparation, for the authority")
_RULES: Final = Tag(name="catalog rules", description="Deadlines with effective dates, and the working-day calendar")
_MAX_BODY: Final = 4 * 1024 * 1024
_LONGEST_KEY: Final = 200


class EntriesQuery(PageQuery):
    """Which entries."""

    as_of: str = Field("", max_length=10, description="Shanghai date YYYY-MM-DD; empty: today")


class EntryPath(BaseModel):
    """An entry."""

    code: str = Field(max_length=64)


class VersionQuery(BaseModel):
    """Which version."""

    version: int = Field(0, ge=0, le=1_000_000, description="0: the version in force today")


class DraftPath(BaseModel):
    """A draft."""

    draft_id: str = Field(max_length=64)


class RulesQuery(PageQuery):
    """Which rule sets."""

    name: str = Field("", max_length=64, description="Empty: all")


class YearPath(BaseModel):
    """A year."""

    year: int = Field(ge=notice.YEARS.start, lt=notice.YEARS.stop)


def make_catalog_app(catalog: Catalog, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """The app."""
    app = make_app("catalog", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    _add_entries(app, catalog)
    _add_drafts(app, catalog)
    _add_rules(app, catalog)
    _add_calendar(app, catalog)
    return app


def _add_entries(app: OpenAPI, catalog: Catalog) -> None:
    @app.get(
        "/v1/catalog/entries",
        tags=[_ENTRIES],
        summary="Entries in force on a day",
        responses={200: bodies.EntriesAnswer},
    )
    @serves(reading.entries)
    def entries(query: EntriesQuery) -> Response:
        """One version each, ordered by code."""
        page = entries_page(catalog, caller(), query.as_of, query.page_token, query.page_size)
        return answer({"entries": [e.plain() for e in page.entries], "next_page_token": page.next_page_token})

    @app.get(
        "/v1/catalog/entries/<code>",
        tags=[_ENTRIES],
        summary="One version of an entry",
        responses={200: bodies.EntryAnswer},
    )
    @serves(reading.entry)
    def entry(path: EntryPath, query: VersionQuery) -> Response:
        """The version in force today, or the one named."""
        return answer(reading.entry(catalog, caller(), path.code, query.version).plain())

    @app.get(
        "/v1/catalog/entries/<code>/versions",
        tags=[_ENTRIES],
        summary="Every version of an entry",
        responses={200: bodies.EntriesAnswer},
    )
    @serves(reading.versions)
    def versions(path: EntryPath, query: PageQuery) -> Response:
        """Past, present and coming ones, oldest first."""
        [after] = position(query.page_token, int) or [0]
        found = reading.versions(catalog, caller(), path.code, after, query.page_size)
        page = found[: query.page_size]
        return _page("entries", [e.plain() for e in page], len(found) > len(page), lambda: [page[-1].version])

    @app.get(
        "/v1/catalog/entries/<code>/schema",
        tags=[_ENTRIES],
        summary="JSON Schema of a record of an entry",
        responses={200: bodies.JsonSchemaAnswer},
    )
    @serves(reading.entry)
    def schema(path: EntryPath, query: VersionQuery) -> Response:
        """JSON Schema 2020-12: item code to text."""
        return answer(record_schema(reading.entry(catalog, caller(), path.code, query.version)))


def _add_drafts(app: OpenAPI, catalog: Catalog) -> None:
    @app.post(
        "/v1/catalog/drafts",
        tags=[_DRAFTS],
        summary="Begin a draft of an entry",
        responses={201: bodies.DraftAnswer},
    )
    @serves(drafts.create)
    def create_draft(body: bodies.EntryBody) -> Response:
        """Of a new entry, or of the next version of one."""
        return _draft(drafts.create(catalog, caller(), body.content(), _key()), 201)

    @app.get("/v1/catalog/drafts", tags=[_DRAFTS], summary="Drafts", responses={200: bodies.DraftsAnswer})
    @serves(drafts.listed)
    def list_drafts(query: PageQuery) -> Response:
        """Oldest first, published ones among them."""
        [after] = position(query.page_token, str) or [""]
        found = drafts.listed(catalog, caller(), after, query.page_size)
        page = found[: query.page_size]
        return _page("drafts", [d.plain() for d in page], len(found) > len(page), lambda: [page[-1].draft_id])

    @app.get("/v1/catalog/drafts/<draft_id>", tags=[_DRAFTS], summary="A draft", responses={200: bodies.DraftAnswer})
    @serves(drafts.read)
    def read_draft(path: DraftPath) -> Response:
        """With its revision as ETag."""
        return _draft(drafts.read(catalog, caller(), path.draft_id))

    @app.put(
        "/v1/catalog/drafts/<draft_id>",
        tags=[_DRAFTS],
        summary="Replace the content of a draft",
        responses={200: bodies.DraftAnswer},
    )
    @serves(drafts.edit)
    def edit_draft(path: DraftPath, body: bodies.EntryBody) -> Response:
        """With If-Match only when it is still the revision that you saw."""
        return _draft(drafts.edit(catalog, caller(), path.draft_id, body.content(), _revision(), _key()))

    @app.post(
        "/v1/catalog/drafts/<draft_id>/publish",
        tags=[_DRAFTS],
        summary="Publish a draft as the next version of its entry",
        responses={200: bodies.EntryAnswer},
    )
    @serves(drafts.publish_draft)
    def publish_draft(path: DraftPath, body: bodies.PeriodBody) -> Response:
        """The version before it ends the day before it begins."""
        period = Period(body.effective_from, body.effective_to or None)
        return answer(drafts.publish_draft(catalog, caller(), path.draft_id, period, _key()).plain())


def _add_rules(app: OpenAPI, catalog: Catalog) -> None:
    @app.get(
        "/v1/catalog/rules",
        tags=[_RULES],
        summary="Rule sets, every version",
        responses={200: bodies.RuleSetsAnswer},
    )
    @serves(rules.listed)
    def rule_sets(query: RulesQuery) -> Response:
        """In force is the newest version that is effective."""
        name, version = position(query.page_token, str, int) or ["", 0]
        found = rules.listed(catalog, caller(), query.name, (name, version), query.page_size)
        page = found[: query.page_size]
        more = len(found) > len(page)
        return _page("rule_sets", [r.plain() for r in page], more, lambda: [page[-1].name, page[-1].version])

    @app.post(
        "/v1/catalog/rules",
        tags=[_RULES],
        summary="Publish the next version of a rule set",
        responses={201: bodies.RuleSetAnswer},
    )
    @serves(rules.publish)
    def publish_rules(body: bodies.RuleSetBody) -> Response:
        """Effective from today or later; past decisions keep the version that they were made under."""
        published = rules.publish(catalog, caller(), RuleSet(body.name, body.effective_from, body.values), _key())
        return answer(published.plain(), 201)


def _add_calendar(app: OpenAPI, catalog: Catalog) -> None:
    @app.get(
        "/v1/catalog/calendar",
        tags=[_RULES],
        summary="The working-day calendar",
        responses={200: bodies.CalendarAnswer},
    )
    @serves(calendars.years)
    def years() -> Response:
        """Every year there is."""
        return answer({"calendar_years": [notice.plain(y) for y in calendars.years(catalog, caller())]})

    @app.get(
        "/v1/catalog/calendar/<int:year>",
        tags=[_RULES],
        summary="The working days of a year",
        responses={200: bodies.CalendarYearAnswer},
    )
    @serves(calendars.year)
    def year(path: YearPath) -> Response:
        """Days that are not what their weekday says."""
        return answer(notice.plain(calendars.year(catalog, caller(), path.year)))

    @app.put(
        "/v1/catalog/calendar/<int:year>",
        tags=[_RULES],
        summary="Load the State Council's notice for a year",
        responses={200: bodies.CalendarYearAnswer},
    )
    @serves(calendars.load)
    def load_year(path: YearPath, body: bodies.NoticeBody) -> Response:
        """The days of the December before that the notice moves belong to that year: load it again with them."""
        if body.year not in (None, path.year):
            raise INPUT_INVALID(fields=[FieldError("year", "year", f"{body.year} ≠ {path.year}")])
        loaded = CalendarYear(path.year, True, frozenset(body.days_off), frozenset(body.days_worked))
        return answer(notice.plain(calendars.load(catalog, caller(), loaded, _key())))


def _draft(draft: Draft, status: int = 200) -> Response:
    found = answer(draft.plain(), status)
    found.set_etag(str(draft.revision))
    return found


def _page(name: str, values: list[object], more: bool, last: Callable[[], list[object]]) -> Response:
    return answer({name: values, "next_page_token": encode_page_token(last()) if more else ""})


def _key() -> str:
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > _LONGEST_KEY:
        raise INPUT_INVALID(fields=[FieldError("Idempotency-Key", "length", f"≤ {_LONGEST_KEY}")])
    return key


def _revision() -> int | None:
    """The revision named in If-Match; None for none and for `*`."""
    text = request.headers.get("If-Match", "").strip()
    if text in ("", "*"):
        return None
    number = text.strip('"')
    if not number.isascii() or not number.isdigit():
        raise INPUT_INVALID(fields=[FieldError("If-Match", "etag", "ETag of the draft / 草案的 ETag")])
    return int(number)
