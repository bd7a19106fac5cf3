"""What every answer of the HTTP edge says of itself (RFC 9110, 9111), whoever made it: in one place, and last."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Headers = list[tuple[str, str]]

# Of a service's answer only these pass.
_PASSING: Final = frozenset(
    {
        "allow",
        "cache-control",
        "content-disposition",
        "content-language",
        # This shows a client that an answer broke off: granian ends a broken chunked answer as if it were whole.
        "content-length",
        "content-security-policy",
        "content-type",
        "etag",
        "last-modified",
        "link",
        "location",
        "retry-after",
        "vary",
        "x-robots-tag",
    }
)
_SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
# Search engines keep nothing, because whatever shows a person changes and ends (Art. 4, 18). A service says otherwise for
# an answer that never shows one.
_ROBOTS: Final = ("X-Robots-Tag", "noindex, nofollow, noarchive")
_CONTENT_POLICY: Final = (
    "Content-Security-Policy",
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
)
# For a year (RFC 6797). Other hosts of the city's domain are not ours to decide about.
_STRICT_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=31536000")
_CHALLENGE: Final = 'Bearer realm="chengxin"'
_BUSY: Final = frozenset({429, 503})
_RETRY_SECONDS: Final = "5"


@dataclass(frozen=True)
class Asked:
    """What of a request decides which headers its answer has."""

    request_id: str
    # It came over TLS, or the system is reached over TLS.
    secure: bool
    # The caller sent an access token.
    token: bool
    # The answer may be about the caller.
    personal: bool


def passing(headers: Iterable[tuple[str, str]]) -> Headers:
    """Returns the headers of a service's answer that go out."""
    return [(name, value) for name, value in headers if name.lower() in _PASSING]


def complete(status: int, headers: Headers, asked: Asked) -> Headers:
    """Returns the headers of an answer together with those that every answer of its kind has.

    401 has a challenge (RFC 9110, 11.6.1; RFC 6750, 3), 429 and 503 say when to try again, and what is personal or an
    error is kept by nobody.
    """
    names = {name.lower() for name, _ in headers}
    headers = [*headers, ("X-Request-Id", asked.request_id), *_SECURITY]
    if asked.secure:
        headers.append(_STRICT_TRANSPORT)
    if "content-security-policy" not in names:
        headers.append(_CONTENT_POLICY)
    if "x-robots-tag" not in names:
        headers.append(_ROBOTS)
    if (asked.personal or status >= 400) and "cache-control" not in names:
        headers.append(("Cache-Control", "no-store"))
    if status in _BUSY and "retry-after" not in names:
        headers.append(("Retry-After", _RETRY_SECONDS))
    if status == 401:
        # The edge alone knows what the caller sent: a service is shown a token of the public for callers without one.
        headers = [(name, value) for name, value in headers if name.lower() != "www-authenticate"]
        headers.append(("WWW-Authenticate", _CHALLENGE + (', error="invalid_token"' if asked.token else "")))
    return headers
