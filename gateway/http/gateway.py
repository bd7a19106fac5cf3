"""The gateway's own addresses: tokens, keys, identity, operations, and the description of the whole interface."""

import secrets
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Final

from flask import Response, render_template, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from chengxin.auth import request_context
from chengxin.auth.access_tokens import ASSERTION_TYPE, CONSENT_CODE, TOKEN_EXCHANGE, Verifier
from chengxin.auth.admission import Admission
from chengxin.auth.policy import open_to_all, serves
from chengxin.errors import InBoth, Problem
from chengxin.grpc.rpc import as_problem
from chengxin.http.description import ProblemDocument, TypedUpload
from chengxin.http.inputs import NAMES_A_PERSON, Body
from chengxin.http.operations import add_operations
from chengxin.http.proposals import add_proposals
from chengxin.http.request_checks import for_readers, ignores_unknown_parameters
from chengxin.http.web import answer, bare_app, problem_answer
from chengxin.process.operations import Operations
from chengxin.process.readiness import is_ready
from chengxin.values.text_forms import standard_identifier
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import ANONYMOUS, TokenRequest
from gateway.domain.token_refusals import OAUTH_ERRORS, TOKEN_REQUEST_INVALID, oauth_description, oauth_status
from gateway.http.browser_sessions import BrowserSessions
from gateway.http.client_administration import add_clients
from gateway.http.identity import IDENTITY_PROVIDER, add_identity
from gateway.http.officer_administration import add_officers
from gateway.http.pages import add_demo_sign_in, add_pages
from gateway.http.signing_key_administration import add_signing_keys
from gateway.http.token_answers import (
    AuthorizationServerAnswer,
    KeySetAnswer,
    NothingAnswer,
    OAuthError,
    SubjectTokenAnswer,
    TokenAnswer,
)
from gateway.store.signing_keys import IssuedToken
from gateway.usecases import issue_token, officer_sign_in, revocation, verify_identity
from gateway.usecases.exchange_consent import ACCESS_TOKEN
from gateway.usecases.oidc_relying_party import IdentityProvider

_FORM: Final = "application/x-www-form-urlencoded"
_BEARER: Final = "Bearer"
# RFC 9309: the start page alone, which shows no subject.
_ROBOTS: Final = "User-agent: *\nAllow: /$\nDisallow: /\n"
_TOKENS: Final = Tag(name="tokens", description="Access tokens and the keys that verify them")
_IDENTITY: Final = Tag(name="identity", description="People prove who they are")


# RFC 6749, sections 3.1 and 3.2.
_ignores_unknown = ignores_unknown_parameters("OAuth: unrecognized request parameters are ignored")


class TokenForm(BaseModel):
    """A token request (RFC 6749 section 4.4, RFC 7523, RFC 8693)."""

    beyond_schema: ClassVar[str] = (
        "An assertion of a registered client and what its role takes; no Authorization header field"
    )

    grant_type: str = Field(description=" or ".join(issue_token.GRANT_TYPES))
    client_assertion_type: str = Field(description=ASSERTION_TYPE)
    client_assertion: str = Field(description="JWT signed by the client's registered key, good for one use")
    client_id: str = Field("", description="If given, the sub of the assertion")
    scope: str = Field("", description="One role of the client; may be left out when it has only one")
    purpose: str = Field("", description="For role agency: a purpose of its agreement")
    legal_basis: str = Field("", description="For role statutory: a registered provision of law")
    case_no: str = Field("", description="For role statutory")
    officer: str = Field("", description="For role statutory: the officer's service number")
    subject_token: str = Field("", description="For an exchange: the consent code that a subject handed over")
    subject_token_type: str = Field("", description=f"For an exchange: {CONSENT_CODE}")
    requested_token_type: str = Field("", description=f"For an exchange, if given: {ACCESS_TOKEN}")


