"""The HTTP face of what takes two officers, the same in each service. It decides nothing."""

from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.web import PageQuery, answer
from chengxin.proposals import decisions
from chengxin.proposals.decisions import ProposingContext
from chengxin.values.page_tokens import encode_page_token, text_after

_PROPOSALS: Final = Tag(name="proposals", description="What takes two officers")


class ProposalPath(BaseModel):
    """A proposal."""

    proposal_id: str = Field(max_length=64)


class ProposalAnswer(BaseModel):
    """An act that waits for a second officer, or waited."""

    proposal_id: str
    act: str
    what: dict[str, str]
    target: str
    region: str
    asked: dict[str, Any]
    state: str = Field(
        description="open, approved, rejected, applied at once when it only took away, outdated when something was taken "
        "away since, or void after 14 days"
    )
    proposed_by: str
    proposed_at: str
    words: dict[str, str] = Field(description="What the proposer wrote, a reason say; not in the audit log")
    decided_by: str
    decided_at: str


class ProposalsAnswer(BaseModel):
    """A page of proposals, the newest first."""

    proposals: list[ProposalAnswer]
    next_page_token: str


class ProposalsQuery(PageQuery):
    """The proposals in one state, or all."""

    state: str = Field("", pattern=r"^(open|applied|approved|rejected|outdated)?$")


def add_proposals(app: OpenAPI, ctx: ProposingContext, prefix: str) -> None:
    """Adds the addresses under a service's prefix, `/v1/identity` say."""

    @app.get(
        f"{prefix}/proposals",
        tags=[_PROPOSALS],
        summary="Proposals of the caller's region",
        responses={200: ProposalsAnswer},
    )
    @serves(decisions.list_proposals)
    def list_proposals(query: ProposalsQuery) -> Response:
        """The newest come first."""
        after, size = text_after(query.page_token), query.page_size
        found = decisions.list_proposals(ctx, caller(), query.state, after, size + 1)
        page = found[:size]
        more = encode_page_token(page[-1]["proposal_id"] if len(found) > size else None)
        return answer({"proposals": page, "next_page_token": more})

    @app.post(
        f"{prefix}/proposals/<proposal_id>/approve",
        tags=[_PROPOSALS],
        summary="Approve a proposal",
        responses={200: ProposalAnswer},
    )
    @serves(decisions.approve)
    def approve_proposal(path: ProposalPath) -> Response:
        """A second officer approves, and what was proposed is done."""
        return answer(decisions.approve(ctx, caller(), path.proposal_id))

    @app.post(
        f"{prefix}/proposals/<proposal_id>/reject",
        tags=[_PROPOSALS],
        summary="Reject or take back a proposal",
        responses={200: ProposalAnswer},
    )
    @serves(decisions.reject)
    def reject_proposal(path: ProposalPath) -> Response:
        """Things stay as they are."""
        return answer(decisions.reject(ctx, caller(), path.proposal_id))


def proposed(proposal: dict[str, Any]) -> Response:
    """Answers with a proposal: 202, also to a repeat after it was decided; 200 where nothing had to wait.

    What was kept for a repeat under an `Idempotency-Key`, before the act took two officers, is no proposal.
    """
    return answer(proposal, 200 if proposal.get("state", "applied") == "applied" else 202)
