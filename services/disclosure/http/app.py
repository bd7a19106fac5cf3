"""HTTP face: the JSON API and the portal's pages, wired together. Each feature's routes are in the file of its name."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from flask_openapi3.openapi import OpenAPI

from chengxin.auth.admission import Admission
from chengxin.http.proposals import add_proposals
from chengxin.http.web import make_app
from services.disclosure.context import DisclosureContext
from services.disclosure.http.consents import add_consents
from services.disclosure.http.pages import add_pages
from services.disclosure.http.public_feed import add_feed
from services.disclosure.http.query_records import add_query_records
from services.disclosure.http.rebuild import add_rebuild
from services.disclosure.http.subjects import add_subjects

# A report of differences names 5,000 records.
_MAX_BODY: Final = 512 * 1024


def make_disclosure_app(
    ctx: DisclosureContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]
) -> OpenAPI:
    """The app."""
    app = make_app("disclosure", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.static_folder = str(Path(__file__).parents[1] / "static")
    add_query_records(app, ctx)
    add_consents(app, ctx)
    add_proposals(app, ctx, "/v1/subjects")
    add_subjects(app, ctx)
    add_feed(app, ctx)
    add_rebuild(app, ctx)
    add_pages(app, ctx)
    return app
