"""Several gateways: any of them continues what another began."""

import signal

import grpc
import pytest

from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge
from tests.gateway.conftest import RunningGateway, answers
from tests.support import free_port, until


def test_a_second_gateway_accepts_the_tokens_of_the_first_and_stops_when_told(gate: RunningGateway) -> None:
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    second = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc)
    edge = Edge(f"http://{http}", grpc)
    try:
        until(lambda: answers(edge), "the second gateway answers")
        token = gate.token("market_regulator")
        assert edge.call("GET", "/v1/me/records", token).status == 200
        jwks = [e.call("GET", "/.well-known/jwks.json").body for e in (edge, gate.edge)]
        assert jwks[0] == jwks[1]
        # An assertion used at one gateway is used up at the other.
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


def test_outside_the_demonstration_world_there_is_no_demo_identity(gate: RunningGateway) -> None:
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


def test_a_port_in_use_is_told_and_ends_the_process(gate: RunningGateway) -> None:
    process = gate.start(CHENGXIN_HTTP_LISTEN=f"127.0.0.1:{free_port()}")
    assert process.wait(20) != 0


def test_a_gateway_that_is_told_to_limit_says_when_to_come_back(gate: RunningGateway) -> None:
    http, grpc_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    rates = {"CHENGXIN_CLIENT_RATE": "0.5", "CHENGXIN_ADDRESS_RATE": "0.5", "CHENGXIN_PROOF_RATE": "1"}
    process = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc_address, **rates)
    edge = Edge(f"http://{http}", grpc_address)
    try:
        until(lambda: answers(edge), "the gateway answers")
        first, second = gate.token("market_regulator"), gate.token("p256")
        statuses = [edge.call("GET", "/v1/me/records", first) for _ in range(4)]
        limited = next(a for a in statuses if a.status == 429)
        assert limited.body["code"] == "RATE_LIMITED"
        assert 1 <= int(limited.headers["Retry-After"]) <= 3
        # Each client has its own limit, and so have callers without a token.
        assert edge.call("GET", "/v1/me/records", second).status == 200
        anonymous = [edge.call("GET", "/v1/public/subjects").status for _ in range(4)]
        assert (anonymous[0], anonymous[-1]) == (200, 429)
        proofs = [edge.call("POST", "/oauth/token", fields={}, encode_multipart=False).status for _ in range(5)]
        assert proofs[-1] == 429
        call = edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")
        metadata = (("authorization", f"Bearer {first}"),)
        with pytest.raises(grpc.RpcError) as refused:
            [call(b"", metadata=metadata, timeout=5) for _ in range(4)]
        problem = Problem.from_rpc(refused.value)
        assert problem.code == "RATE_LIMITED"
        assert (problem.retry_after or 0) > 0
    finally:
        process.terminate()
        process.wait(10)
