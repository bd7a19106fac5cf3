"""HTTP face of rebuilding what is derived. No decisions here."""

from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import NOT_FOUND
from chengxin.http.description import ProblemDocument
from chengxin.http.web import answer
from services.disclosure.context import DisclosureContext
from services.disclosure.usecases import rebuild as rebuilding

_OPERATIONS: Final = Tag(name="operations", description="The centre: making anew what is derived from the feeds")
_ADDRESS: Final = "/v1/operations/disclosure/rebuild"


class RebuildDifferenceAnswer(BaseModel):
    """What was found different."""

    subject_ref: str
    record_id: str = Field(description="Empty when it is of the subject itself, or of the order of its records")
    what: str = Field(description="missing, more, differs, order, subject")


class RebuildAnswer(BaseModel):
    """A rebuild: everything derived is made again from the feeds, compared with what is in use, and put in its place."""

    generation: int
    state: str = Field(description="asked, filling, done, failed")
    asked_at: str
    done_at: str
    reason: str = Field(description="Why it failed")
    positions: dict[str, int] = Field(description="By feed, how far it is")
    goal: dict[str, int] = Field(description="By feed, how far what is in use is")
    compared: int = Field(description="Subjects compared so far")
    differences: int
    listed: list[RebuildDifferenceAnswer] = Field(description="The first 200 of them")


def add_rebuild(app: OpenAPI, ctx: DisclosureContext) -> None:
    """The address of the rebuild."""

    @app.post(_ADDRESS, tags=[_OPERATIONS], summary="Rebuild what is derived", responses={202: RebuildAnswer})
    @serves(rebuilding.request)
    def ask() -> Response:
        """In the background; one that is under way is not begun again."""
        return answer(_told(rebuilding.request(ctx, caller())), 202)

    @app.get(
        _ADDRESS,
        tags=[_OPERATIONS],
        summary="How far the rebuild is",
        responses={200: RebuildAnswer, 404: ProblemDocument},
    )
    @serves(rebuilding.read_progress)
    def progress() -> Response:
        """Of the one that was asked for last."""
        found = rebuilding.read_progress(ctx, caller())
        if found is None:
            raise NOT_FOUND(what="rebuild")
        return answer(_told(found))


def _told(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "generation": found["number"],
        "state": found["state"],
        "asked_at": found["asked_at"],
        "done_at": found.get("done_at", ""),
        "reason": found.get("reason", ""),
        "positions": found.get("positions", {}),
        "goal": found.get("goal", {}),
        "compared": found.get("compared", 0),
        "differences": found.get("differences", 0),
        "listed": [
            {"subject_ref": ref, "record_id": record_id, "what": what}
            for ref, record_id, what in found.get("listed", [])
        ],
    }
