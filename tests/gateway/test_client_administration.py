"""Officers administer clients within their region, never alone, and everything is on record."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin_cli.gateway_client import Caller, HttpAnswer
from tests.gateway.administration import ORG, PROVIDER, decide, event_of, propose, register
from tests.gateway.conftest import RunningGateway
from tests.gateway.directory import directory_of
from tests.support import until


def _granted(gate: RunningGateway, grants: dict[str, Any] = PROVIDER) -> str:
    client_id = register(gate)
    proposal = propose(gate, client_id, grants)
    assert proposal.status == 202, proposal.body
    approved = decide(gate, proposal, "second")
    assert (approved.status, approved.body["state"]) == (200, "approved"), approved.body
    return client_id


def test_a_new_client_can_do_nothing_until_a_second_officer_approved(gate: RunningGateway) -> None:
    client_id = register(gate)
    assert gate.ask(gate.assertion(client_id)).body["code"] == "SCOPE_NOT_ALLOWED"
    proposal = propose(gate, client_id)
    assert (proposal.status, proposal.body["state"]) == (202, "open")
    assert gate.ask(gate.assertion(client_id)).body["code"] == "SCOPE_NOT_ALLOWED"
    approved = decide(gate, proposal, "watcher")
    assert approved.body["decided_by"] == "officer:watcher"
    assert gate.ask(gate.assertion(client_id)).status == 200
    event = event_of(gate, "grant.approved", approved)
    assert event["details"]["client"] == client_id
    assert event["details"]["roles"] == ["provider"]
    assert event["details"]["proposed_by"] == "officer:operator"
    made = event_of(gate, "proposal.made", proposal)
    assert (made["actor"]["sub"], made["details"]["act"]) == ("officer:operator", "client.grants_proposed")


@pytest.mark.parametrize(
    "wrong", [{"org": ORG[:-1] + "5"}, {"org": "0" * 18}, {"region": "441703"}, {"region": "441799"}]
)
def test_a_client_belongs_to_an_organisation_and_region_that_can_be(
    gate: RunningGateway, wrong: dict[str, str]
) -> None:
    key = public_jwk(Ed25519PrivateKey.generate())
    body = {"client_id": new_id("c"), "name": "某局", "org": ORG, "region": "441702", "responsible": "F1", "jwk": key}
    refused = gate.officer("first").call("POST", "/v1/identity/clients", json=body | wrong)
    assert (refused.status, refused.body["code"]) == (400, "CLIENT_INVALID")


def test_who_proposed_a_grant_cannot_approve_it(gate: RunningGateway) -> None:
    proposal = propose(gate, register(gate), by="first")
    refused = decide(gate, proposal, "first")
    assert (refused.status, refused.body["code"]) == (403, "FOUR_EYES")
    assert event_of(gate, "proposal.approved", refused, "refused")["details"] == {
        "code": "FOUR_EYES",
        "asked": [proposal.body["proposal_id"]],
    }
    # The proposer may withdraw it; then it cannot be approved.
    assert decide(gate, proposal, "first", "reject").body["state"] == "rejected"
    assert decide(gate, proposal, "second").body["code"] == "PROPOSAL_DECIDED"


def test_the_centre_operates_and_does_not_approve(gate: RunningGateway) -> None:
    proposal = propose(gate, register(gate), by="first")
    assert decide(gate, proposal, "operator").body["code"] == "NOT_AN_APPROVER"


def test_a_statutory_entitlement_takes_two(gate: RunningGateway) -> None:
    law = "监察法第二十五条"
    client_id = _granted(gate, {"roles": ["statutory"], "legal_bases": [law]})
    named = {"legal_basis": law, "case_no": "1", "officer": "F1"}
    assert gate.ask(gate.assertion(client_id), **named).status == 200
    # One more provision is one more grant.
    more = propose(gate, client_id, {"roles": ["statutory"], "legal_bases": [law, "刑事诉讼法第五十四条"]})
    assert more.status == 202
    asked = gate.ask(gate.assertion(client_id), **(named | {"legal_basis": "刑事诉讼法第五十四条"}))
    assert asked.body["code"] == "LEGAL_BASIS_NOT_ENTITLED"


@pytest.mark.parametrize(
    ("grants", "told"),
    [
        ({"roles": ["agency"]}, "purpose"),
        ({"roles": ["statutory"]}, "legal basis"),
        ({"roles": ["supervisor"]}, "a client's roles"),
        ({"roles": ["service"]}, "a client's roles"),
    ],
)
def test_grants_that_may_not_be_are_not_even_proposed(gate: RunningGateway, grants: dict[str, Any], told: str) -> None:
    refused = propose(gate, register(gate), grants)
    assert (refused.status, refused.body["code"]) == (400, "CLIENT_INVALID")
    assert told in refused.body["params"]["what"]


def test_taking_away_takes_one_and_bites_tokens_that_are_out(gate: RunningGateway) -> None:
    reviews = [{"purpose": "a", "agreement": "1"}, {"purpose": "b", "agreement": "1"}]
    client_id = _granted(gate, {"roles": ["agency"], "purposes": reviews})
    token = gate.token(client_id, purpose="b")
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    reduced = propose(gate, client_id, {"roles": ["agency"], "purposes": reviews[:1]})
    assert (reduced.status, reduced.body["state"]) == (200, "applied")
    assert gate.ask(gate.assertion(client_id), purpose="b").body["code"] == "PURPOSE_NOT_AGREED"
    # No token is issued within the same two seconds, because it would be revoked already.
    until(lambda: gate.ask(gate.assertion(client_id), purpose="a").status == 200)
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401


def test_a_suspension_bites_at_both_edges_and_a_stream_that_lasts(gate: RunningGateway) -> None:
    client_id = _granted(gate)
    token = gate.token(client_id)
    metadata = (("authorization", f"Bearer {token}"),)
    watch = gate.edge.channel.unary_stream("/chengxin.disclosure.v1.DisclosureService/WatchCorrections")
    stream = gate.edge.channel.unary_stream("/chengxin.ingest.v1.IngestService/Watch")(b"", metadata=metadata)
    next(iter(stream))
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    suspended = gate.officer("watcher").call("POST", f"/v1/identity/clients/{client_id}/suspend")
    assert suspended.body["suspended"] is True
    assert event_of(gate, "client.suspended", suspended)["details"] == {"client_id": client_id}
    assert gate.edge.call("GET", "/v1/me/records", token).body["code"] == "UNAUTHENTICATED"
    with pytest.raises(grpc.RpcError) as refused:
        list(watch(b"1", metadata=metadata, timeout=5))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as ended:
        for _ in stream:
            pass
    assert Problem.from_rpc(ended.value).code == "UNAUTHENTICATED"
    assert gate.ask(gate.assertion(client_id)).body["error"] == "unauthorized_client"

    # Tokens from before the suspension stay revoked when the client works again.
    assert gate.officer("operator").call("POST", f"/v1/identity/clients/{client_id}/resume").status == 403
    resumed = gate.officer("first").call("POST", f"/v1/identity/clients/{client_id}/resume")
    assert resumed.status == 202
    assert gate.ask(gate.assertion(client_id)).body["code"] == "CLIENT_SUSPENDED"
    assert decide(gate, resumed, "second").status == 200
    again = gate.officer("first").call("POST", f"/v1/identity/clients/{client_id}/resume")
    assert again.body["code"] == "CLIENT_NOT_SUSPENDED"
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    until(lambda: gate.ask(gate.assertion(client_id)).status == 200, "it may ask again")
    assert gate.edge.call("GET", "/v1/me/records", gate.token(client_id)).status == 200


def test_keys_are_rotated_with_an_overlap(gate: RunningGateway) -> None:
    client_id = _granted(gate)
    old, new = gate.keys[client_id], Ed25519PrivateKey.generate()
    keys = f"/v1/identity/clients/{client_id}/keys"
    added = gate.officer("operator").call("POST", keys, json={"jwk": public_jwk(new), "overlap_hours": 1})
    assert added.status == 202, added.body
    assert decide(gate, added, "second").status == 200
    listed = gate.officer("first").get(f"/v1/identity/clients/{client_id}")["keys"]
    assert float(listed[0]["exp"]) - time.time() == pytest.approx(3600, abs=60)
    kids = {"old": public_jwk(old)["kid"], "new": public_jwk(new)["kid"]}

    def asked(key: Ed25519PrivateKey, kid: str) -> int:
        return gate.ask(jwt.encode(gate.claims(client_id), key, "EdDSA", {"kid": kid})).status

    assert (asked(old, kids["old"]), asked(new, kids["new"])) == (200, 200)
    assert gate.officer("operator").call("DELETE", f"{keys}/{kids['old']}").status == 200
    assert asked(old, kids["old"]) == 401
    # Its tokens are over, and within two seconds there are no new ones.
    until(lambda: asked(new, kids["new"]) == 200)
    last = gate.officer("operator").call("DELETE", f"{keys}/{kids['new']}")
    assert (last.status, last.body["code"]) == (409, "LAST_KEY")
    again = gate.officer("operator").call("POST", keys, json={"jwk": public_jwk(new)})
    assert (again.status, again.body["code"]) == (409, "KEY_EXISTS")


def test_with_an_overlap_of_none_the_old_key_is_out_at_once(gate: RunningGateway) -> None:
    client_id = _granted(gate)
    old, new = gate.keys[client_id], Ed25519PrivateKey.generate()
    token = gate.token(client_id)
    body = {"jwk": public_jwk(new), "overlap_hours": 0}
    added = gate.officer("operator").call("POST", f"/v1/identity/clients/{client_id}/keys", json=body)
    assert decide(gate, added, "second").status == 200
    assert gate.ask(gate.assertion(client_id, kid=public_jwk(old)["kid"])).status == 401
    gate.keys[client_id] = new
    # What the old key got is over, and within two seconds there are no new tokens.
    assert gate.edge.call("GET", "/v1/me/records", token).body["code"] == "UNAUTHENTICATED"
    until(lambda: gate.ask(gate.assertion(client_id)).status == 200)


def test_who_holds_a_key_sees_that_another_one_is_asked_for(gate: RunningGateway) -> None:
    client_id = _granted(gate)
    token, added = gate.token(client_id), public_jwk(Ed25519PrivateKey.generate())
    path = "/v1/identity/clients"
    waiting = gate.officer("operator").call("POST", f"{path}/{client_id}/keys", json={"jwk": added})
    own = gate.edge.call("GET", f"{path}/me", token)
    assert (own.status, own.body["client_id"], len(own.body["keys"])) == (200, client_id, 1)
    [proposal] = own.body["proposals"]
    assert (proposal["proposal_id"], proposal["proposed_by"]) == (waiting.body["proposal_id"], "officer:operator")
    assert proposal["asked"]["thumbprint"] == added["kid"]
    assert decide(gate, waiting, "watcher", "reject").status == 200
    assert gate.edge.call("GET", f"{path}/me", token).body["proposals"] == []
    # Who has no client has none of its own.
    assert gate.edge.call("GET", f"{path}/me").body["code"] == "CLIENT_UNKNOWN"


def test_a_token_does_not_outlive_the_key_that_proved_it(gate: RunningGateway) -> None:
    client_id = _granted(gate)
    token, first = gate.token(client_id), gate.keys[client_id]
    keys = f"/v1/identity/clients/{client_id}/keys"
    gate.keys[client_id] = new = Ed25519PrivateKey.generate()
    assert (
        decide(gate, gate.officer("operator").call("POST", keys, json={"jwk": public_jwk(new)}), "second").status == 200
    )
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    assert gate.officer("operator").call("DELETE", f"{keys}/{public_jwk(first)['kid']}").status == 200
    assert gate.edge.call("GET", "/v1/me/records", token).body["code"] == "UNAUTHENTICATED"
    kid = public_jwk(new)["kid"]
    until(lambda: gate.ask(jwt.encode(gate.claims(client_id), new, "EdDSA", {"kid": kid})).status == 200)


def test_a_key_is_named_by_no_identity_number(gate: RunningGateway) -> None:
    jwk = public_jwk(Ed25519PrivateKey.generate()) | {"kid": "441702188803020023"}
    path = f"/v1/identity/clients/{register(gate)}/keys"
    assert gate.officer("operator").call("POST", path, json={"jwk": jwk}).body["code"] == "CLIENT_INVALID"


def test_an_officer_of_a_district_acts_within_it(gate: RunningGateway) -> None:
    city = register(gate, region="441700")
    refused = gate.officer("district").call("POST", f"/v1/identity/clients/{city}/suspend")
    assert (refused.status, refused.body["code"]) == (403, "OUTSIDE_REGION")
    assert gate.officer("district").call("GET", f"/v1/identity/clients/{city}").status == 403
    with directory_of(gate, **{ORG: "441702"}):
        own = register(gate, by="district")
    listed = _all(gate.officer("district"), "/v1/identity/clients?page_size=2", "clients")
    assert {c["region"] for c in listed} == {"441702"}
    assert own in {c["client_id"] for c in listed}
    assert city in {c["client_id"] for c in _all(gate.officer("first"), "/v1/identity/clients?page_size=2", "clients")}


def asks_for_client(gate: RunningGateway, by: str, org: str) -> HttpAnswer:
    """Registers a client of an organisation, in the county."""
    jwk = public_jwk(Ed25519PrivateKey.generate())
    body = {"client_id": new_id("c"), "name": "x", "org": org, "region": "441702", "responsible": "F1", "jwk": jwk}
    return gate.officer(by).call("POST", "/v1/identity/clients", json=body)


def asks_for_officer(gate: RunningGateway, by: str, org: str) -> HttpAnswer:
    """Makes an account of an officer of an organisation, in the county."""
    body = {"username": new_id("o"), "name": "赵某", "org": org, "region": "441702"}
    return gate.officer(by).call("POST", "/v1/identity/officers", json=body)


@pytest.mark.parametrize("asks", [asks_for_client, asks_for_officer])
def test_a_county_registers_nobody_for_an_organisation_of_the_city_or_of_none(
    gate: RunningGateway, asks: Callable[[RunningGateway, str, str], HttpAnswer]
) -> None:
    """Two of its officers had the powers of the city's police with a client of their own."""
    police, unlisted = "1100000000000006XU", "11000000000000035E"
    with directory_of(gate, **{police: "441700", ORG: "441702"}):
        for org in (police, unlisted):
            refused = asks(gate, "district", org)
            assert (refused.status, refused.body["code"]) == (403, "OUTSIDE_REGION")
            assert asks(gate, "first", org).status == 201
        assert asks(gate, "district", ORG).status == 201
    # Nobody knows.
    assert asks(gate, "district", ORG).status == 503


