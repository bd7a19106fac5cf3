"""Attacks on tokens, assertions and grants through both edges: each is refused with the right code and on record.

The number of distinct attacks goes to build/figures.json.
"""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chengxin.errors import Problem
from tests.gateway.access_token_attacks import TOKENS
from tests.gateway.assertion_attacks import ATTACKS as ASSERTIONS
from tests.gateway.conftest import RunningGateway
from tests.gateway.grant_attacks import GRANTS
from tests.support import figure, until

# Over gRPC the transport refuses these before any code of ours reads them.
_ONLY_HTTP = {"oversized"}


def _recorded(gate: RunningGateway, act: str, request_id: str) -> dict[str, Any]:
    return until(
        lambda: next((e for e in gate.grpc_upstream.acts(act, "refused") if e["request_id"] == request_id), None),
        f"{act} {request_id} is on record",
    )


@pytest.mark.parametrize("attack", TOKENS)
def test_over_http(gate: RunningGateway, attack: str) -> None:
    token = TOKENS[attack](gate)
    before = gate.http_upstream.requests
    answer = gate.edge.call("GET", "/v1/me/records", token)
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chengxin", error="invalid_token"'
    assert gate.http_upstream.requests == before
    event = _recorded(gate, "edge.refused", answer.request_id)
    # No claim of the token is believed or kept.
    assert event["details"] == {"code": "UNAUTHENTICATED", "edge": "http"}
    assert event["actor"]["sub"] == "anonymous"


@pytest.mark.parametrize("attack", sorted(TOKENS.keys() - _ONLY_HTTP))
def test_over_grpc(gate: RunningGateway, attack: str) -> None:
    call = gate.edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=(("authorization", f"Bearer {TOKENS[attack](gate)}"),), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert Problem.from_rpc(refused.value).code == "UNAUTHENTICATED"
    event = _recorded(gate, "edge.refused", _request_id(refused.value))
    assert event["details"] == {"code": "UNAUTHENTICATED", "edge": "grpc"}


@pytest.mark.parametrize("attack", TOKENS)
def test_at_the_gateways_own_addresses(gate: RunningGateway, attack: str) -> None:
    answer = gate.edge.call("GET", "/v1/identity/clients", TOKENS[attack](gate))
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")


def _request_id(error: grpc.RpcError) -> str:
    info = error_details_pb2.RequestInfo()
    assert any(detail.Unpack(info) for detail in rpc_status.from_call(error).details)  # type: ignore[union-attr]
    return str(info.request_id)


@pytest.mark.parametrize("attack", ASSERTIONS)
def test_an_assertion(gate: RunningGateway, attack: str) -> None:
    answer = gate.ask(ASSERTIONS[attack](gate), scope="provider")
    assert (answer.status, answer.body["error"]) == (401, "invalid_client")
    assert "access_token" not in answer.body
    assert answer.body["error_description"].isascii()
    assert _recorded(gate, "token.issued", answer.request_id)["details"]["code"] == "CLIENT_NOT_AUTHENTICATED"


@pytest.mark.parametrize("attack", GRANTS)
def test_a_grant(gate: RunningGateway, attack: str) -> None:
    how, code = GRANTS[attack]
    answer = how(gate)
    assert answer.status in (400, 401)
    assert answer.body["code"] == code
    assert "access_token" not in answer.body
    assert _recorded(gate, "token.issued", answer.request_id)["details"]["code"] == code


def test_every_attack_is_counted(gate: RunningGateway) -> None:
    count = len(TOKENS) + len(ASSERTIONS) + len(GRANTS)
    assert count >= 60
    figure("gateway.token_attacks", count)
    figure("gateway.token_attack_runs", 3 * len(TOKENS) - len(_ONLY_HTTP) + len(ASSERTIONS) + len(GRANTS))
