"""Answers that begin and end browsers' sessions, and the forms with which they begin. They decide nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, request

from chengxin.errors import Problem
from chengxin.http.page_shell import LANGUAGE, Templates
from chengxin.http.pages import page, page_language
from chengxin.http.problem_answers import when_again
from chengxin.http.request_checks import parameters
from gateway.context import GatewayContext
from gateway.domain import browser_sessions
from gateway.domain.browser_sessions import CITIZENS, OFFICERS, SignInPage
from gateway.http.page_messages import WORDS
from gateway.store.signing_keys import IssuedToken

_START: Final = "/"
_TEMPLATES: Final = {CITIZENS: "citizen.html", OFFICERS: "officer.html"}


class BrowserSessions:
    """Answers with forms, and begins and ends browsers' sessions.

    `ways` are the values by which the citizens' form knows how else than with a code from the counter citizens can
    prove who they are.
    """

    def __init__(self, ctx: GatewayContext, ways: dict[str, Any]) -> None:
        self._ctx = ctx
        self._ways = ways
        self._templates = Templates(Path(__file__).parents[1] / "templates", WORDS)

    def form(self, entrance: SignInPage, refusal: Problem | None = None) -> Response:
        """Returns a form; with a refusal, the form says why."""
        language = page_language()
        told = refusal.text(language) if refusal else ""
        html = self._templates.render(
            _TEMPLATES[entrance],
            language,
            sign_in=entrance.sign_in,
            asked_for=_parameters(language),
            other_address=f"{entrance.sign_in}?{_parameters('zh-CN' if language == 'en' else 'en')}",
            refusal=told,
            code=refusal.code if refusal else "",
            **self._ways,
        )
        found = page(html, language, refusal.type.status if refusal else 200)
        found.headers.extend(when_again(refusal) if refusal else [])
        return _not_kept(found)

    def sign_in(self, entrance: SignInPage, prove: Callable[[], IssuedToken]) -> Response:
        """Begins a session with the token that `prove` returns. Raises FOREIGN_FORM."""
        self.refuse_foreign_form()
        try:
            minted = prove()
        except Problem as refusal:
            return self.form(entrance, refusal)
        query = request.query_string.decode("latin-1")
        found = Response(status=303, headers={"Location": browser_sessions.address_after_sign_in(entrance, query)})
        self._begin(found, minted)
        if entrance is OFFICERS:
            # The page's script reads this cookie and sends its value. It lasts as long as the session, and is of no use
            # without it.
            self._set(found, browser_sessions.CSRF_COOKIE, browser_sessions.csrf_of(minted.token), minted.seconds)
        return _not_kept(found)

    def leave(self, to: str) -> Response:
        """Sends a browser to another site.

        The browser would not follow a redirect that answers a form: forms lead nowhere but to this site
        (`form-action`, Content Security Policy Level 3, 6.4.1).
        """
        return self._onward("leaving", to)

    def arrive(self, minted: IssuedToken) -> Response:
        """Begins a citizen's session in a browser that another site has sent back.

        With a redirect the browser would go on without the cookie, which is strict: another site began that way
        (RFC 6265bis, 5.2). From this page it is this site that sends it on.
        """
        found = self._onward("arrived", f"{CITIZENS.pages[0]}?{LANGUAGE}={page_language()}")
        self._begin(found, minted)
        return found

    def forget(self) -> Response:
        """Deletes the browser's cookies. Revoking the token is left to the use case."""
        chosen = f"?{LANGUAGE}={page_language()}" if LANGUAGE in request.args else ""
        found = Response(status=303, headers={"Location": _START + chosen})
        for name in (browser_sessions.SESSION_COOKIE, browser_sessions.CSRF_COOKIE):
            self._set(found, name, "", 0)
        return found

    def token(self) -> str:
        """Returns the token of the request's session; empty without one."""
        return browser_sessions.token_of(request.headers.get("Cookie", ""), self._ctx.issuer)

    @staticmethod
    def refuse_foreign_form() -> None:
        """Raises FOREIGN_FORM for a form that does not come from a page of this site."""
        told = request.headers
        if not browser_sessions.is_same_origin(told.get("Origin", ""), told.get("Sec-Fetch-Site", ""), request.host):
            raise browser_sessions.FOREIGN_FORM()

    def _onward(self, title: str, to: str) -> Response:
        """Answers with a page that goes on to an address by itself."""
        language = page_language()
        return _not_kept(page(self._templates.render("onward.html", language, title=title, to=to), language))

    def _begin(self, found: Response, minted: IssuedToken) -> None:
        self._set(found, browser_sessions.SESSION_COOKIE, minted.token, minted.seconds)

    def _set(self, found: Response, name: str, value: str, seconds: int) -> None:
        named, secure = browser_sessions.name_of(self._ctx.issuer, name), self._ctx.issuer.startswith("https:")
        hidden = name == browser_sessions.SESSION_COOKIE
        found.set_cookie(named, value, seconds, secure=secure, httponly=hidden, samesite="Strict")


def _parameters(language: str) -> str:
    """Returns the parameters of the request, in a language."""
    others = [(name, value) for name, value in parameters().items(multi=True) if name != LANGUAGE]
    return urlencode([*others, (LANGUAGE, language)])


def _not_kept(found: Response) -> Response:
    found.headers["Cache-Control"] = "no-store"
    return found
