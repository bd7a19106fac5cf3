"""The addresses of the page for direct reporting and of its script."""

from flask import Response, send_file
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import open_to_all, serves
from chengxin.errors import INPUT_INVALID
from chengxin.http.pages import asked_for, page, page_language
from chengxin.http.request_checks import for_readers
from chengxin.values.named_things import ORGANISATION
from services.ingest.context import IngestContext
from services.ingest.http.pages import SCRIPT, Pages
from services.ingest.usecases import read_submissions
from services.ingest.usecases.paging import submission_position


def _provider() -> str:
    """The provider whose submissions an organ asks for; empty: all. Raises INPUT_INVALID."""
    asked = asked_for("provider")
    if fault := ORGANISATION.fault("provider", asked):
        raise INPUT_INVALID(fields=[fault])
    return asked


def add_pages(app: OpenAPI, ctx: IngestContext) -> None:
    """Adds the addresses."""
    pages = Pages(ctx)

    @app.route("/report")
    @serves(read_submissions.submissions)
    @for_readers
    def report() -> Response:
        language = page_language()
        after = submission_position(asked_for("page"))
        return page(pages.report(_provider(), after, language), language)

    @app.route("/report/report.js")
    @open_to_all("the page's script")
    @for_readers
    def script() -> Response:
        return send_file(SCRIPT, "text/javascript")
