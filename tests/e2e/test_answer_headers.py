"""Every answer of the edge has the headers of its kind (RFC 9110): each route, each method, each kind of caller."""

from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest
from urllib3 import BaseHTTPResponse, PoolManager

from gateway.edge.routes import PREFIXES, prefix_of
from tests.city import City
from tests.routes import APPS, app_of, routes
from tests.support import Issuer

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")
_ALWAYS = (
    "Date",
    "X-Request-Id",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Content-Security-Policy",
)
# What these answer changes from one request to the next, if only because the log tells of the request before.
_CHANGING = ("/readyz", "/v1/audit/events", "/v1/me/accesses")

Addresses = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def addresses(issuer: Issuer) -> Addresses:
    """The addresses that somebody outside reaches, with the methods that each of them takes."""
    found: dict[str, set[str]] = {}
    for service in APPS:
        app = app_of(service, issuer)
        for route in routes(app):
            # The demonstration world has no identity provider.
            if (prefix_of(route.path) is None) == (service == "gateway") and "/oidc/" not in route.path:
                found[route.path] = set(app.url_map.bind("").allowed_methods(route.path))
    return found


def answers(
    city: City, token: str | None, methods: tuple[str, ...], path: str
) -> Iterator[tuple[str, BaseHTTPResponse]]:
    headers = {"Accept-Language": "en"} if token is None else {"Authorization": f"Bearer {token}"}
    with PoolManager(retries=False) as pool:
        for method in methods:
            yield method, pool.request(method, city.edge.http + path, headers=headers, redirect=False, timeout=20)


def faults(method: str, answer: BaseHTTPResponse, token: str | None, known: set[str]) -> Iterator[str]:
    """What an answer lacks."""
    status, headers = answer.status, answer.headers
    yield from (f"no {name}" for name in _ALWAYS if name not in headers)
    if status not in (204, 304) and "Content-Length" not in headers and headers.get("Transfer-Encoding") != "chunked":
        yield "no length"
    if answer.data and "Content-Type" not in headers:
        yield "no type"
    if answer.data and (method == "HEAD" or status == 204):
        yield "a body"
    if status == 401 and not headers.get("WWW-Authenticate", "").startswith('Bearer realm="chengxin"'):
        yield "no challenge"
    if status in (429, 503) and not headers.get("Retry-After", "").isdigit():
        yield "no time to come again"
    if (token is not None or status >= 400) and "Cache-Control" not in headers:
        yield "may be kept"
    if status >= 400 and headers["Content-Type"] != "application/problem+json" and b'"error"' not in answer.data:
        yield "no problem document"
    if "Content-Language" in headers and "Accept-Language" not in headers.get("Vary", ""):
        yield "no Vary"
    if (status == 405) != (method not in known):
        yield f"takes {sorted(known)}"
    if (method == "OPTIONS" or status == 405) and set(headers.get("Allow", "").replace(" ", "").split(",")) != known:
        yield f"Allow is {headers.get('Allow')}, not {sorted(known)}"
    if urlsplit(headers.get("Location", "")).netloc:
        yield f"leads to {headers['Location']}"
    if status == 500:
        yield "an error of ours"


def test_every_answer_to_a_stranger_has_its_headers(city: City, addresses: Addresses) -> None:
    wrong = []
    for path, known in addresses.items():
        got = dict(answers(city, None, _METHODS, path))
        for method, answer in got.items():
            found = [*faults(method, answer, None, known)]
            if answer.status == 403 and b"FOREIGN_FORM" not in answer.data:
                found.append("is forbidden, and could sign in")
            wrong += [f"{method} {path}: {answer.status} {fault}" for fault in found]
        wrong += [f"HEAD {path}: {fault}" for fault in unlike(got["GET"], got["HEAD"], path)]
    assert not wrong, "\n".join(wrong)
    assert len(addresses) > 80


