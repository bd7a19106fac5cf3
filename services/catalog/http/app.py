"""The catalog's HTTP app: the views of each feature are in a module of its name. They decide nothing."""

from collections.abc import Callable
from typing import Final

from flask_openapi3.openapi import OpenAPI

from chengxin.auth.admission import Admission
from chengxin.http.proposals import add_proposals
from chengxin.http.web import make_app
from services.catalog.context import CatalogContext
from services.catalog.http.calendar import add_calendar
from services.catalog.http.code_lists import add_code_lists
from services.catalog.http.drafts import add_drafts
from services.catalog.http.entries import add_entries
from services.catalog.http.organisations import add_organisations
from services.catalog.http.rule_sets import add_rule_sets
from services.catalog.http.workbooks import add_workbooks

_MAX_BODY: Final = 4 * 1024 * 1024


def make_catalog_app(ctx: CatalogContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """Returns the app with all views."""
    app = make_app("catalog", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    add_entries(app, ctx)
    add_drafts(app, ctx)
    add_workbooks(app, ctx)
    add_code_lists(app, ctx)
    add_organisations(app, ctx)
    add_rule_sets(app, ctx)
    add_proposals(app, ctx, "/v1/catalog")
    add_calendar(app, ctx)
    return app
