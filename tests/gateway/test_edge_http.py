"""The HTTP edge passes bytes, and only what may pass."""

import hashlib
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from chengxin.errors import Problem
from gateway.edge.http import _REQUEST_HEADERS
from gateway.edge.routes import PREFIXES, prefix_of
from tests.gateway.conftest import Gate
from tests.support import until

ROOT = Path(__file__).parents[2]


def _raw(gate: Gate, request: bytes) -> bytes:
    """What the edge answers to exactly these bytes, until it closes."""
    host, _, port = gate.edge.http.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_the_route_is_chosen_by_whole_segments() -> None:
    assert prefix_of("/v1/me/records") == "/v1/me/records"
    assert prefix_of("/v1/me/records/r_1/history") == "/v1/me/records"
    assert prefix_of("/v1/me/objections/2026-1/supplement") == "/v1/me/objections"
    assert prefix_of("/v1/public/subjects/s_1") == "/v1/public"
    assert prefix_of("/tlog/tile/8/x001/067.p/5") == "/tlog"
    assert prefix_of("/") == "/"
    assert prefix_of("/subjects/s_1") == "/subjects"
    for nowhere in (
        "",
        "/v1",
        "/v1/",
        "/v1/me",
        "/v1/publicity",
        "/v1/me/recordsandmore",
        "//v1/audit",
        "/v1//audit",
        "/V1/audit",
        "/x/v1/audit",
        "/oauth/token",
        "/v1/identity/demo",
        "/healthz",
        "/..",
        "/index",
    ):
        assert prefix_of(nowhere) is None, nowhere


@pytest.mark.parametrize("prefix", sorted(p for p, service in PREFIXES.items() if service != "catalog"))
def test_every_prefix_reaches_its_room(gate: Gate, prefix: str) -> None:
    answer = gate.edge.call("GET", prefix)
    assert answer.status == 200
    assert answer.body["target"] == prefix


def test_method_path_query_and_body_pass_as_they_are(gate: Gate) -> None:
    token = gate.token("market_regulator")
    body = json.dumps({"名称": "a b"}).encode()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        path = "/v1/objections/%E5%BC%82%E8%AE%AE%20%E4%B8%80/x%3Fy?q=%E4%B8%AD+x&a=1&a=2"
        answer = gate.edge.call(method, path, token, body=body, headers={"Content-Type": "application/json"})
        assert (answer.body["method"], answer.body["target"]) == (method, path)
        assert answer.body["sha256"] == hashlib.sha256(body).hexdigest()


def test_head_has_no_body_but_its_length(gate: Gate) -> None:
    answer = urllib3.PoolManager().request("HEAD", f"{gate.edge.http}/v1/public/headers")
    assert (answer.status, answer.data, answer.headers["Content-Length"]) == (200, b"", "2")


def test_only_known_headers_pass_and_the_request_id_is_the_gateways(gate: Gate) -> None:
    sent = {
        "Authorization": f"Bearer {gate.token('market_regulator')}",
        "Accept": "application/json",
        "Accept-Language": "en",
        "Idempotency-Key": "k1",
        "If-Match": '"v1"',
        "If-None-Match": '"v0"',
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
        "if-none-match",
        "traceparent",
        "x-request-id",
        "host",
    }
    for name in ("Authorization", "Accept", "Accept-Language", "Idempotency-Key", "If-Match", "If-None-Match"):
        assert passed[name.lower()] == sent[name]
    # The same trace, a span of the edge's own.
    assert passed["traceparent"][:36] == sent["traceparent"][:36]
    assert passed["traceparent"] != sent["traceparent"]
    assert passed["host"] == gate.http_room.address
    assert passed["x-request-id"] == answer.request_id
    assert answer.request_id.startswith("req_")
    assert answer.request_id != "req_forged"


def test_every_header_that_a_service_reads_passes() -> None:
    own = {"Authorization", "X-Request-Id", "traceparent"}
    sources = [path for service in ("services", "chengxin") for path in (ROOT / service).rglob("*.py")]
    read = {name for path in sources for name in re.findall(r'request\.headers\.get\("([^"]+)"', path.read_text())}
    assert read
    assert read - own <= {name for _, name in _REQUEST_HEADERS}


def test_the_answers_headers_are_cleaned_and_secured(gate: Gate) -> None:
    answer = gate.edge.call("GET", "/v1/public/headers")
    assert answer.headers["ETag"] == '"v1"'
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.request_id.startswith("req_")
    for name in ("X-Powered-By", "Set-Cookie", "Access-Control-Allow-Origin"):
        assert name not in answer.headers
    assert "secret" not in answer.headers.get("Server", "")


def test_what_a_token_shows_is_not_kept_by_caches(gate: Gate) -> None:
    own = gate.edge.call("GET", "/v1/me/records", gate.token("market_regulator"))
    assert own.headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in gate.edge.call("GET", "/v1/public/records").headers


def test_somebody_without_a_token_is_the_public(gate: Gate) -> None:
    seen = [gate.edge.call("GET", "/v1/public/records").body["headers"]["authorization"] for _ in range(3)]
    assert len(set(seen)) == 1
    import jwt

    claims = jwt.decode(seen[0].removeprefix("Bearer "), options={"verify_signature": False})
    assert (claims["sub"], claims["roles"]) == ("anonymous", ["public"])
    assert claims["exp"] - claims["iat"] <= 300