class RevocationForm(BaseModel):
    """A token to revoke (RFC 7009 section 2.1)."""

    beyond_schema: ClassVar[str] = "For a client an assertion; no Authorization header field"

    token: str = Field(min_length=1)
    client_id: str = Field("", description="If given, the sub of the assertion")
    client_assertion_type: str = Field("", description=f"For a client: {ASSERTION_TYPE}")
    client_assertion: str = Field("", description="For a client: JWT signed by its registered key, good for one use")


_OAUTH_REFUSALS: Final[dict[Any, Any]] = {400: OAuthError, 401: OAuthError, 403: OAuthError, 429: OAuthError}


class TokenUpload(TypedUpload):
    """A token request, as RFC 6749 has it."""

    contents: ClassVar = {_FORM: TokenForm}


class RevocationUpload(TypedUpload):
    """A token to revoke, as RFC 7009 has it."""

    contents: ClassVar = {_FORM: RevocationForm}


_SIGNS_IN: Final = "with what somebody tries to sign in; kept as a digest, and withheld on record"


class DemoProof(Body):
    """A person of the demonstration world."""

    may_hold_numbers = {
        "identity_number": NAMES_A_PERSON,
    }

    beyond_schema: ClassVar[str] = "A right check digit"

    name: str = Field(min_length=1, max_length=100)
    identity_number: str = Field(min_length=8, max_length=32)
    uscc: str = Field("", max_length=18, description="The organisation that the person acts for; empty: none")


class OfficerProof(Body):
    """An officer's password and one-time code."""

    may_hold_numbers = {
        "username": _SIGNS_IN,
        "password": _SIGNS_IN,
        "new_password": _SIGNS_IN,
    }

    beyond_schema: ClassVar[str] = "new_password is long enough, and another one"

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)
    totp: str = Field(pattern=r"^\d{6}$", description="The present one-time code (RFC 6238)")
    new_password: str = Field("", max_length=256, description="To change it; required in place of an initial one")


def make_own_app(
    ctx: GatewayContext,
    citizens: verify_identity.IdentityVerifier | None,
    ready: Callable[[], dict[str, dict[str, Any]]],
    describe: Callable[[dict[str, Any]], dict[str, Any]],
    verifier: Verifier | None = None,
    provider: IdentityProvider | None = None,
    *,
    operations: Operations,
    grpc_edge_serves: Callable[[], bool],
) -> OpenAPI:
    """Returns the app. `ready()` gives the state of each service, `describe(own)` the whole interface with this part.

    `grpc_edge_serves()` is whether the gRPC edge of this process answers.

    The addresses of citizens' identity exist only with `citizens`, those of an identity provider only with `provider`.
    """
    app = bare_app("gateway", Admission(verifier, ctx.audit, ctx.store.silence) if verifier else None)
    app.template_folder = str(Path(__file__).parents[1] / "templates")
    _add_operations(app, ready, describe, grpc_edge_serves)
    add_operations(app, "gateway", operations)
    _add_oauth(app, ctx)
    _add_revocation(app, ctx, verifier)
    _add_officer_sign_in(app, ctx)
    add_clients(app, ctx)
    add_officers(app, ctx)
    add_proposals(app, ctx, "/v1/identity")
    add_signing_keys(app, ctx)
    sessions = BrowserSessions(ctx, {"demo": citizens is not None, "provider": IDENTITY_PROVIDER if provider else ""})
    add_identity(app, ctx, provider, sessions, lambda minted: _token_answer(minted, subject_ref=minted.principal.sub))
    add_pages(app, ctx, sessions, verifier)
    if citizens is not None:
        _add_demo_identity(app, ctx, citizens)
        add_demo_sign_in(app, ctx, sessions, citizens)
    return app


