"""Gateways are alike: any of them serves what another began."""

import signal

from chengxin_cli.gateway_client import Edge
from tests.gateway.conftest import Gate, answers
from tests.support import free_port, until


def test_a_second_gateway_accepts_the_tokens_of_the_first_and_stops_when_told(gate: Gate) -> None:
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    second = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc)
    edge = Edge(f"http://{http}", grpc)
    try:
        until(lambda: answers(edge), "the second gateway answers")
        token = gate.token("market_regulator")
        assert edge.call("GET", "/v1/me/records", token).status == 200
        jwks = [e.call("GET", "/.well-known/jwks.json").body for e in (edge, gate.edge)]
        assert jwks[0] == jwks[1]
        # What was used up at one is used up at the other.
        assertion = gate.assertion("p256")
        assert gate.ask(assertion).status == 200
        fields = {"grant_type": "client_credentials", "client_assertion": assertion}
        fields["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        answer = edge.call("POST", "/oauth/token", fields=fields, encode_multipart=False)
        assert answer.body["code"] == "ASSERTION_REPLAYED"
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(10) == 0
    assert not answers(edge)


def test_outside_the_demonstration_world_there_is_no_demo_identity(gate: Gate) -> None:
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    real = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc, CHENGXIN_DEMO="false")
    edge = Edge(f"http://{http}", grpc)
    try:
        until(lambda: answers(edge), "the gateway answers")
        proof = {k: v for k, v in gate.accounts["citizens"][0].items() if k != "represents"}
        assert edge.call("POST", "/v1/identity/demo", json=proof).status == 404
        assert "/v1/identity/demo" not in edge.call("GET", "/openapi.json").body["paths"]
    finally:
        real.terminate()
        real.wait(10)


def test_a_port_in_use_is_told_and_ends_the_process(gate: Gate) -> None:
    process = gate.start(CHENGXIN_HTTP_LISTEN=f"127.0.0.1:{free_port()}")
    assert process.wait(20) != 0
