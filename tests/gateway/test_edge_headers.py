"""Only known headers pass the HTTP edge, in either direction."""

import re
from pathlib import Path

import pytest

from gateway.edge.http import _REQUEST_HEADERS
from gateway.edge.routes import PREFIXES
from tests.gateway.conftest import RunningGateway

ROOT = Path(__file__).parents[2]


def test_only_known_headers_pass_and_the_request_id_is_the_gateways(gate: RunningGateway) -> None:
    sent = {
        "Authorization": f"Bearer {gate.token('market_regulator')}",
        "Accept": "application/json",
        "Accept-Language": "en",
        "Idempotency-Key": "k1",
        "If-Match": '"v1"',
        "If-Modified-Since": "Mon, 30 Nov 2026 00:00:00 GMT",
        "If-None-Match": "",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Request-Id": "req_forged",
        "X_Request_Id": "req_forged",
        "X-Chengxin-Role": "supervisor",
        "X-Forwarded-For": "10.0.0.1",
        "X-HTTP-Method-Override": "DELETE",
        "Cookie": "session=1",
        "Host": "evil.example",
        "Range": "bytes=0-1",
        "TE": "trailers",
    }
    answer = gate.edge.call("GET", "/v1/objections", headers=sent)
    passed = answer.body["headers"]
    assert set(passed) <= {
        "authorization",
        "accept",
        "accept-language",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "traceparent",
        "x-request-id",
        "host",
    }
    # An empty one, too: it is not a missing one.
    for name in set(sent) & {name for _, name in _REQUEST_HEADERS} | {"Authorization"}:
        assert passed[name.lower()] == sent[name]
    # The same trace, a span of the edge's own.
    assert passed["traceparent"][:36] == sent["traceparent"][:36]
    assert passed["traceparent"] != sent["traceparent"]
    assert passed["host"] == gate.http_upstream.address
    assert passed["x-request-id"] == answer.request_id
    assert answer.request_id.startswith("req_")
    assert answer.request_id != "req_forged"


def test_every_header_that_a_service_reads_passes() -> None:
    # The last one is the edge's own, which passes bodies on with their length.
    own = {"HTTP_AUTHORIZATION", "HTTP_TRANSFER_ENCODING"}
    sources = [path for service in ("services", "chengxin") for path in (ROOT / service).rglob("*.py")]
    texts = [path.read_text() for path in sources]
    read = {name for text in texts for name in re.findall(r'"(HTTP_[A-Z_]+)"', text)}
    read |= {
        f"HTTP_{name.upper().replace('-', '_')}"
        for text in texts
        for name in re.findall(r'request\.headers\.get\("([^"]+)"', text)
    }
    assert "HTTP_ACCEPT" in read
    assert read - own <= {key for key, _ in _REQUEST_HEADERS}


def test_the_answers_headers_are_cleaned_and_secured(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/v1/public/headers")
    assert answer.headers["ETag"] == '"v1"'
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.request_id.startswith("req_")
    for name in ("X-Powered-By", "Set-Cookie", "Access-Control-Allow-Origin"):
        assert name not in answer.headers
    assert "secret" not in answer.headers.get("Server", "")


@pytest.mark.parametrize("path", [*PREFIXES, "/docs", "/openapi.json", "/unknown", "/v1/unknown"])
def test_no_answer_is_kept_by_search_engines(gate: RunningGateway, path: str) -> None:
    """Whatever the service, the status, or who asks: an answer that may show a person says so by itself."""
    for token in ("", gate.token("market_regulator")):
        assert gate.edge.call("GET", path, token).headers["X-Robots-Tag"] == "noindex, nofollow, noarchive"


def test_a_service_names_an_answer_that_never_shows_a_person(gate: RunningGateway) -> None:
    assert gate.edge.call("GET", "/v1/public/headers").headers["X-Robots-Tag"] == "all"


def test_search_engines_read_the_start_page_alone(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/robots.txt")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.body.splitlines() == ["User-agent: *", "Allow: /$", "Disallow: /"]


def test_what_a_token_shows_is_not_kept_by_caches(gate: RunningGateway) -> None:
    own = gate.edge.call("GET", "/v1/me/records", gate.token("market_regulator"))
    assert own.headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in gate.edge.call("GET", "/v1/public/records").headers
