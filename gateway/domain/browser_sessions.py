"""A browser's session: a cookie holds the access token itself, for a few pages and for the requests of their scripts.

A browser also sends cookies with requests that another site causes. So the edge reads this cookie only for `PAGES`,
which change nothing, and for exactly the requests of the script on the officers' page (`_SCRIPT_REQUESTS`). A request
that changes something must show that it comes from a page of this site: a form by the origin that the browser reports,
a script also by a token that only a page of this site can read (`csrf_of`). A cookie gives only what its token gives.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import quote, urlsplit

from chengxin.auth.principal import Role
from chengxin.errors import forbidden
from gateway.domain.clients_and_officers import OFFICER_ROLES

FOREIGN_FORM = forbidden(
    "FOREIGN_FORM",
    "该请求不是从本站页面提交的，已拒绝；请重新打开本站页面再提交",
    "This was not sent from a page of this site; open the page again and send it from there",
)
SESSION_COOKIE: Final = "chengxin_session"
CSRF_COOKIE: Final = "chengxin_csrf"
CSRF_HEADER: Final = "X-CSRF-Token"


@dataclass(frozen=True)
class SignInPage:
    """The page at which a session begins, and the roles of the callers who have such a session."""

    sign_in: str
    roles: frozenset[Role]
    # The page to which a caller goes after the sign-in.
    page: str


CITIZENS: Final = SignInPage("/sign-in", frozenset({Role.SUBJECT}), "/me")
OFFICERS: Final = SignInPage("/officers/sign-in", OFFICER_ROLES, "/report")
# The pages that accept a session; they are for reading only.
PAGES: Final[Mapping[str, SignInPage]] = {sign_in_page.page: sign_in_page for sign_in_page in (CITIZENS, OFFICERS)}
# What may stand in a query (RFC 3986, 3.4), and the percent signs that are there.
_QUERY: Final = "%/?:@!$&'()*+,;=~"
_SCRIPT_REQUESTS: Final = re.compile(
    r"GET /v1/submissions(/.*)?|POST /v1/submissions(/preview)?|PUT /v1/submissions/mappings/[^/]+", re.DOTALL
)


def sign_in_page_for(method: str, path: str) -> SignInPage | None:
    """Returns the sign-in page whose sessions count for a request; None when no session counts."""
    if method == "GET" and path in PAGES:
        return PAGES[path]
    return OFFICERS if _SCRIPT_REQUESTS.fullmatch(f"{method} {path}") else None


def with_parameters(path: str, query: str) -> str:
    """Returns the address `path` with the parameters of another: of a page at its sign-in, and of that at the page.

    So the sign-in has the language of the page that was asked for, and leads back to the same place; never to another
    path, whatever a link says.
    """
    return f"{path}?{quote(query.encode('latin-1'), safe=_QUERY)}" if query else path


def name_of(issuer: str, name: str = SESSION_COOKIE) -> str:
    """Returns a cookie's name; with TLS, the name binds the cookie to this host (RFC 6265bis)."""
    return f"__Host-{name}" if issuer.startswith("https:") else name


def token_of(header: str, issuer: str) -> str:
    """Returns the token in a `Cookie` header; empty without one."""
    try:
        cookie = SimpleCookie(header).get(name_of(issuer))
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def csrf_of(token: str) -> str:
    """Returns the token that a page's script reads from a cookie and sends with every change in this session."""
    digest = hashlib.sha256(f"chengxin csrf {token}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_csrf_of(token: str, shown: str) -> bool:
    """Returns whether `shown` is the CSRF token of the session."""
    return hmac.compare_digest(csrf_of(token).encode(), shown.encode())


def is_same_origin(origin: str, fetch_site: str, host: str) -> bool:
    """Returns whether a form comes from a page of this site, by the headers `Origin`, `Sec-Fetch-Site` and `Host`.

    A request without `Origin` is not a browser's form.
    """
    return bool(origin) and urlsplit(origin).netloc == host and fetch_site in ("", "same-origin")