def _add_oauth(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/oauth/token",
        tags=[_TOKENS],
        summary="Obtain an access token",
        responses={200: TokenAnswer, **_OAUTH_REFUSALS},
    )
    @serves(issue_token.issue)
    @_ignores_unknown
    def token(raw: TokenUpload) -> Response:
        """A client assertion (`private_key_jwt`) is needed, for an exchange also a consent code. A token has one role."""
        try:
            given = _single_values()
            proof = _proof(given)
            asked = TokenRequest(**{name.name: given.get(name.name, "") for name in fields(TokenRequest)})
            more = {"issued_token_type": ACCESS_TOKEN} if proof.grant_type == TOKEN_EXCHANGE else {}
            return _token_answer(issue_token.issue(ctx, ANONYMOUS, proof, asked), **more)
        except Exception as e:
            problem = as_problem(e)
            if problem is None:
                raise
            return _oauth_refusal(problem)

    @app.get("/.well-known/jwks.json", tags=[_TOKENS], summary="Keys that verify tokens", responses={200: KeySetAnswer})
    @open_to_all("public keys")
    def jwks() -> Response:
        """Every public key whose tokens may still be good."""
        return _cacheable(answer(ctx.keys.jwks()))

    @app.get(
        "/.well-known/oauth-authorization-server",
        tags=[_TOKENS],
        summary="How to obtain tokens",
        responses={200: AuthorizationServerAnswer},
    )
    @open_to_all("how to obtain tokens (RFC 8414)")
    def metadata() -> Response:
        """Authorization server metadata (RFC 8414)."""
        return _cacheable(answer(_metadata(ctx.issuer)))


def _add_revocation(app: OpenAPI, ctx: GatewayContext, verifier: Verifier | None) -> None:
    @app.post(
        "/oauth/revoke",
        tags=[_TOKENS],
        summary="Revoke an access token (RFC 7009)",
        responses={200: NothingAnswer, **_OAUTH_REFUSALS},
    )
    @serves(revocation.revoke)
    @_ignores_unknown
    def revoke(raw: RevocationUpload) -> Response:
        """A client proves itself by its assertion, a person by the token itself. It ends within a minute."""
        try:
            given = _single_values()
            if not given.get("token") or verifier is None:
                raise TOKEN_REQUEST_INVALID(what=InBoth("缺少 token", "token is missing"))
            revocation.revoke(ctx, ANONYMOUS, verifier, _proof(given), given["token"])
            return answer({})
        except Exception as e:
            problem = as_problem(e)
            if problem is None:
                raise
            return _oauth_refusal(problem)


def _add_officer_sign_in(app: OpenAPI, ctx: GatewayContext) -> None:
    @app.post(
        "/v1/identity/officers/sign-in",
        tags=[_IDENTITY],
        summary="An officer signs in",
        responses={200: TokenAnswer, 429: ProblemDocument},
    )
    @serves(officer_sign_in.sign_in)
    def sign_in(body: OfficerProof) -> Response:
        """Each one-time code is good once. Repeated failures lock the user name for a while."""
        proof = officer_sign_in.SignInProof(body.username, body.password, body.totp, body.new_password)
        return _token_answer(officer_sign_in.sign_in(ctx, ANONYMOUS, proof, request.remote_addr or ""))


def _add_demo_identity(app: OpenAPI, ctx: GatewayContext, citizens: verify_identity.IdentityVerifier) -> None:
    @app.post(
        "/v1/identity/demo",
        tags=[_IDENTITY],
        summary="A person of the demonstration world gets a token",
        responses={200: SubjectTokenAnswer},
    )
    @serves(verify_identity.identify)
    def demo(body: DemoProof) -> Response:
        """The token is the person's own, or that of an organisation that the person represents."""
        claimed = verify_identity.ClaimedIdentity(body.name, body.identity_number)
        minted = verify_identity.identify(ctx, ANONYMOUS, citizens, claimed, standard_identifier(body.uscc))
        return _token_answer(minted, subject_ref=minted.principal.sub)


