"""The pages at which officers and citizens sign in and out. They decide nothing."""

from typing import Final

from flask import Response, request
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy import open_to_all, serves
from chengxin.http.request_checks import for_readers
from chengxin.values.text_forms import standard_identifier
from gateway.context import GatewayContext
from gateway.domain.browser_sessions import CITIZENS, OFFICERS
from gateway.domain.clients_and_officers import ANONYMOUS
from gateway.http.browser_sessions import BrowserSessions
from gateway.usecases import counter_verification, officer_sign_in, revocation, verify_identity
from gateway.usecases.issue_token import ClientProof

# Where a citizen sends the code that the service counter handed out.
COUNTER: Final = f"{CITIZENS.sign_in}/counter"


def add_pages(app: OpenAPI, ctx: GatewayContext, sessions: BrowserSessions, verifier: Verifier | None) -> None:
    """Adds the pages where officers and citizens sign in, and the address where every browser signs out."""
    _add_officers_page(app, ctx, sessions)
    _add_citizens_page(app, ctx, sessions)

    @app.post("/sign-out", doc_ui=False)
    @serves(revocation.revoke)
    @for_readers
    def browser_signs_out() -> Response:
        sessions.refuse_foreign_form()
        token = sessions.token()
        if token and verifier is not None:
            revocation.revoke(ctx, ANONYMOUS, verifier, ClientProof(), token)
        return sessions.forget()


def _add_officers_page(app: OpenAPI, ctx: GatewayContext, sessions: BrowserSessions) -> None:
    @app.get(OFFICERS.sign_in, doc_ui=False)
    @open_to_all("a form")
    @for_readers
    def officers_page() -> Response:
        return sessions.form(OFFICERS)

    @app.post(OFFICERS.sign_in, doc_ui=False)
    @serves(officer_sign_in.sign_in)
    @for_readers
    def officer_signs_in() -> Response:
        given = request.form
        proof = officer_sign_in.SignInProof(
            given.get("username", "").strip()[:64],
            given.get("password", "")[:256],
            given.get("totp", "").strip()[:6],
            given.get("new_password", "")[:256],
        )
        origin = request.remote_addr or ""
        return sessions.sign_in(OFFICERS, lambda: officer_sign_in.sign_in(ctx, ANONYMOUS, proof, origin))


def _add_citizens_page(app: OpenAPI, ctx: GatewayContext, sessions: BrowserSessions) -> None:
    @app.get(CITIZENS.sign_in, doc_ui=False)
    @open_to_all("a form")
    @for_readers
    def citizens_page() -> Response:
        return sessions.form(CITIZENS)

    @app.post(COUNTER, doc_ui=False)
    @serves(counter_verification.exchange)
    @for_readers
    def counter_code_is_given_back() -> Response:
        given = request.form
        number, code = given.get("number", "").strip()[:32], given.get("code", "").strip()[:64]
        uscc = _organisation_of_form()
        return sessions.sign_in(CITIZENS, lambda: counter_verification.exchange(ctx, ANONYMOUS, number, code, uscc))


def add_demo_sign_in(
    app: OpenAPI, ctx: GatewayContext, sessions: BrowserSessions, citizens: verify_identity.IdentityVerifier
) -> None:
    """Adds the sign-in of people of the demonstration world, who need no proof, to the citizens' page."""

    @app.post(CITIZENS.sign_in, doc_ui=False)
    @serves(verify_identity.identify)
    @for_readers
    def demo_person_signs_in() -> Response:
        given = request.form
        claimed = verify_identity.ClaimedIdentity(given.get("name", "")[:100], given.get("number", "")[:64])
        uscc = _organisation_of_form()
        return sessions.sign_in(CITIZENS, lambda: verify_identity.identify(ctx, ANONYMOUS, citizens, claimed, uscc))


def _organisation_of_form() -> str:
    return standard_identifier(request.form.get("uscc", "")[:64])[:18]