def test_a_large_body_passes_in_pieces(gate: Gate) -> None:
    body = b"0123456789abcdef" * (3 * 1024 * 1024 // 16)
    token = gate.token("market_regulator")
    answer = gate.edge.call("POST", "/v1/submissions", token, body=body)
    assert (answer.body["length"], answer.body["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert answer.body["headers"]["content-length"] == str(len(body))


def test_a_body_of_unknown_length_passes_in_pieces(gate: Gate) -> None:
    pieces = [bytes([n]) * 10_000 for n in range(100)]
    pool = urllib3.PoolManager()
    headers = {"Authorization": f"Bearer {gate.token('market_regulator')}"}
    url = f"{gate.edge.http}/v1/submissions"
    answer = pool.request("POST", url, body=iter(pieces), headers=headers).json()
    assert answer["length"] == 1_000_000
    assert answer["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(gate: Gate) -> None:
    head = b"POST /v1/objections HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    answer = _raw(gate, head % (64 * 1024 * 1024 + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"TOO_LARGE"' in answer
    assert b"64 MiB" in answer
    head = head.replace(b"/v1/objections", b"/v1/submissions")
    assert b"256 MiB" in _raw(gate, head % (256 * 1024 * 1024 + 1))


def test_a_body_that_grows_beyond_the_limit_is_refused(gate: Gate) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(66):
            yield bytes(1024 * 1024)

    pool = urllib3.PoolManager(retries=False)
    before = gate.http_room.requests
    try:
        answer = pool.request("POST", f"{gate.edge.http}/v1/objections", body=endless())
        assert answer.status == 413
    except urllib3.exceptions.ProtocolError:
        pass  # the edge hung up while the client was still sending
    # The service never saw a whole request.
    assert gate.http_room.requests <= before + 1


def test_a_streamed_answer_arrives_whole(gate: Gate) -> None:
    answer = gate.edge.call("GET", "/v1/public/feed")
    assert len(answer.body) == 2_000_000
    assert answer.body[:1] == b"\x00"
    assert answer.body[-1:] == bytes([199])


def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(gate: Gate) -> None:
    with pytest.raises((urllib3.exceptions.HTTPError, http.client.HTTPException, Problem)):
        gate.edge.call("GET", "/v1/public/broken")
    assert gate.edge.call("GET", "/v1/public/records").status == 200


def test_readers_who_hang_up_leave_nothing_behind(gate: Gate) -> None:
    host, _, port = gate.edge.http.removeprefix("http://").rpartition(":")
    for _ in range(250):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /v1/public/feed HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    # More than may be on their way at once: each gave its slot back.
    until(lambda: gate.edge.call("GET", "/v1/public/records").status == 200)


def test_an_idle_connection_that_was_closed_is_replaced_for_reads(gate: Gate) -> None:
    for _ in range(6):
        assert gate.edge.call("GET", "/v1/public/stale").status == 200


def test_connections_to_a_room_are_used_again(gate: Gate) -> None:
    gate.edge.call("GET", "/v1/public/records")
    before = gate.http_room.connections
    for _ in range(20):
        gate.edge.call("GET", "/v1/public/records")
    assert gate.http_room.connections <= before + 1


def test_a_room_that_is_down_is_a_503_problem(gate: Gate) -> None:
    answer = gate.edge.call("GET", "/v1/catalog/entries", headers={"Accept-Language": "en"})
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.body["code"] == "UPSTREAM_UNAVAILABLE"
    assert answer.body["request_id"] == answer.request_id
    assert "not available" in answer.body["detail"]


def test_an_address_that_does_not_exist_is_a_404_problem(gate: Gate) -> None:
    answer = gate.edge.call("GET", "/v1/nothing")
    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.request_id == answer.body["request_id"]


def test_other_methods_are_refused(gate: Gate) -> None:
    answer = gate.edge.call("TRACE", "/v1/public/records")
    assert (answer.status, answer.body["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/audit HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1e3\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_no_second_request_is_smuggled_past_the_edge(gate: Gate, framing: bytes) -> None:
    before = gate.http_room.requests
    answer = _raw(gate, b"POST /v1/public/records HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert gate.http_room.requests <= before + 1


def test_many_callers_at_once_each_get_their_own_answer(gate: Gate) -> None:
    wrong: list[Any] = []

    def ask(n: int) -> None:
        for turn in range(20):
            target = f"/v1/public/records?n={n}-{turn}"
            if gate.edge.call("GET", target).body["target"] != target:
                wrong.append(target)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_readyz_tells_of_each_room_and_of_its_own_store(gate: Gate) -> None:
    answer = gate.edge.call("GET", "/readyz")
    assert answer.status == 503
    own = answer.body["gateway"]
    assert own.pop("lag")["consumers"].keys() == {"relay.audit"}
    assert own == {"store": True, "signing_key": True, "quarantine": True}
    assert answer.body["catalog"] == {"reachable": False}
    assert answer.body["disclosure"] == {"reachable": True, "store": True, "token": True}
    gate.http_room.ready["token"] = False
    try:
        until(lambda: gate.edge.call("GET", "/readyz").body["audit"]["token"] is False)
    finally:
        gate.http_room.ready["token"] = True


def test_metrics_count_requests_by_route_and_status(gate: Gate) -> None:
    gate.edge.call("GET", "/v1/public/records")
    text = gate.edge.call("GET", "/metrics").body
    assert 'chengxin_edge_http_seconds_count{route="/v1/public",status="200"}' in text
    assert 'route="own"' in text


def test_the_whole_interface_is_described_in_one_document(gate: Gate) -> None:
    api = gate.edge.call("GET", "/openapi.json").body
    assert api["openapi"] == "3.1.0"
    port = gate.http_room.address.rpartition(":")[2]
    assert {"/oauth/token", "/v1/identity/officers/sign-in", f"/v1/service-{port}"} <= api["paths"].keys()
    form = api["paths"]["/oauth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert "client_assertion" in form["schema"]["properties"]
    page = gate.edge.call("GET", "/docs")
    assert "/oauth/token" in page.body
    assert "nonce-" in page.headers["Content-Security-Policy"]
