"""HTTP face of citizens' identity: the service counter, representations, an identity provider. No decisions here."""

from collections.abc import Callable
from typing import Final, Literal

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import open_to_all, serves
from chengxin.auth.request_context import caller
from chengxin.http.web import answer
from gateway.context import GatewayContext
from gateway.store.signing_keys import IssuedToken
from gateway.usecases import counter_verification, oidc_relying_party

_IDENTITY: Final = Tag(name="identity", description="People prove who they are")
_COOKIE: Final = "chengxin_oidc"
_PATH: Final = "/v1/identity/oidc"
_USCC: Final = r"^([0-9A-Z]{18})?$"

Answered = Callable[[IssuedToken], Response]


class CounterBody(BaseModel):
    """The document that an officer has before her."""

    identity_number: str = Field(min_length=18, max_length=18)
    document: Literal["resident_identity_card", "temporary_identity_card"] = "resident_identity_card"


class CodeBody(BaseModel):
    """A code from the service counter."""

    identity_number: str = Field(min_length=18, max_length=18)
    code: str = Field(min_length=1, max_length=32)
    uscc: str = Field("", pattern=_USCC, description="The organisation that she acts for; empty: for herself")


class RepresentationBody(BaseModel):
    """Who may act for an organisation."""

    identity_number: str = Field(min_length=18, max_length=18)
    uscc: str = Field(pattern=r"^[0-9A-Z]{18}$")
    capacity: Literal["legal_representative", "agent"]
    authorization: str = Field("", max_length=100, description="For an agent: number of the authorization")
    until: str = Field("", max_length=10, description="For an agent: its last day, YYYY-MM-DD")


class RepresentationPath(BaseModel):
    """A representation."""

    representation_id: str = Field(max_length=64)


class UsccQuery(BaseModel):
    """An organisation."""

    uscc: str = Field("", pattern=_USCC)


class CallbackQuery(BaseModel):
    """What the provider sends the browser back with."""

    state: str = Field("", max_length=200)
    code: str = Field("", max_length=2000)


def add_identity(
    app: OpenAPI, ctx: GatewayContext, provider: oidc_relying_party.IdentityProvider | None, answered: Answered
) -> None:
    """Adds the addresses; those of a provider only when there is one."""
    _add_counter(app, ctx, answered)
    _add_representations(app, ctx)
    if provider is not None:
        _add_oidc(app, ctx, provider, answered)


def _add_counter(app: OpenAPI, ctx: GatewayContext, answered: Answered) -> None:
    @app.post("/v1/identity/counter/codes", tags=[_IDENTITY], summary="Hand out a code at the service counter")
    @serves(counter_verification.issue_code)
    def issue_code(body: CounterBody) -> Response:
        """For the person whose document the officer has checked. Told once, good once, for a day."""
        found = answer(counter_verification.issue_code(ctx, caller(), body.identity_number, body.document), 201)
        found.headers["Cache-Control"] = "no-store"
        return found

    @app.post("/v1/identity/counter/token", tags=[_IDENTITY], summary="Exchange a code of the service counter")
    @open_to_all("the citizen proves herself by the code that she was handed in person")
    def exchange_code(body: CodeBody) -> Response:
        """A token for herself, or for an organisation that she represents."""
        return answered(counter_verification.exchange(ctx, body.identity_number, body.code, body.uscc))


def _add_representations(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post("/v1/identity/representations", tags=[_IDENTITY], summary="Record who may act for an organisation")
    @serves(counter_verification.record_representation)
    def record_representation(body: RepresentationBody) -> Response:
        """Its legal representative, or an agent until the last day of her authorization."""
        asked = counter_verification.Representation(**body.model_dump())
        key = request.headers.get("Idempotency-Key", "")[:200]
        return answer(counter_verification.record_representation(ctx, caller(), asked, key), 201)

    @app.get("/v1/identity/representations", tags=[_IDENTITY], summary="Who may act for an organisation")
    @serves(counter_verification.representations)
    def list_representations(query: UsccQuery) -> Response:
        """By pseudonym."""
        return answer({"representations": counter_verification.representations(ctx, caller(), query.uscc)})

    @app.delete("/v1/identity/representations/<representation_id>", tags=[_IDENTITY], summary="End a representation")
    @serves(counter_verification.end_representation)
    def end_representation(path: RepresentationPath) -> Response:
        """Tokens for the organisation are dead within a minute."""
        return answer(counter_verification.end_representation(ctx, caller(), path.representation_id))


def _add_oidc(
    app: OpenAPI, ctx: GatewayContext, provider: oidc_relying_party.IdentityProvider, answered: Answered
) -> None:
    @app.get(f"{_PATH}/sign-in", tags=[_IDENTITY], summary="Prove who one is at the identity provider")
    @open_to_all("the citizen proves herself at the provider")
    def begin(query: UsccQuery) -> Response:
        """Sends the browser to the provider."""
        begun = oidc_relying_party.begin(ctx, provider, query.uscc)
        found = Response(status=302, headers={"Location": begun.location, "Cache-Control": "no-store"})
        secure = ctx.issuer.startswith("https://")
        # Lax: the provider sends the browser back by a link.
        found.set_cookie(_COOKIE, begun.cookie, 600, path=_PATH, secure=secure, httponly=True, samesite="Lax")
        return found

    @app.get(f"{_PATH}/callback", tags=[_IDENTITY], summary="Come back from the identity provider")
    @open_to_all("the citizen proves herself by what the provider asserts")
    def callback(query: CallbackQuery) -> Response:
        """A token for herself, or for the organisation with which she began."""
        cookie = request.cookies.get(_COOKIE, "")
        found = answered(oidc_relying_party.finish(ctx, provider, query.state, query.code, cookie))
        found.delete_cookie(_COOKIE, path=_PATH)
        return found
