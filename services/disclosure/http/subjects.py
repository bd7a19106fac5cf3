"""HTTP face of who is who: officers of the centre see, merge, split and undo. No decisions here."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth import request_context
from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.inputs import Body
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.web import PageQuery, RepeatableRequest, answer
from chengxin.proposals.proposal import Proposal
from chengxin.values.page_tokens import encode_page_token, text_after
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.disagreements import Disagreement, fact_name
from services.disclosure.http import schemas as bodies
from services.disclosure.usecases import disagreements, subject_decisions, subject_identity
from services.disclosure.usecases.query_records import SubjectIdentifier

_SUBJECTS: Final = Tag(
    name="subjects", description="Which identifiers are one subject, and what is not agreed (Art. 5)"
)
_REASON: Final = Field(
    min_length=1, max_length=2000, pattern=r"\S", description="Why; kept sealed, not in the audit log"
)


class LinkPath(BaseModel):
    """A link."""

    link_id: str = Field(max_length=140)


class MergeBody(Body):
    """Two that are one subject."""

    may_hold_numbers = {f"subjects.{member}": why for member, why in bodies.SelectorBody.may_hold_numbers.items()}

    beyond_schema: ClassVar[str] = "Two that are not the same; the reason names no person"

    subjects: list[bodies.SelectorBody] = Field(min_length=2, max_length=2)
    reason: str = _REASON


class ReasonBody(Body):
    """Why."""

    beyond_schema: ClassVar[str] = "The reason names no person"

    reason: str = _REASON


class MemberAnswer(BaseModel):
    """A reference of a subject; kind, name and code are empty when no record came under it."""

    subject_ref: str
    scheme: str
    kind: str
    name: str
    uscc: str


class SubjectDecisionAnswer(BaseModel):
    """What an officer decided; undone when the fields of undoing are filled."""

    decision: str
    by: str
    at: str
    reason: str
    undone_by: str
    undone_at: str
    undone_reason: str
    approved_by: str = Field(description="The second officer, where it took one")
    undoing_approved_by: str


class LinkAnswer(BaseModel):
    """Two references that records or officers call one subject."""

    link_id: str
    subject_refs: list[str]
    schemes: list[str]
    state: str = Field(description="automatic, conflict (would join two subjects, so it is not made), merged, split")
    records: int = Field(description="How many records name both")
    record_id: str = Field(description="One of them")
    standard: bool = Field(description="One code contains the other (GB 32100, GB 11714)")
    conflict_since: str
    history: list[SubjectDecisionAnswer]


class IdentityAnswer(BaseModel):
    """A subject, its references strongest first, and the links that touch them."""

    subject_ref: str
    members: list[MemberAnswer]
    links: list[LinkAnswer]


class LinksAnswer(BaseModel):
    """Links that are not made, oldest first."""

    conflicts: list[LinkAnswer]
    next_page_token: str


class ConflictsAnswer(BaseModel):
    """What is not agreed of a subject."""

    subject_ref: str
    links: list[LinkAnswer]
    conflicts: list[bodies.DisagreementAnswer]


class DifferingFact(BaseModel):
    """A fact that providers tell differently."""

    fact: str = Field(description="In the language asked for")
    item: str = Field(description="name, legal_representative, status, type, established, domicile")
    values: int = Field(description="How many different ones")
    providers: list[str] = Field(description="Credit codes of those who tell it, the newest statement first")
    since: str


class DiffersAnswer(BaseModel):
    """A subject of whom providers tell facts differently; what they tell is at /v1/subjects/<ref>/conflicts."""

    subject_ref: str
    subject_refs: list[str]
    kind: str
    name: str = Field(description="Of a person masked")
    facts: list[DifferingFact]


class DisagreementsAnswer(BaseModel):
    """Subjects of whom providers tell facts differently."""

    disagreements: list[DiffersAnswer]
    next_page_token: str


_DECIDED: Final[dict[Any, Any]] = {200: IdentityAnswer, 202: ProposalAnswer}


def add_subjects(app: OpenAPI, ctx: DisclosureContext) -> None:
    """The views."""
    _add_reading(app, ctx)
    _add_acts(app, ctx)


def _add_reading(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.get(
        "/v1/subjects/conflicts",
        tags=[_SUBJECTS],
        summary="Links that are claimed and not made",
        responses={200: LinksAnswer},
    )
    @serves(disagreements.list_conflicts)
    def listed(query: PageQuery) -> Response:
        """Oldest first."""
        found = disagreements.list_conflicts(ctx, caller(), text_after(query.page_token), query.page_size)
        place = f"{found[-1].conflict_since} {found[-1].link_id}" if len(found) == query.page_size else ""
        following = encode_page_token(place)
        return answer({"conflicts": found, "next_page_token": following})

    @app.get(
        "/v1/subjects/disagreements",
        tags=[_SUBJECTS],
        summary="Subjects of whom providers tell facts differently",
        responses={200: DisagreementsAnswer},
    )
    @serves(disagreements.list_disagreements)
    def differing(query: PageQuery) -> Response:
        """Of all subjects, those that differ for the longest time first."""
        found, following = disagreements.list_disagreements(
            ctx, caller(), text_after(query.page_token), query.page_size
        )
        token = encode_page_token(following)
        return answer({"disagreements": [_differs(one) for one in found], "next_page_token": token})

    @app.get("/v1/subjects/<subject_ref>", tags=[_SUBJECTS], summary="Who is who", responses={200: IdentityAnswer})
    @serves(subject_identity.read_identity)
    def identity(path: bodies.RefPath) -> Response:
        """The references of a subject and the links that touch them."""
        return answer(subject_identity.read_identity(ctx, caller(), SubjectIdentifier(path.subject_ref)))

    @app.post(
        "/v1/subjects/queries", tags=[_SUBJECTS], summary="Who is who, by a number", responses={200: IdentityAnswer}
    )
    @serves(subject_identity.read_identity)
    def identity_by_number(body: bodies.SelectorBody) -> Response:
        """As under its reference; numbers of people do not belong into addresses."""
        return answer(subject_identity.read_identity(ctx, caller(), selector_of(body)))

    @app.get(
        "/v1/subjects/<subject_ref>/conflicts",
        tags=[_SUBJECTS],
        summary="What is not agreed of a subject",
        responses={200: ConflictsAnswer},
    )
    @serves(disagreements.read_disagreements)
    def conflicts(path: bodies.RefPath) -> Response:
        """Links that are not made, and what providers tell differently."""
        found, differing = disagreements.read_disagreements(ctx, caller(), SubjectIdentifier(path.subject_ref))
        return answer({"subject_ref": found.subject_ref, "links": found.links, "conflicts": told_conflicts(differing)})


def _add_acts(app: OpenAPI, ctx: DisclosureContext) -> None:
    @app.post("/v1/subjects/links", tags=[_SUBJECTS], summary="Propose to merge", responses={202: ProposalAnswer})
    @serves(subject_decisions.merge)
    def merge(body: MergeBody, header: RepeatableRequest) -> Response:
        """Two are one subject, once a second officer approves."""
        both = [selector_of(one) for one in body.subjects]
        return _decided(subject_decisions.merge(ctx, caller(), both, body.reason, header.idempotency_key))

    @app.post("/v1/subjects/links/<link_id>/split", tags=[_SUBJECTS], summary="Split", responses=_DECIDED)
    @serves(subject_decisions.split)
    def split(path: LinkPath, body: ReasonBody, header: RepeatableRequest) -> Response:
        """The link joins no more; a second officer approves what would join others in its place."""
        return _decided(subject_decisions.split(ctx, caller(), path.link_id, body.reason, header.idempotency_key))

    @app.post(
        "/v1/subjects/links/<link_id>/undo", tags=[_SUBJECTS], summary="Undo the last decision", responses=_DECIDED
    )
    @serves(subject_decisions.undo)
    def undo(path: LinkPath, body: ReasonBody, header: RepeatableRequest) -> Response:
        """What was before it is again; a second officer approves what joins."""
        return _decided(subject_decisions.undo(ctx, caller(), path.link_id, body.reason, header.idempotency_key))


def _decided(found: subject_identity.Identity | Proposal) -> Response:
    return proposed(found.to_dict()) if isinstance(found, Proposal) else answer(found)


def selector_of(body: bodies.SelectorBody) -> SubjectIdentifier:
    """Whom a body is about."""
    return SubjectIdentifier(**body.model_dump())


def told_conflicts(found: Sequence[Disagreement]) -> list[dict[str, Any]]:
    """Facts that are told differently, in the caller's language."""
    language = request_context.language()
    return [{"fact": d.fact.text(language), "statements": d.statements} for d in found]


def _differs(found: disagreements.SubjectWithDisagreements) -> dict[str, Any]:
    language = request_context.language()
    facts = [asdict(fact) | {"fact": fact_name(fact.fact).text(language), "item": fact.fact} for fact in found.facts]
    return vars(found) | {"facts": facts}