def _all(caller: Caller, path: str, name: str) -> list[dict[str, Any]]:
    found, token = [], ""
    while True:
        page = caller.get(f"{path}&page_token={token}")
        found += page[name]
        if not (token := page["next_page_token"]):
            return found


def test_the_services_themselves_are_not_administered_here(gate: RunningGateway) -> None:
    refused = gate.officer("first").call("POST", "/v1/identity/clients/disclosure/suspend")
    assert (refused.status, refused.body["code"]) == (404, "CLIENT_UNKNOWN")


def test_the_bootstrap_file_does_not_undo_what_an_officer_did(
    gate: RunningGateway, rerun_bootstrap: Callable[[], None]
) -> None:
    path = "/v1/identity/clients/credit_agency/keys"
    new = Ed25519PrivateKey.generate()
    body = {"jwk": public_jwk(new)}
    assert decide(gate, gate.officer("operator").call("POST", path, json=body), "second").status == 200
    rerun_bootstrap()
    kids = {k["kid"] for k in gate.officer("first").get("/v1/identity/clients/credit_agency")["keys"]}
    assert public_jwk(new)["kid"] in kids


def test_a_repeat_under_the_same_idempotency_key_registers_once(gate: RunningGateway) -> None:
    body = {
        "client_id": new_id("c"),
        "name": "某单位",
        "org": ORG,
        "region": "441702",
        "responsible": "G1",
        "jwk": public_jwk(Ed25519PrivateKey.generate()),
    }
    headers = {"Idempotency-Key": new_id("k")}
    answers = [
        gate.officer("operator").call("POST", "/v1/identity/clients", json=body, headers=headers) for _ in range(2)
    ]
    assert [a.status for a in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    clash = gate.officer("operator").call("POST", "/v1/identity/clients", json=body)
    assert (clash.status, clash.body["code"]) == (409, "CLIENT_EXISTS")


def test_a_name_or_number_does_not_pass_as_a_service_number(gate: RunningGateway) -> None:
    for responsible, code in (("王某", "CLIENT_INVALID"), ("441702188803020023", "INPUT_INVALID")):
        body = {"client_id": new_id("c"), "name": "x", "org": ORG, "region": "441702", "responsible": responsible}
        body["jwk"] = public_jwk(Ed25519PrivateKey.generate())  # type: ignore[assignment]
        assert gate.officer("operator").call("POST", "/v1/identity/clients", json=body).body["code"] == code
