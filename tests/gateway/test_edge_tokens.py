"""At both edges a token that is not in order is refused."""

import grpc
import pytest

from chengxin.errors import Problem
from tests.gateway.access_token_attacks import token_with
from tests.gateway.conftest import RunningGateway


def test_the_token_that_the_attacks_start_from_is_good(gate: RunningGateway) -> None:
    assert gate.edge.call("GET", "/v1/me/records", token_with(gate)).status == 200


@pytest.mark.parametrize("path", ["/v1/me/records", "/v1/identity/clients"])
@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "abc", "", "Bearer é", "Bearer 令牌"])
def test_another_scheme_is_refused(gate: RunningGateway, header: str, path: str) -> None:
    answer = gate.edge.call("GET", path, headers={"Authorization": header.encode()})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chengxin", error="invalid_token"'


def test_a_caller_without_a_token_is_asked_for_one(gate: RunningGateway) -> None:
    answer = gate.edge.call("GET", "/v1/identity/clients")
    assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="chengxin"'
    wrong = gate.edge.call("GET", "/v1/identity/clients", gate.token("market_regulator"))
    assert (wrong.status, wrong.body["code"]) == (403, "ROLE_NOT_ALLOWED")


def test_tokens_of_services_count_inside_alone(gate: RunningGateway) -> None:
    token = gate.token("ingest", scope="service")
    for path in ("/v1/public/records", "/v1/me/records", "/v1/catalog/entries", "/tlog/checkpoint"):
        answer = gate.edge.call("GET", path, token)
        assert (answer.status, answer.body["code"]) == (403, "SERVICE_TOKEN_OUTSIDE"), path
    call = gate.edge.channel.unary_unary("/chengxin.audit.v1.AuditService/Append")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=(("authorization", f"Bearer {token}"),), timeout=5)
    assert Problem.from_rpc(refused.value).code == "SERVICE_TOKEN_OUTSIDE"
    assert {e["details"]["code"] for e in gate.grpc_upstream.acts("edge.refused", "refused")} >= {
        "SERVICE_TOKEN_OUTSIDE"
    }
    # What is revoked they read at the gateway itself.
    assert gate.edge.call("GET", "/v1/identity/revocations", token).status == 200
    assert gate.edge.call("GET", "/v1/identity/clients", token).body["code"] == "ROLE_NOT_ALLOWED"


def test_a_second_authorization_of_a_call_is_told_as_that(gate: RunningGateway) -> None:
    """Of two, the last one counted."""
    call = gate.edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")
    good = ("authorization", f"Bearer {gate.token('market_regulator')}")
    for both in ((good, ("authorization", "Bearer x")), (("authorization", "Bearer x"), good), (good, good)):
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", metadata=both, timeout=5)
        assert Problem.from_rpc(refused.value).code == "AUTHORIZATION_UNREADABLE"


def test_a_call_without_a_token_is_unauthenticated(gate: RunningGateway) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        gate.edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")(b"", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
