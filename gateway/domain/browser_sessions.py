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
from urllib.parse import parse_qsl, quote, urlsplit

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
    # The pages that accept the session; a caller goes to the first after a sign-in that no other page asked for.
    pages: tuple[str, ...]


CITIZENS: Final = SignInPage("/sign-in", frozenset({Role.SUBJECT}), ("/me", "/me/accesses"))
OFFICERS: Final = SignInPage("/officers/sign-in", OFFICER_ROLES, ("/report",))
# The pages that accept a session; they are for reading only.
PAGES: Final[Mapping[str, SignInPage]] = {
    page: entrance for entrance in (CITIZENS, OFFICERS) for page in entrance.pages
}
# The parameter of a sign-in that says which of the pages asked for it.
_ASKED_BY: Final = "then"
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


def sign_in_address(page: str, query: str) -> str:
    """Returns where the reader of a page signs in: the page's parameters are kept there, and the page itself.

    So the sign-in has the language of the page that was asked for, and leads back to the same place.
    """
    entrance = PAGES[page]
    asked_by = "" if page == entrance.pages[0] else f"{_ASKED_BY}={page}"
    return _with_parameters(entrance.sign_in, "&".join(part for part in (query, asked_by) if part))


def address_after_sign_in(entrance: SignInPage, query: str) -> str:
    """Returns where a reader goes after a sign-in at an address with these parameters; never to another path than that
    of a page of this entrance, whatever a link says."""
    asked_by = dict(parse_qsl(query)).get(_ASKED_BY, "")
    others = "&".join(part for part in query.split("&") if not part.startswith(f"{_ASKED_BY}="))
    return _with_parameters(asked_by if asked_by in entrance.pages else entrance.pages[0], others)


def _with_parameters(path: str, query: str) -> str:
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
