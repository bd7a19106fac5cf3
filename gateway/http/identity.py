"""The HTTP face of citizens' identity: service counter, representations, identity provider. It decides nothing."""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.description import made_without_address, redirect
from chengxin.http.inputs import MADE_HERE, NAMES_A_PERSON, Body
from chengxin.http.named_things import OrganisationName
from chengxin.http.problem_answers import prefers_page
from chengxin.http.proposals import ProposalAnswer, proposed
from chengxin.http.request_checks import ignores_unknown_parameters
from chengxin.http.web import RepeatableRequest, answer
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import ANONYMOUS
from gateway.http.browser_sessions import BrowserSessions
from gateway.http.token_answers import SubjectTokenAnswer
from gateway.store.signing_keys import IssuedToken
from gateway.usecases import counter_verification, oidc_relying_party

_IDENTITY: Final = Tag(name="identity", description="People prove who they are")
_COOKIE: Final = "chengxin_oidc"
_PATH: Final = "/v1/identity/oidc"
IDENTITY_PROVIDER: Final = f"{_PATH}/sign-in"

_NUMBER: Final[Any] = Field(
    min_length=8, max_length=32, description="Of the document; of a passport with its State: CHN-E00000000"
)

Document = Literal[
    "resident_identity_card",
    "temporary_identity_card",
    "residence_permit",
    "permanent_residence_card",
    "hk_macao_travel_permit",
    "taiwan_travel_permit",
    "passport",
]
TokenResponder = Callable[[IssuedToken], Response]


class CounterBody(Body):
    """The document that an officer checked."""

    may_hold_numbers = {
        "identity_number": NAMES_A_PERSON,
    }

    beyond_schema: ClassVar[str] = "A right check digit"

    identity_number: str = _NUMBER
    document: Document = "resident_identity_card"
    counter: str = Field("", pattern=r"^[0-9A-Za-z_.-]{0,32}$", description="Which counter: the citizen is told")


class CodeBody(Body):
    """A code from the service counter."""

    may_hold_numbers = {
        "identity_number": NAMES_A_PERSON,
        "code": MADE_HERE,
        "uscc": NAMES_A_PERSON,
    }

    beyond_schema: ClassVar[str] = "A right check digit"

    identity_number: str = _NUMBER
    code: str = Field(min_length=1, max_length=32)
    uscc: OrganisationName = Field("", description="The organisation that the citizen acts for; empty: none")


class RepresentationBody(Body):
    """A person who may act for an organisation."""

    may_hold_numbers = {
        "identity_number": NAMES_A_PERSON,
    }

    beyond_schema: ClassVar[str] = "Right check digits; for an agent an authorization that is not over"

    identity_number: str = _NUMBER
    uscc: str = Field(pattern=r"^[0-9A-Z]{18}$")
    document: Document = "resident_identity_card"
    capacity: Literal["legal_representative", "agent"]
    authorization: str = Field("", max_length=100, description="For an agent: number of the authorization")
    until: str = Field(
        "", pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$", description="For an agent: its last day, YYYY-MM-DD"
    )


class RepresentationPath(BaseModel):
    """A representation."""

    representation_id: str = Field(max_length=64)


class CounterCodeAnswer(BaseModel):
    """A code for the person at the counter."""

    code: str
    expires_at: str


class RepresentationAnswer(BaseModel):
    """A person who may act for an organisation, by pseudonym."""

    representation_id: str
    subject_ref: str
    uscc: str
    capacity: str
    authorization: str
    until: str
    recorded_by: str
    approved_by: str


class RepresentationsAnswer(BaseModel):
    """Who may act for an organisation."""

    representations: list[RepresentationAnswer]


class UsccQuery(BaseModel):
    """An organisation."""

    beyond_schema: ClassVar[str] = "A right check digit"

    uscc: OrganisationName = ""


class CallbackQuery(BaseModel):
    """The parameters with which the provider sends the browser back."""

    state: str = Field("", max_length=200)
    code: str = Field("", max_length=2000)


def add_identity(
    app: OpenAPI,
    ctx: GatewayContext,
    provider: oidc_relying_party.IdentityProvider | None,
    sessions: BrowserSessions,
    to_answer: TokenResponder,
) -> None:
    """Adds the addresses to the app, those of a provider only when there is one."""
    _add_counter(app, ctx, to_answer)
    _add_representations(app, ctx)
    if provider is not None:
        _add_oidc(app, ctx, provider, sessions, to_answer)


