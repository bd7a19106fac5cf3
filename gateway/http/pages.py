"""The pages at which officers, and citizens of the demonstration world, sign in and out. They decide nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from flask import Response, request
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.policy import open_to_all, serves
from chengxin.errors import Problem
from chengxin.http.page_shell import LANGUAGE, Templates
from chengxin.http.pages import page, page_language
from chengxin.http.problem_answers import when_again
from chengxin.http.request_checks import for_readers, parameters
from chengxin.values.text_forms import standard_identifier
from gateway.context import GatewayContext
from gateway.domain import browser_sessions
from gateway.domain.browser_sessions import CITIZENS, OFFICERS, SignInPage
from gateway.domain.clients_and_officers import ANONYMOUS
from gateway.http.page_messages import WORDS
from gateway.store.signing_keys import IssuedToken
from gateway.usecases import officer_sign_in, revocation, verify_identity
from gateway.usecases.issue_token import ClientProof

_START: Final = "/"


def add_pages(app: OpenAPI, ctx: GatewayContext, verifier: Verifier | None) -> None:
    """Adds the page where officers sign in, and the address where every browser signs out."""
    sessions = _BrowserSessions(ctx)

    @app.get(OFFICERS.sign_in, doc_ui=False)
    @open_to_all("a form")
    @for_readers
    def officers_page() -> Response:
        return sessions.form("officer.html")

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
        return sessions.sign_in(
            OFFICERS, "officer.html", lambda: officer_sign_in.sign_in(ctx, ANONYMOUS, proof, origin)
        )

    @app.post("/sign-out", doc_ui=False)
    @serves(revocation.revoke)
    @for_readers
    def browser_signs_out() -> Response:
        _refuse_foreign_form()
        token = browser_sessions.token_of(request.headers.get("Cookie", ""), ctx.issuer)
        if token and verifier is not None:
            revocation.revoke(ctx, ANONYMOUS, verifier, ClientProof(), token)
        return sessions.forget()


def add_citizens_pages(app: OpenAPI, ctx: GatewayContext, citizens: verify_identity.IdentityVerifier) -> None:
    """Adds the page where citizens of the demonstration world sign in."""
    sessions = _BrowserSessions(ctx)

    @app.get(CITIZENS.sign_in, doc_ui=False)
    @open_to_all("a form")
    @for_readers
    def sign_in_page() -> Response:
        return sessions.form("citizen.html")

    @app.post(CITIZENS.sign_in, doc_ui=False)
    @serves(verify_identity.identify)
    @for_readers
    def browser_signs_in() -> Response:
        given = request.form
        claimed = verify_identity.ClaimedIdentity(given.get("name", "")[:100], given.get("number", "")[:64])
        uscc = standard_identifier(given.get("uscc", "")[:64])[:18]
        return sessions.sign_in(
            CITIZENS, "citizen.html", lambda: verify_identity.identify(ctx, ANONYMOUS, citizens, claimed, uscc)
        )


class _BrowserSessions:
    """Answers with forms, and begins and ends browsers' sessions."""

    def __init__(self, ctx: GatewayContext) -> None:
        self._ctx = ctx
        self._templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    def form(self, template: str, refusal: Problem | None = None) -> Response:
        """Returns a form; with a refusal, the form says why."""
        language = page_language()
        told = refusal.text(language) if refusal else ""
        html = self._templates.render(
            template,
            language,
            action=_this_address(language),
            other_address=_this_address("zh-CN" if language == "en" else "en"),
            refusal=told,
            code=refusal.code if refusal else "",
        )
        found = page(html, language, refusal.type.status if refusal else 200)
        found.headers.extend(when_again(refusal) if refusal else [])
        return _not_kept(found)

    def sign_in(self, entrance: SignInPage, template: str, prove: Callable[[], IssuedToken]) -> Response:
        """Begins a session with the token that `prove` returns. Raises FOREIGN_FORM."""
        _refuse_foreign_form()
        try:
            minted = prove()
        except Problem as refusal:
            return self.form(template, refusal)
        query = request.query_string.decode("latin-1")
        found = Response(status=303, headers={"Location": browser_sessions.with_parameters(entrance.page, query)})
        self._set(found, browser_sessions.SESSION_COOKIE, minted.token, minted.seconds)
        if entrance is OFFICERS:
            # The page's script reads this cookie and sends its value. It lasts as long as the session, and is of no use
            # without it.
            self._set(found, browser_sessions.CSRF_COOKIE, browser_sessions.csrf_of(minted.token), minted.seconds)
        return _not_kept(found)

    def forget(self) -> Response:
        """Deletes the browser's cookies. Revoking the token is left to the use case."""
        chosen = f"?{LANGUAGE}={page_language()}" if LANGUAGE in request.args else ""
        found = Response(status=303, headers={"Location": _START + chosen})
        for name in (browser_sessions.SESSION_COOKIE, browser_sessions.CSRF_COOKIE):
            self._set(found, name, "", 0)
        return found

    def _set(self, found: Response, name: str, value: str, seconds: int) -> None:
        issuer = self._ctx.issuer
        named, secure = browser_sessions.name_of(issuer, name), issuer.startswith("https:")
        hidden = name == browser_sessions.SESSION_COOKIE
        found.set_cookie(named, value, seconds, secure=secure, httponly=hidden, samesite="Strict")


def _this_address(language: str) -> str:
    """Returns the address of the request in a language."""
    others = [(name, value) for name, value in parameters().items(multi=True) if name != LANGUAGE]
    return f"{request.path}?{urlencode([*others, (LANGUAGE, language)])}"


def _not_kept(found: Response) -> Response:
    found.headers["Cache-Control"] = "no-store"
    return found


def _refuse_foreign_form() -> None:
    """Raises FOREIGN_FORM for a form that does not come from a page of this site."""
    told = request.headers
    if not browser_sessions.is_same_origin(told.get("Origin", ""), told.get("Sec-Fetch-Site", ""), request.host):
        raise browser_sessions.FOREIGN_FORM()
