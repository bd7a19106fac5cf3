"""The page on which a citizen sees who looked: what the use case answered, in words. It decides nothing."""

from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from flask import Response
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.page_shell import Templates
from chengxin.http.pages import asked_for, page, page_language
from chengxin.http.request_checks import for_readers
from chengxin.values.clock import SHANGHAI
from chengxin.values.document import RawDocument
from chengxin.values.page_tokens import encode_page_token, number_after
from services.audit.context import AuditContext
from services.audit.http.page_messages import WORDS
from services.audit.usecases import read_events

_PER_PAGE: Final = 50


def add_pages(app: OpenAPI, ctx: AuditContext) -> None:
    """Adds the route."""
    templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    @app.route("/me/accesses")
    @serves(read_events.accesses)
    @for_readers
    def accesses_page() -> Response:
        language = page_language()
        below = number_after(asked_for("page"))
        found = read_events.accesses(ctx, caller(), below, _PER_PAGE)
        lines = [_line(read_events.access(logged, caller().sub, language)) for logged in found.events]
        html = templates.render(
            "accesses.html",
            language,
            days=[(day, list(lines_of_day)) for day, lines_of_day in groupby(lines, key=lambda line: line["day"])],
            first=not below,
            more=encode_page_token(found.below),
        )
        return page(html, language)


def _line(access: RawDocument) -> RawDocument:
    """An access with its day and time in Shanghai."""
    at = datetime.fromisoformat(access["at"]).astimezone(SHANGHAI)
    return access | {"day": at.date().isoformat(), "time": f"{at:%H:%M:%S}"}
