"""The portal's pages: what the use cases answered, in the words of the regulation, Chinese first."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from flask import Response, request
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.page_shell import Templates
from chengxin.http.pages import asked_for, page, page_language
from chengxin.http.request_checks import for_readers
from chengxin.values.clock import shanghai_date
from chengxin.values.page_tokens import encode_page_token, number_after, text_after
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.catalog_entry import DisclosureEntry, DisclosureItem
from services.disclosure.domain.disclosure_period import OPEN_ENDED
from services.disclosure.domain.record_views import INFORMATION_CLASSES, RecordView
from services.disclosure.http.page_messages import WORDS
from services.disclosure.usecases import query_records as query
from services.disclosure.usecases.view_reader import RecordsQuery

_PER_PAGE: Final = 20


@dataclass(frozen=True)
class ItemLine:
    """One information item on a page."""

    label: str
    value: str


@dataclass(frozen=True)
class RecordBlock:
    """One record on a page."""

    shown: RecordView
    title: str
    lines: list[ItemLine]
    recorded_on: str


class PageRenderer:
    """Renders pages. Everything that comes from records is escaped."""

    def __init__(self, ctx: DisclosureContext) -> None:
        self._ctx = ctx
        self._templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    def portal(self, asked: str, start: int, language: str) -> str:
        """The search form, and what was found when something was asked for."""
        today = self._ctx.clock.today().isoformat()
        found, total = query.search(self._ctx, caller(), asked, start, _PER_PAGE) if asked else ([], 0)
        subjects = [{"listed": s, "name": s.name(today), "former": s.former(today)} for s in found]
        more = encode_page_token(start + _PER_PAGE if total > start + _PER_PAGE else None)
        return self._render(
            "portal.html",
            language,
            asked=asked,
            subjects=subjects,
            total=total,
            start=start,
            more=more,
        )

    def subject(self, ref: str, ask: RecordsQuery, language: str) -> str:
        """What is public about a subject. Raises SUBJECT_NOT_PUBLIC."""
        answered = query.public(self._ctx, caller(), ref, ask)
        blocks = [self._block(seen.shown, language) for seen in answered.records]
        groups = [(c, [b for b in blocks if b.shown.information_class == c]) for c in INFORMATION_CLASSES]
        return self._render(
            "subject.html",
            language,
            subject=answered.subject,
            groups=[(c, found) for c, found in groups if found],
            count=len(blocks),
            first=not ask.after,
            more=encode_page_token(answered.following),
            today=self._ctx.clock.today().isoformat(),
        )

    def own(self, ask: RecordsQuery, language: str) -> str:
        """All about oneself, in full."""
        answered = query.own(self._ctx, caller(), ask)
        return self._render(
            "own.html",
            language,
            subject=answered.subject,
            blocks=[self._block(seen.shown, language) for seen in answered.records],
            more=encode_page_token(answered.following),
        )

    def _render(self, name: str, language: str, **values: Any) -> str:
        return self._templates.render(name, language, **values)

    def _block(self, shown: RecordView, language: str) -> RecordBlock:
        entry = self._ctx.store.entry(shown.entry_code, shown.entry_version)
        title = entry.name.text(language) if entry else shown.entry_name
        recorded = shanghai_date(datetime.fromisoformat(shown.recorded_at).astimezone(UTC)).isoformat()
        return RecordBlock(shown, title, _lines(shown, entry, language), recorded)


def add_pages(app: OpenAPI, ctx: DisclosureContext) -> None:
    """Adds the routes."""
    pages = PageRenderer(ctx)

    @app.route("/")
    @serves(query.search)
    @for_readers
    def portal() -> Response:
        language = page_language()
        html = pages.portal(asked_for("q")[:200].strip(), number_after(asked_for("from")), language)
        response = page(html, language)
        if not request.args.get("q", "").strip():
            # It shows no subject, and people look for it.
            response.headers["X-Robots-Tag"] = "all"
        return response

    @app.route("/me")
    @serves(query.own)
    @for_readers
    def own_page() -> Response:
        language = page_language()
        return page(pages.own(RecordsQuery(after=text_after(asked_for("page"))), language), language)

    @app.route("/subjects/<subject_ref>")
    @serves(query.public)
    @for_readers
    def subject_page(subject_ref: str) -> Response:
        language = page_language()
        return page(pages.subject(subject_ref, RecordsQuery(after=text_after(asked_for("page"))), language), language)


def _lines(shown: RecordView, entry: DisclosureEntry | None, language: str) -> list[ItemLine]:
    """The items in the order of the catalog entry."""
    if entry is None:
        return [ItemLine(code, value) for code, value in shown.items.items()]
    return [
        ItemLine(item.name.text(language), _value(item, shown.items[item.code], language))
        for item in entry.items
        if item.code in shown.items
    ]


def _value(item: DisclosureItem, value: str, language: str) -> str:
    """A value of a code list by its name, where it has one; the day that providers write for no end, in words."""
    if item.type == "date" and value == OPEN_ENDED:
        return WORDS["until.none"][int(language == "en")]
    names = {c.code: c.name.text(language) for c in item.code_list}
    if not names:
        return value
    parts = value.split(";") if item.multiple else [value]
    return "；".join(names.get(part, "") or part for part in parts)
