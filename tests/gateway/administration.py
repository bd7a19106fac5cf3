"""Officers who administer: proposals, decisions, and the events of both."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin_cli.gateway_client import HttpAnswer
from tests.gateway.conftest import RunningGateway
from tests.support import until

ORG = "11000000MB0000019X"
PROVIDER = {"roles": ["provider"]}


def register(gate: RunningGateway, by: str = "operator", **changed: Any) -> str:
    """A new client with its own key, without grants."""
    client_id = new_id("c")
    gate.keys[client_id] = key = Ed25519PrivateKey.generate()
    body = {
        "client_id": client_id,
        "name": "某单位",
        "org": ORG,
        "region": "441702",
        "responsible": "G1702-01",
        "jwk": public_jwk(key),
    } | changed
    answer = gate.officer(by).call("POST", "/v1/identity/clients", json=body)
    assert answer.status == 201, answer.body
    made = gate.officer(by).call("GET", answer.headers["Location"])
    assert (made.status, made.body["client_id"]) == (200, client_id)
    return client_id


def propose(
    gate: RunningGateway, client_id: str, grants: dict[str, Any] = PROVIDER, by: str = "operator"
) -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/clients/{client_id}/grants", json=grants)


def decide(gate: RunningGateway, proposal: HttpAnswer, by: str, act: str = "approve") -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/proposals/{proposal.body['proposal_id']}/{act}")


def event_of(gate: RunningGateway, act: str, answer: HttpAnswer, outcome: str = "ok") -> dict[str, Any]:
    return until(
        lambda: next((e for e in gate.grpc_upstream.acts(act, outcome) if e["request_id"] == answer.request_id), None),
        f"{act} is on record",
    )
