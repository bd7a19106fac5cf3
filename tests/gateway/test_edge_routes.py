"""The HTTP edge chooses the service by the address, and reports a service that is down."""

import hashlib
import json
import threading
from typing import Any

import pytest
import urllib3

from gateway.edge.routes import PREFIXES, prefix_of
from tests.gateway.conftest import RunningGateway
from tests.support import until


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
def test_every_prefix_reaches_its_room(gate: RunningGateway, prefix: str) -> None:
    answer = gate.edge.call("GET", prefix)
    assert answer.status == 200
    assert answer.body["target"] == prefix


def test_method_path_query_and_body_pass_as_they_are(gate: RunningGateway) -> None:
    token = gate.token("market_regulator")
    body = json.dumps({"名称": "a b"}).encode()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        path = "/v1/objections/%E5%BC%82%E8%AE%AE%20%E4%B8%80/x%3Fy?q=%E4%B8%AD+x&a=1&a=2"
        answer = gate.edge.call(method, path, token, body=body, headers={"Content-Type": "application/json"})
        assert (answer.body["method"], answer.body["target"]) == (method, path)
        assert answer.body["sha256"] == hashlib.sha256(body).hexdigest()


def test_somebody_without_a_token_is_the_public(gate: RunningGateway) -> None:
    seen = [gate.edge.call("GET", "/v1/public/records").body["headers"]["authorization"] for _ in range(3)]
    assert len(set(seen)) == 1
    import jwt

    claims = jwt.decode(seen[0].removeprefix("Bearer "), options={"verify_signature": False})
    assert (claims["sub"], claims["roles"]) == ("anonymous", ["public"])
    assert claims["exp"] - claims["iat"] <= 300


def test_a_room_that_is_down_is_a_503_problem(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/v1/catalog/entries", headers={"Accept-Language": "en"})
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    assert answer.body["code"] == "UPSTREAM_UNAVAILABLE"
    assert answer.body["request_id"] == answer.request_id
    assert "not available" in answer.body["detail"]


def test_an_address_that_does_not_exist_is_a_404_problem(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/v1/nothing")
    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.request_id == answer.body["request_id"]


def test_other_methods_are_refused(gate: RunningGateway) -> None:
    answer = gate.edge.call("TRACE", "/oauth/token")
    assert (answer.status, answer.body["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    for path in ("/v1/public/records", "/oauth/token"):
        assert gate.edge.call("BREW", path).status == 501


def test_many_callers_at_once_each_get_their_own_answer(gate: RunningGateway) -> None:
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


def test_readyz_tells_of_each_room_and_of_its_own_store(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/readyz")
    assert answer.status == 503
    own = answer.body["gateway"]
    assert own.pop("lag")["consumers"].keys() == {"relay.audit"}
    assert own == {"store": True, "signing_key": True, "grpc_edge": True, "quarantine": True, "on_record": True}
    assert answer.body["catalog"] == {"reachable": False}
    assert answer.body["disclosure"] == {"reachable": True, "store": True, "token": True}
    gate.http_upstream.ready["token"] = False
    try:
        until(lambda: gate.edge.call("GET", "/readyz").body["audit"]["token"] is False)
    finally:
        gate.http_upstream.ready["token"] = True


def test_metrics_count_requests_by_route_and_status(gate: RunningGateway) -> None:
    gate.edge.call("GET", "/v1/public/records")
    text = urllib3.request("GET", f"http://{gate.metrics}/metrics").data.decode()
    assert 'chengxin_edge_http_seconds_count{route="/v1/public",status="200"}' in text
    assert 'route="own"' in text


def test_metrics_are_not_at_the_public_address(gate: RunningGateway) -> None:
    for token in ("", gate.token("market_regulator")):
        assert gate.edge.call("GET", "/metrics", token).status == 404


def test_the_whole_interface_is_described_in_one_document(gate: RunningGateway) -> None:
    api = gate.edge.call("GET", "/openapi.json").body
    assert api["openapi"] == "3.1.0"
    port = gate.http_upstream.address.rpartition(":")[2]
    assert {"/oauth/token", "/v1/identity/officers/sign-in", f"/v1/service-{port}"} <= api["paths"].keys()
    form = api["paths"]["/oauth/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    assert form["schema"] == {"$ref": "#/components/schemas/TokenForm"}
    assert "client_assertion" in api["components"]["schemas"]["TokenForm"]["properties"]
    page = gate.edge.call("GET", "/docs")
    assert "/oauth/token" in page.body
    assert "nonce-" in page.headers["Content-Security-Policy"]
