"""A browser's session: the access token itself in a cookie, good for a few pages and for what their scripts ask.

Cookies come with whatever another site makes a browser send. So the edge looks at this one only for `PAGES`, which change
nothing, and for exactly what the script of the officers' page asks (`_ASKED`). Whatever changes something must show that
it comes from a page of this site: forms by where the browser says that they come from, scripts also by a token that only
a page of this site can read (`csrf_of`). A cookie gives no right that its token does not give.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from chengxin.auth.principal import Role
from chengxin.errors import forbidden
from gateway.domain.clients_and_officers import OFFICER_ROLES

FOREIGN_FORM = forbidden(
    "FOREIGN_FORM",
    "该请求不是从本站页面提交的，已拒绝；请重新打开本站页面再提交",
    "This was not sent from a page of this site; open the page again and send it from there",
)
NAME: Final = "chengxin_session"
CSRF_NAME: Final = "chengxin_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"


@dataclass(frozen=True)
class SignInPage:
    """Where a session begins, and of whom it is."""

    sign_in: str
    roles: frozenset[Role]
    # Where she is sent who has signed in.
    page: str


CITIZENS: Final = SignInPage("/sign-in", frozenset({Role.SUBJECT}), "/me")
OFFICERS: Final = SignInPage("/officers/sign-in", OFFICER_ROLES, "/report")
# Pages that take a session; only to be read.
PAGES: Final[Mapping[str, SignInPage]] = {entrance.page: entrance for entrance in (CITIZENS, OFFICERS)}
_ASKED: Final = re.compile(
    r"GET /v1/submissions(/.*)?|POST /v1/submissions(/preview)?|PUT /v1/submissions/mappings/[^/]+", re.DOTALL
)


def entrance_to(method: str, path: str) -> SignInPage | None:
    """Whose sessions count for a request; None where none does."""
    if method == "GET" and path in PAGES:
        return PAGES[path]
    return OFFICERS if _ASKED.fullmatch(f"{method} {path}") else None


def name_of(issuer: str, name: str = NAME) -> str:
    """A cookie's name: one that binds it to this host, where there is TLS (RFC 6265bis)."""
    return f"__Host-{name}" if issuer.startswith("https:") else name


def token_of(header: str, issuer: str) -> str:
    """The token in a `Cookie` header; empty without one."""
    try:
        found = SimpleCookie(header).get(name_of(issuer))
    except CookieError:
        return ""
    return found.value if found else ""


def csrf_of(token: str) -> str:
    """What a page's script shows, from a cookie that it can read, with whatever it changes in this session."""
    made = hashlib.sha256(f"chengxin csrf {token}".encode()).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def is_csrf_of(token: str, shown: str) -> bool:
    """Whether this was shown for the session."""
    return hmac.compare_digest(csrf_of(token).encode(), shown.encode())


def is_from_here(origin: str, fetch_site: str, host: str) -> bool:
    """Whether a form came from a page of this site, as the browser tells (`Origin`, `Sec-Fetch-Site`, `Host`).

    A request without `Origin` is no browser's form.
    """
    return bool(origin) and urlsplit(origin).netloc == host and fetch_site in ("", "same-origin")