def test_every_answer_to_a_bad_token_has_its_headers(city: City, addresses: Addresses) -> None:
    wrong = []
    for path, known in addresses.items():
        for method, answer in answers(city, "x.y.z", _METHODS, path):
            guarded = prefix_of(path) is not None or path.startswith(("/v1/identity/", "/v1/operations/"))
            if guarded and "invalid_token" not in answer.headers.get("WWW-Authenticate", ""):
                wrong.append(f"{method} {path}: {answer.status} {answer.headers.get('WWW-Authenticate')}")
            # Whoever is refused learns nothing of methods.
            found = faults(method, answer, "x", known) if not guarded else faults("GET", answer, "x", {"GET"})
            wrong += [f"{method} {path}: {answer.status} {fault}" for fault in found]
    assert not wrong, "\n".join(wrong)


def test_every_answer_to_somebody_known_has_its_headers(city: City, addresses: Addresses) -> None:
    wrong = []
    for caller in (city.supervisor, city.market_regulator, city.li_na):
        for path, known in addresses.items():
            got = dict(answers(city, caller.token(), ("GET", "HEAD", "OPTIONS"), path))
            for method, answer in got.items():
                wrong += [f"{method} {path}: {answer.status} {f}" for f in faults(method, answer, "x", known)]
            wrong += [f"HEAD {path}: {fault}" for fault in unlike(got["GET"], got["HEAD"], path)]
    assert not wrong, "\n".join(wrong)


def test_a_browser_is_told_of_every_problem_on_a_page(city: City, addresses: Addresses) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Accept-Language": "en"}
    tokens = [{}, *({"Authorization": f"Bearer {one}"} for one in ("x.y.z", city.li_na.token()))]
    unknown = [f"{prefix.rstrip('/')}/no/such/<b>/address" for prefix in (*PREFIXES, "/oauth", "/docs", "/v1/identity")]
    # What RFC 6749 has a form of its own for.
    programs = ("/oauth/token", "/oauth/revoke")
    wrong, told = [], Counter[int]()
    with PoolManager(retries=False) as pool:
        for path in (*addresses, *unknown):
            for token in tokens:
                for method in ("GET", "POST", "TRACE"):
                    answer = pool.request(method, city.edge.http + path, headers=browser | token, redirect=False)
                    if answer.status < 400 or (method == "POST" and path in programs):
                        continue
                    told[answer.status] += 1
                    if not is_page(answer, "en"):
                        wrong.append(f"{method} {path}: {answer.status} {answer.headers['Content-Type']}")
        for path in unknown:
            answer = pool.request("GET", f"{city.edge.http}{path}?lang=zh", headers=browser)
            assert answer.status in (401, 404), path
            assert is_page(answer, "zh-CN"), path
    assert not wrong, "\n".join(wrong)
    assert {400, 401, 403, 404, 405} <= told.keys()


def is_page(answer: BaseHTTPResponse, language: str) -> bool:
    """Whether an answer is a page in this language, for those who prefer one."""
    fields = [answer.headers.get(name) for name in ("Content-Type", "Content-Language", "Vary")]
    html = answer.data.decode()
    return (
        fields == ["text/html; charset=utf-8", language, "Accept, Accept-Language"]
        and f'<html lang="{language}">' in html
        and answer.headers["X-Request-Id"] in html
        and "<b>" not in html
    )


def unlike(get: BaseHTTPResponse, head: BaseHTTPResponse, path: str) -> Iterator[str]:
    """In what an answer to HEAD differs from the one to GET (RFC 9110, 9.3.2)."""
    names = (
        "Content-Type",
        "Cache-Control",
        "ETag",
        "Vary",
        "Allow",
        *(("Content-Length",) if path not in _CHANGING else ()),
    )
    if head.status != get.status:
        yield f"{head.status}, not {get.status}"
    yield from (
        f"{name} is {head.headers.get(name)}, not {get.headers.get(name)}"
        for name in names
        if head.headers.get(name) != get.headers.get(name)
    )
