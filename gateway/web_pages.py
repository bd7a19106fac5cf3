"""Signing in with a browser, in the demonstration world: a page, a form, and the way out. No decisions here."""

from typing import Final

from flask import Response, render_template, request
from flask_openapi3.openapi import OpenAPI

from chengxin.context import current
from chengxin.errors import Problem, forbidden
from chengxin.policy import open_to_all
from chengxin.tokens import Verifier
from gateway import cookies, identity, revoking
from gateway.keys import Minted
from gateway.room import Gateway
from gateway.tokens import ClientProof

FOREIGN_FORM = forbidden(
    "FOREIGN_FORM",
    "该请求不是从本站页面提交的，已拒绝；请打开 /sign-in 重新提交",
    "This form was not sent from a page of this site; open /sign-in and send it again",
)
_OWN_PAGE: Final = "/me"


def add_pages(app: OpenAPI, gateway: Gateway, citizens: identity.IdentityVerifier, verifier: Verifier | None) -> None:
    """The views."""

    @app.get("/sign-in", doc_ui=False)
    @open_to_all("a form")
    def sign_in_page() -> Response:
        return _page("", 200)

    @app.post("/sign-in", doc_ui=False)
    @open_to_all("only in the demonstration world: name and identity number are the proof")
    def browser_signs_in() -> Response:
        _from_here()
        claimed = identity.ClaimedIdentity(request.form.get("name", "")[:100], request.form.get("number", "")[:18])
        try:
            minted = identity.identify(gateway, citizens, claimed, request.form.get("uscc", "").strip().upper()[:18])
        except Problem as refusal:
            return _page(refusal.text(current().language), refusal.type.status)
        return _signed_in(minted)

    @app.post("/sign-out", doc_ui=False)
    @open_to_all("whoever has the session may end it")
    def browser_signs_out() -> Response:
        _from_here()
        token = cookies.token_of(request.headers.get("Cookie", ""), gateway.issuer)
        if token and verifier is not None:
            revoking.revoke(gateway, verifier, ClientProof(), token)
        found = Response(status=303, headers={"Location": cookies.SIGN_IN})
        found.delete_cookie(cookies.name_of(gateway.issuer), secure=_secure(), httponly=True, samesite="Strict")
        return found

    def _signed_in(minted: Minted) -> Response:
        found = Response(status=303, headers={"Location": _OWN_PAGE})
        name = cookies.name_of(gateway.issuer)
        found.set_cookie(name, minted.token, minted.seconds, secure=_secure(), httponly=True, samesite="Strict")
        found.headers["Cache-Control"] = "no-store"
        return found

    def _secure() -> bool:
        return gateway.issuer.startswith("https:")


def _page(refusal: str, status: int) -> Response:
    found = Response(render_template("sign_in.html", refusal=refusal, language=current().language), status)
    found.headers["Cache-Control"] = "no-store"
    return found


def _from_here() -> None:
    """Raises FOREIGN_FORM."""
    told = request.headers
    if not cookies.is_from_here(told.get("Origin", ""), told.get("Sec-Fetch-Site", ""), request.host):
        raise FOREIGN_FORM()
