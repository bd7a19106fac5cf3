"""The HTTP face of a service's operation. It decides nothing."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.feeds.quarantine_rows import to_dict
from chengxin.http.web import PageQuery, answer
from chengxin.process import operations
from chengxin.process.operations import Operations
from chengxin.values.page_tokens import encode_page_token, number_after

_OPERATIONS: Final = Tag(name="operations", description="The centre: what could not be applied, and trying it again")


class SetAsidePath(BaseModel):
    """What was set aside."""

    row_id: str = Field(pattern=r"^q_[0-9a-f]{24}$", description="`id` of the list")


class SetAsideAnswer(BaseModel):
    """One thing that could not be applied. It holds pseudonyms and codes only."""

    id: str
    feed: str = Field(description="The consumer: feed.<service>, relay.audit, or job.<name>")
    name: str = Field(description="What it is: a record, an entry, an audit event")
    concerns: list[str] = Field(description="What comes later for these waits behind it")
    position: int = Field(description="In the feed; 0 of a job")
    error: str = Field(description="Class of the error; empty while it only waits behind another one")
    reason: str = Field(description="What it waits for, or where in the software it failed")
    state: str = Field(description="failed, or behind: another one of the same record or subject comes first")
    since: str
    attempts: int
    last_attempt_at: str
    next_attempt_at: str = Field(description="Empty while it waits behind another one")
    version: str = Field(description="Version of the software that failed")


class SetAsideListAnswer(BaseModel):
    """What is set aside, in the order in which it came."""

    items: list[SetAsideAnswer]
    next_page_token: str


class RetriedAnswer(BaseModel):
    """What became of another attempt."""

    resolved: bool
    item: SetAsideAnswer | None = Field(description="As it is now; null when it is applied")


def add_operations(app: OpenAPI, service: str, ops: Operations) -> None:
    """Adds the addresses of a service's operation: each service has its own."""
    base = f"/v1/operations/{service}/quarantine"

    @app.get(base, tags=[_OPERATIONS], summary="What is set aside", responses={200: SetAsideListAnswer})
    @serves(operations.set_aside)
    def set_aside(query: PageQuery) -> Response:
        """Each with its reason; see docs/operations/quarantine.md."""
        found = operations.set_aside(ops, caller(), number_after(query.page_token), query.page_size)
        page = found[: query.page_size]
        following = encode_page_token(page[-1]["seq"] if len(found) > len(page) else None)
        return answer({"items": [to_dict(row) for row in page], "next_page_token": following})

    @app.post(f"{base}/<row_id>/retry", tags=[_OPERATIONS], summary="Try it again", responses={200: RetriedAnswer})
    @serves(operations.retry)
    def retry(path: SetAsidePath) -> Response:
        """At once, and first what comes before it."""
        left = operations.retry(ops, caller(), path.row_id)
        return answer({"resolved": left is None, "item": to_dict(left) if left else None})