def _add_operations(
    app: OpenAPI,
    ready: Callable[[], dict[str, dict[str, Any]]],
    describe: Callable[[dict[str, Any]], dict[str, Any]],
    grpc_edge_serves: Callable[[], bool],
) -> None:
    @app.route("/healthz")
    @open_to_all("whether both edges of the process serve")
    def healthz() -> Response:
        if grpc_edge_serves():
            return answer({"status": "ok"})
        return answer({"status": "the gRPC edge does not answer"}, 503)

    @app.route("/readyz")
    @open_to_all("whether the whole suite can serve")
    def readyz() -> Response:
        state = ready()
        return answer(state, 200 if all(is_ready(service) for service in state.values()) else 503)

    @app.route("/openapi.json")
    @open_to_all("the description of the whole interface")
    def openapi() -> Response:
        return answer(describe(app.api_doc))

    @app.route("/robots.txt")
    @open_to_all("what search engines may read")
    def robots() -> Response:
        # Some engines obey this file alone, others the header on each answer (decision 44).
        return Response(_ROBOTS, content_type="text/plain; charset=utf-8")

    @app.route("/docs")
    @open_to_all("the description of the whole interface, for people")
    @for_readers
    def docs() -> Response:
        nonce = secrets.token_urlsafe(16)
        page = Response(render_template("docs.html", api=describe(app.api_doc), nonce=nonce))
        policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
        page.headers["Content-Security-Policy"] = policy
        return page


def _proof(given: dict[str, str]) -> issue_token.ClientProof:
    return issue_token.ClientProof(
        given.get("grant_type", ""),
        given.get("client_id", ""),
        given.get("client_assertion_type", ""),
        given.get("client_assertion", ""),
    )


def _single_values() -> dict[str, str]:
    if request.mimetype != _FORM:
        raise TOKEN_REQUEST_INVALID(what=InBoth(f"Content-Type 须为 {_FORM}", f"the content type must be {_FORM}"))
    if "Authorization" in request.headers:
        raise TOKEN_REQUEST_INVALID(
            what=InBoth(
                "请用 client_assertion，不用 Authorization 头", "use client_assertion, not the Authorization header"
            )
        )
    values = dict(request.form.lists())
    # RFC 6749 section 3.2: a parameter may not come twice.
    if repeated := sorted(name for name, given in values.items() if len(given) > 1):
        names = ", ".join(repeated)
        raise TOKEN_REQUEST_INVALID(what=InBoth(f"只能给一次：{names}", f"given more than once: {names}"))
    return {name: given[0] for name, given in values.items()}


def _token_answer(minted: IssuedToken, **more: str) -> Response:
    scope = " ".join(sorted(minted.principal.roles))
    issued = TokenAnswer(access_token=minted.token, token_type=_BEARER, expires_in=minted.seconds, scope=scope)
    found = answer(issued.model_dump(exclude_none=True) | more)
    found.headers["Cache-Control"] = "no-store"
    return found


def _oauth_refusal(problem: Problem) -> Response:
    error = OAUTH_ERRORS.get(problem.code)
    if error is None:
        # The client cannot mend these; they are the suite's own errors, with the suite's own document.
        refused = problem_answer(problem)
    else:
        language = request_context.current().language
        body = {
            "error": error,
            "error_description": oauth_description(problem.text("en")),
            "code": problem.code,
            "detail": problem.text(language),
        }
        refused = answer(body, oauth_status(problem.type))
        refused.headers["Content-Language"] = language
        refused.headers["Vary"] = "Accept-Language"
    refused.headers["Cache-Control"] = "no-store"
    return refused


def _cacheable(found: Response) -> Response:
    found.headers["Cache-Control"] = "public, max-age=60"
    return found


def _metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "grant_types_supported": list(issue_token.GRANT_TYPES),
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["EdDSA", "ES256"],
        "scopes_supported": ["public", "agency", "provider", "statutory", "subject_authorized"],
        "service_documentation": f"{issuer}/docs",
    }