def _add_counter(app: OpenAPI, ctx: GatewayContext, to_answer: TokenResponder) -> None:
    @app.post(
        "/v1/identity/counter/codes",
        tags=[_IDENTITY],
        summary="Hand out a code at the service counter",
        responses={201: made_without_address(CounterCodeAnswer, "only this answer has the code")},
    )
    @serves(counter_verification.issue_code)
    def issue_code(body: CounterBody) -> Response:
        """The officer hands the code to the person. It is good once, for a day; only this answer has it."""
        code = counter_verification.issue_code(ctx, caller(), body.identity_number, body.document, body.counter)
        found = answer(code, 201)
        found.headers["Cache-Control"] = "no-store"
        return found

    @app.post(
        "/v1/identity/counter/token",
        tags=[_IDENTITY],
        summary="Exchange a code of the service counter",
        responses={200: SubjectTokenAnswer},
    )
    @serves(counter_verification.exchange)
    def exchange_code(body: CodeBody) -> Response:
        """The token is the citizen's own, or that of an organisation that the citizen represents."""
        return to_answer(counter_verification.exchange(ctx, ANONYMOUS, body.identity_number, body.code, body.uscc))


def _add_representations(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/representations",
        tags=[_IDENTITY],
        summary="Record who may act for an organisation",
        responses={202: ProposalAnswer},
    )
    @serves(counter_verification.record_representation)
    def record_representation(body: RepresentationBody, header: RepeatableRequest) -> Response:
        """A legal representative, or an agent until the last day of the authorization. It is in force when a second
        officer has approved.
        """
        asked = counter_verification.Representation(**body.model_dump())
        return proposed(counter_verification.record_representation(ctx, caller(), asked, header.idempotency_key))

    @app.get(
        "/v1/identity/representations",
        tags=[_IDENTITY],
        summary="Who may act for an organisation",
        responses={200: RepresentationsAnswer},
    )
    @serves(counter_verification.list_representations)
    def list_representations(query: UsccQuery) -> Response:
        """The answer names them by pseudonym."""
        return answer({"representations": counter_verification.list_representations(ctx, caller(), query.uscc)})

    @app.delete(
        "/v1/identity/representations/<representation_id>",
        tags=[_IDENTITY],
        summary="End a representation",
        responses={200: RepresentationAnswer},
    )
    @serves(counter_verification.end_representation)
    def end_representation(path: RepresentationPath) -> Response:
        """All tokens of the organisation end within a minute."""
        return answer(counter_verification.end_representation(ctx, caller(), path.representation_id))


def _add_oidc(
    app: OpenAPI,
    ctx: GatewayContext,
    provider: oidc_relying_party.IdentityProvider,
    sessions: BrowserSessions,
    to_answer: TokenResponder,
) -> None:
    @app.get(
        IDENTITY_PROVIDER,
        tags=[_IDENTITY],
        summary="Prove an identity at the identity provider",
        responses={302: redirect()},
    )
    @serves(oidc_relying_party.begin)
    def begin(query: UsccQuery) -> Response:
        """The answer sends the browser to the provider: by a page that goes there, when the browser asks for pages."""
        begun = oidc_relying_party.begin(ctx, ANONYMOUS, provider, query.uscc)
        if prefers_page(request.environ):
            found = sessions.leave(begun.location)
        else:
            found = Response(status=302, headers={"Location": begun.location, "Cache-Control": "no-store"})
        secure = ctx.issuer.startswith("https://")
        # The provider sends the browser back by a link from its site; a strict cookie would not come with it.
        found.set_cookie(_COOKIE, begun.cookie, 600, path=_PATH, secure=secure, httponly=True, samesite="Lax")
        return found

    @app.get(
        f"{_PATH}/callback",
        tags=[_IDENTITY],
        summary="Come back from the identity provider",
        responses={200: SubjectTokenAnswer},
    )
    @serves(oidc_relying_party.finish)
    @ignores_unknown_parameters("providers add parameters of their own (OpenID Connect Core, section 3.1.2.5)")
    def callback(query: CallbackQuery) -> Response:
        """The token is the citizen's own, or that of the organisation named at the beginning. A browser gets a session
        and a page that leads to `/me`.
        """
        cookie = request.cookies.get(_COOKIE, "")
        minted = oidc_relying_party.finish(ctx, ANONYMOUS, provider, query.state, query.code, cookie)
        found = sessions.arrive(minted) if prefers_page(request.environ) else to_answer(minted)
        found.delete_cookie(_COOKIE, path=_PATH)
        return found
