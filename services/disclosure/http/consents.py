"""HTTP face of consents: the subject gives, lists and withdraws them. No decisions here."""

from datetime import date
from typing import ClassVar

from flask import Response
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import made
from chengxin.http.inputs import Body, Day, OptionalDay
from chengxin.http.web import PageQuery, RepeatableRequest, answer, at_address
from chengxin.values.page_tokens import encode_page_token, text_after
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.consents import Consent
from services.disclosure.http.schemas import OWN
from services.disclosure.usecases import consents as consent


class ConsentPath(BaseModel):
    """A consent."""

    consent_id: str = Field(max_length=64)


class ConsentBody(Body):
    """What a subject agrees to (Art. 16)."""

    beyond_schema: ClassVar[str] = (
        "A grantee with a right check digit; entries in force that a consent opens; valid_to is today or later, within"
        " five years, not before valid_from, and for an agent not after the last day of her authorization"
    )

    grantee: str = Field(
        pattern=r"^[0-9A-HJ-NPQRTUWXY]{18}$", description="Unified social credit code of the organisation that may ask"
    )
    purpose: str = Field(pattern=r"^[a-z][a-z0-9_]{1,63}$", description="For example loan_application")
    entries: list[str] = Field(
        default_factory=list,
        max_length=200,
        description="Entry codes, of a person such as are about persons; one that is named twice counts once. Empty: all "
        "that may be disclosed by consent",
    )
    valid_from: OptionalDay = Field(None, description="Shanghai date; today when left out")
    valid_to: Day = Field(description="Shanghai date, included")
    uses: int | None = Field(
        None, ge=1, le=1_000_000, description="How many queries, with all their pages; as many as needed when left out"
    )


class ConsentAnswer(BaseModel):
    """A consent."""

    consent_id: str
    subject_ref: str
    grantee: str
    purpose: str
    entries: list[str]
    valid_from: date
    valid_to: date
    uses_left: int | None
    given_at: str
    withdrawn_at: str = Field(description="Empty while it stands")
    given_by: str = Field(
        description="Pseudonym of the person who gave it for an organisation; empty for a person's own, and where it was not recorded"
    )
    given_as: str = Field(description="In which capacity: legal_representative, agent")


class GivenConsentAnswer(ConsentAnswer):
    """A consent with the code for the organisation that may ask."""

    code: str | None = Field(
        description="To hand over: its client exchanges it at POST /oauth/token. Told once: null when a request is "
        "repeated; POST …/code gives another"
    )


class ConsentsAnswer(BaseModel):
    """Consents, newest first."""

    consents: list[ConsentAnswer]
    next_page_token: str


def add_consents(app: OpenAPI, ctx: DisclosureContext) -> None:
    """Adds the routes."""

    @app.post("/v1/me/consents", tags=[OWN], summary="Give a consent", responses={201: made(GivenConsentAnswer)})
    @serves(consent.give)
    def give(body: ConsentBody, header: RepeatableRequest) -> Response:
        """To one organisation, for one purpose, for a time; with the code to hand over to it. A repeat answers what the
        first request did, without the code; how the consent stands now, GET tells."""
        begins = body.valid_from or ctx.clock.today()
        entries = frozenset(body.entries)
        terms = consent.ConsentTerms(body.grantee, body.purpose, entries, begins, body.valid_to, body.uses)
        given, code = consent.give(ctx, caller(), terms, header.idempotency_key)
        return at_address(_with_code(given, code, 201), "/v1/me/consents/{}", given.consent_id)

    @app.get("/v1/me/consents", tags=[OWN], summary="One's own consents", responses={200: ConsentsAnswer})
    @serves(consent.list_own)
    def consents(query: PageQuery) -> Response:
        """Newest first, withdrawn and used ones among them."""
        found = consent.list_own(ctx, caller(), text_after(query.page_token), query.page_size)
        page = found[: query.page_size]
        following = encode_page_token(page[-1].consent_id if len(found) > len(page) else None)
        return answer({"consents": [c.to_dict() for c in page], "next_page_token": following})

    @app.get("/v1/me/consents/<consent_id>", tags=[OWN], summary="One consent", responses={200: ConsentAnswer})
    @serves(consent.read_own)
    def one(path: ConsentPath) -> Response:
        """Without its code, which was told once."""
        return answer(consent.read_own(ctx, caller(), path.consent_id).to_dict())

    @app.post(
        "/v1/me/consents/<consent_id>/code",
        tags=[OWN],
        summary="Another code for a consent",
        responses={200: GivenConsentAnswer},
    )
    @serves(consent.renew_code)
    def renew(path: ConsentPath) -> Response:
        """The one before is dead."""
        return _with_code(*consent.renew_code(ctx, caller(), path.consent_id), 200)

    @app.delete(
        "/v1/me/consents/<consent_id>",
        tags=[OWN],
        summary="Take a consent back",
        responses={200: ConsentAnswer},
    )
    @serves(consent.withdraw)
    def withdraw(path: ConsentPath) -> Response:
        """It ends at once, also for tokens already issued."""
        return answer(consent.withdraw(ctx, caller(), path.consent_id).to_dict())


def _with_code(given: Consent, code: str | None, status: int) -> Response:
    found = answer(given.to_dict() | {"code": code}, status)
    found.headers["Cache-Control"] = "no-store"
    return found
