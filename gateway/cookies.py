"""A browser's session: the access token itself in a cookie, for reading one's own page and nothing else.

The edge looks at the cookie only for pages that change nothing (`PAGES`), so that no other site can make a browser do
something in its owner's name; signing in and out are told from other sites' forms by where they come from.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

NAME: Final = "chengxin_session"
# Where a cookie counts, and only for GET.
PAGES: Final = frozenset({"/me"})
SIGN_IN: Final = "/sign-in"


def name_of(issuer: str) -> str:
    """The cookie's name: one that binds it to this host, where there is TLS (RFC 6265bis)."""
    return f"__Host-{NAME}" if issuer.startswith("https:") else NAME


def token_of(header: str, issuer: str) -> str:
    """The token in a `Cookie` header; empty without one."""
    try:
        found = SimpleCookie(header).get(name_of(issuer))
    except CookieError:
        return ""
    return found.value if found else ""


def is_from_here(origin: str, fetch_site: str, host: str) -> bool:
    """Whether a form came from a page of this site, as the browser tells (`Origin`, `Sec-Fetch-Site`, `Host`).

    A request without `Origin` is no browser's form.
    """
    return bool(origin) and urlsplit(origin).netloc == host and fetch_site in ("", "same-origin")
