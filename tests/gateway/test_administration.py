"""Officers administer clients and each other: within their region, nobody alone, and everything on record."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from chengxin_cli.gateway_client import Caller, HttpAnswer
from tests.gateway.conftest import Gate
from tests.support import until

ORG = "11000000MB0000001X"
PROVIDER = {"roles": ["provider"]}


def _register(gate: Gate, by: str = "operator", **changed: Any) -> str:
    """A new client with a key of its own, not granted anything."""
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
    return client_id


def _propose(gate: Gate, client_id: str, grants: dict[str, Any] = PROVIDER, by: str = "operator") -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/clients/{client_id}/grants", json=grants)


def _decide(gate: Gate, proposal: HttpAnswer, by: str, act: str = "approve") -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/proposals/{proposal.body['proposal_id']}/{act}")


def _granted(gate: Gate, grants: dict[str, Any] = PROVIDER) -> str:
    client_id = _register(gate)
    proposal = _propose(gate, client_id, grants)
    assert proposal.status == 202, proposal.body
    approved = _decide(gate, proposal, "second")
    assert (approved.status, approved.body["state"]) == (200, "approved"), approved.body
    return client_id


def _event(gate: Gate, act: str, answer: HttpAnswer, outcome: str = "ok") -> dict[str, Any]:
    return until(
        lambda: next((e for e in gate.grpc_room.acts(act, outcome) if e["request_id"] == answer.request_id), None),
        f"{act} is on record",
    )


def test_a_new_client_can_do_nothing_until_a_second_officer_approved(gate: Gate) -> None:
    client_id = _register(gate)
    assert gate.ask(gate.assertion(client_id)).body["code"] == "SCOPE_NOT_ALLOWED"
    proposal = _propose(gate, client_id)
    assert (proposal.status, proposal.body["state"]) == (202, "open")
    assert gate.ask(gate.assertion(client_id)).body["code"] == "SCOPE_NOT_ALLOWED"
    approved = _decide(gate, proposal, "watcher")
    assert approved.body["decided_by"] == "officer:watcher"
    assert gate.ask(gate.assertion(client_id)).status == 200
    event = _event(gate, "grant.approved", approved)
    assert event["details"]["client"] == client_id
    assert event["details"]["roles"] == ["provider"]
    assert _event(gate, "client.grants_proposed", proposal)["actor"]["sub"] == "officer:operator"


def test_who_proposed_a_grant_cannot_approve_it(gate: Gate) -> None:
    proposal = _propose(gate, _register(gate), by="first")
    refused = _decide(gate, proposal, "first")
    assert (refused.status, refused.body["code"]) == (403, "FOUR_EYES")
    assert _event(gate, "grant.approved", refused, "refused")["details"] == {"code": "FOUR_EYES"}
    # But may take it back, after which nobody approves it.
    assert _decide(gate, proposal, "first", "reject").body["state"] == "rejected"
    assert _decide(gate, proposal, "second").body["code"] == "PROPOSAL_DECIDED"


def test_the_centre_operates_and_does_not_approve(gate: Gate) -> None:
    proposal = _propose(gate, _register(gate), by="first")
    assert _decide(gate, proposal, "operator").body["code"] == "ROLE_NOT_ALLOWED"


def test_a_statutory_entitlement_takes_two(gate: Gate) -> None:
    law = "监察法第二十五条"
    client_id = _granted(gate, {"roles": ["statutory"], "legal_bases": [law]})
    named = {"legal_basis": law, "case_no": "1", "officer": "F1"}
    assert gate.ask(gate.assertion(client_id), **named).status == 200
    # One more provision is one more grant.
    more = _propose(gate, client_id, {"roles": ["statutory"], "legal_bases": [law, "刑事诉讼法第五十四条"]})
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
def test_grants_that_may_not_be_are_not_even_proposed(gate: Gate, grants: dict[str, Any], told: str) -> None:
    refused = _propose(gate, _register(gate), grants)
    assert (refused.status, refused.body["code"]) == (400, "CLIENT_INVALID")
    assert told in refused.body["params"]["what"]


def test_taking_away_takes_one_and_bites_tokens_that_are_out(gate: Gate) -> None:
    reviews = [{"purpose": "a", "agreement": "1"}, {"purpose": "b", "agreement": "1"}]
    client_id = _granted(gate, {"roles": ["agency"], "purposes": reviews})
    token = gate.token(client_id, purpose="b")
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    reduced = _propose(gate, client_id, {"roles": ["agency"], "purposes": reviews[:1]})
    assert (reduced.status, reduced.body["state"]) == (200, "applied")
    assert gate.ask(gate.assertion(client_id), purpose="b").body["code"] == "PURPOSE_NOT_AGREED"
    # Within the same two seconds no token is made, which would be dead.
    until(lambda: gate.ask(gate.assertion(client_id), purpose="a").status == 200)
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401


def test_a_suspension_bites_at_both_edges_and_a_stream_that_lasts(gate: Gate) -> None:
    client_id = _granted(gate)
    token = gate.token(client_id)
    metadata = (("authorization", f"Bearer {token}"),)
    watch = gate.edge.channel.unary_stream("/chengxin.disclosure.v1.DisclosureService/WatchCorrections")
    stream = gate.edge.channel.unary_stream("/chengxin.ingest.v1.IngestService/Watch")(b"", metadata=metadata)
    next(iter(stream))
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    suspended = gate.officer("watcher").call("POST", f"/v1/identity/clients/{client_id}/suspend")
    assert suspended.body["suspended"] is True
    assert _event(gate, "client.suspended", suspended)["details"] == {"client_id": client_id}
    assert gate.edge.call("GET", "/v1/me/records", token).body["code"] == "UNAUTHENTICATED"
    with pytest.raises(grpc.RpcError) as refused:
        list(watch(b"1", metadata=metadata, timeout=5))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.RpcError) as ended:
        for _ in stream:
            pass
    assert Problem.from_rpc(ended.value).code == "UNAUTHENTICATED"
    assert gate.ask(gate.assertion(client_id)).body["error"] == "unauthorized_client"

    # What was issued before stays dead when the client works again.
    assert gate.officer("operator").call("POST", f"/v1/identity/clients/{client_id}/resume").status == 403
    assert gate.officer("first").call("POST", f"/v1/identity/clients/{client_id}/resume").status == 200
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    until(lambda: gate.ask(gate.assertion(client_id)).status == 200, "it may ask again")
    assert gate.edge.call("GET", "/v1/me/records", gate.token(client_id)).status == 200


def test_keys_are_rotated_with_an_overlap(gate: Gate) -> None:
    client_id = _granted(gate)
    old, new = gate.keys[client_id], Ed25519PrivateKey.generate()
    keys = f"/v1/identity/clients/{client_id}/keys"
    added = gate.officer("operator").call("POST", keys, json={"jwk": public_jwk(new), "overlap_hours": 1})
    assert added.status == 201, added.body
    assert float(added.body["keys"][0]["exp"]) - time.time() == pytest.approx(3600, abs=60)
    kids = {"old": public_jwk(old)["kid"], "new": public_jwk(new)["kid"]}

    def asked(key: Ed25519PrivateKey, kid: str) -> int:
        import jwt

        return gate.ask(jwt.encode(gate.claims(client_id), key, "EdDSA", {"kid": kid})).status

    assert (asked(old, kids["old"]), asked(new, kids["new"])) == (200, 200)
    assert gate.officer("operator").call("DELETE", f"{keys}/{kids['old']}").status == 200
    assert (asked(old, kids["old"]), asked(new, kids["new"])) == (401, 200)
    last = gate.officer("operator").call("DELETE", f"{keys}/{kids['new']}")
    assert (last.status, last.body["code"]) == (409, "LAST_KEY")
    again = gate.officer("operator").call("POST", keys, json={"jwk": public_jwk(new)})
    assert (again.status, again.body["code"]) == (409, "KEY_EXISTS")


def test_with_an_overlap_of_none_the_old_key_is_out_at_once(gate: Gate) -> None:
    client_id = _granted(gate)
    old, new = gate.keys[client_id], Ed25519PrivateKey.generate()
    body = {"jwk": public_jwk(new), "overlap_hours": 0}
    assert gate.officer("operator").call("POST", f"/v1/identity/clients/{client_id}/keys", json=body).status == 201
    assert gate.ask(gate.assertion(client_id, kid=public_jwk(old)["kid"])).status == 401
    gate.keys[client_id] = new
    assert gate.ask(gate.assertion(client_id)).status == 200


def test_an_officer_of_a_district_acts_within_it(gate: Gate) -> None:
    city = _register(gate, region="441700")
    refused = gate.officer("district").call("POST", f"/v1/identity/clients/{city}/suspend")
    assert (refused.status, refused.body["code"]) == (403, "OUTSIDE_REGION")
    assert gate.officer("district").call("GET", f"/v1/identity/clients/{city}").status == 403
    own = _register(gate, by="district")
    listed = _all(gate.officer("district"), "/v1/identity/clients?page_size=2", "clients")
    assert {c["region"] for c in listed} == {"441702"}
    assert own in {c["client_id"] for c in listed}
    assert city in {c["client_id"] for c in _all(gate.officer("first"), "/v1/identity/clients?page_size=2", "clients")}


def _all(caller: Caller, path: str, name: str) -> list[dict[str, Any]]:
    found, token = [], ""
    while True:
        page = caller.get(f"{path}&page_token={token}")
        found += page[name]
        if not (token := page["next_page_token"]):
            return found


def test_the_services_themselves_are_not_administered_here(gate: Gate) -> None:
    refused = gate.officer("first").call("POST", "/v1/identity/clients/disclosure/suspend")
    assert (refused.status, refused.body["code"]) == (404, "CLIENT_UNKNOWN")


def test_the_bootstrap_file_does_not_undo_what_an_officer_did(gate: Gate, rerun_bootstrap: Callable[[], None]) -> None:
    path = "/v1/identity/clients/credit_agency/keys"
    new = Ed25519PrivateKey.generate()
    body = {"jwk": public_jwk(new)}
    assert gate.officer("operator").call("POST", path, json=body).status == 201
    rerun_bootstrap()
    kids = {k["kid"] for k in gate.officer("first").get("/v1/identity/clients/credit_agency")["keys"]}
    assert public_jwk(new)["kid"] in kids


def _new_officer(gate: Gate, **changed: str) -> dict[str, Any]:
    body = {"username": new_id("o"), "name": "赵某", "org": ORG, "region": "441702"} | changed
    answer = gate.officer("first").call("POST", "/v1/identity/officers", json=body)
    assert answer.status == 201, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return dict(answer.body)


def _signs_in(gate: Gate, officer: dict[str, Any], step: int = 0, new_password: str = "") -> HttpAnswer:
    code = pyotp.TOTP(officer["totp_secret"]).at(int(time.time()) + 30 * step)
    body = {"username": officer["username"], "password": officer["password"], "totp": code}
    return gate.edge.call("POST", "/v1/identity/officers/sign-in", json=body | {"new_password": new_password})


def _roles(gate: Gate, username: str, roles: list[str], by: str = "first") -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/officers/{username}/roles", json={"roles": roles})


def _working_officer(gate: Gate) -> dict[str, Any]:
    officer = _new_officer(gate)
    assert _decide(gate, _roles(gate, officer["username"], ["centre"]), "second").status == 200
    answer = _signs_in(gate, officer, -1, "a longer password")
    assert answer.status == 200, answer.body
    return officer | {"password": "a longer password", "token": answer.body["access_token"]}


def test_a_new_officer_waits_for_roles_and_chooses_her_own_password(gate: Gate) -> None:
    officer = _new_officer(gate)
    assert _signs_in(gate, officer, -1).body["code"] == "OFFICER_NOT_ACTIVE"
    proposal = _roles(gate, officer["username"], ["centre"])
    assert proposal.status == 202
    assert _decide(gate, proposal, "first").body["code"] == "FOUR_EYES"
    assert _decide(gate, proposal, "watcher").status == 200
    assert _signs_in(gate, officer, 0).body["code"] == "PASSWORD_CHANGE_REQUIRED"
    answer = _signs_in(gate, officer, 1, new_password="correct horse battery")
    assert answer.status == 200, answer.body
    assert _event(gate, "officer.password_changed", answer)["actor"]["sub"] == f"officer:{officer['username']}"


def test_nobody_holds_operating_and_supervising_roles(gate: Gate) -> None:
    officer = _new_officer(gate)
    refused = _roles(gate, officer["username"], ["supervisor", "centre"])
    assert (refused.status, refused.body["code"]) == (400, "OFFICER_INVALID")


def test_a_supervisor_is_made_with_a_supervisor(gate: Gate) -> None:
    proposal = _roles(gate, _new_officer(gate)["username"], ["supervisor"])
    assert _decide(gate, proposal, "second").body["code"] == "SUPERVISOR_MUST_APPROVE"
    assert _decide(gate, proposal, "watcher").status == 200


def test_nobody_grants_herself_or_administers_her_own_account(gate: Gate) -> None:
    assert _roles(gate, "first", ["authority", "centre"]).body["code"] == "OWN_ACCOUNT"
    proposal = _roles(gate, "second", ["authority", "provider"])
    assert _decide(gate, proposal, "second").body["code"] == "FOUR_EYES"
    assert _decide(gate, proposal, "watcher", "reject").status == 200
    assert gate.officer("first").call("POST", "/v1/identity/officers/first/reset").body["code"] == "OWN_ACCOUNT"


def test_an_officer_who_loses_a_role_loses_her_token(gate: Gate) -> None:
    officer = _working_officer(gate)
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    assert _roles(gate, officer["username"], []).body["state"] == "applied"
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert _signs_in(gate, officer, 0).body["code"] == "OFFICER_NOT_ACTIVE"


def test_a_suspended_officer_is_out(gate: Gate) -> None:
    officer = _working_officer(gate)
    path = f"/v1/identity/officers/{officer['username']}"
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    assert gate.officer("watcher").call("POST", f"{path}/suspend").body["suspended"] is True
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert _signs_in(gate, officer, 0).body["code"] == "OFFICER_NOT_ACTIVE"
    assert gate.officer("first").call("POST", f"{path}/resume").status == 200
    assert _signs_in(gate, officer, 1).status == 200


def test_after_a_reset_only_the_new_secrets_are_good(gate: Gate) -> None:
    officer = _working_officer(gate)
    reset = gate.officer("second").call("POST", f"/v1/identity/officers/{officer['username']}/reset")
    assert reset.status == 200
    assert _signs_in(gate, officer, 0).status == 401
    assert _signs_in(gate, officer | reset.body, 0, "yet another password").status == 200


def test_a_locked_user_name_is_unlocked(gate: Gate) -> None:
    officer = _working_officer(gate)
    for _ in range(5):
        _signs_in(gate, officer | {"password": "wrong"}, 0)
    assert _signs_in(gate, officer, 0).body["code"] == "SIGN_IN_LOCKED"
    path = f"/v1/identity/officers/{officer['username']}"
    assert gate.officer("first").get(path)["locked"] is True
    assert gate.officer("first").call("POST", f"{path}/unlock").status == 200
    assert _signs_in(gate, officer, 0).status == 200


def test_sessions_are_listed_and_ended_one_by_one(gate: Gate) -> None:
    officer = _working_officer(gate)
    second = _signs_in(gate, officer, 0).body["access_token"]
    path = f"/v1/identity/officers/{officer['username']}"
    sessions = gate.officer("watcher").get(path)["sessions"]
    assert len(sessions) == 2
    ended = gate.officer("watcher").call("DELETE", f"{path}/sessions/{sessions[0]['jti']}")
    assert ended.body["ended"] == 1
    dead = gate.edge.call("GET", "/v1/me/records", second)
    assert (dead.status, dead.body["code"]) == (401, "UNAUTHENTICATED")
    # She ends the other herself.
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    form = {"token": officer["token"]}
    assert gate.edge.call("POST", "/oauth/revoke", fields=form, encode_multipart=False).status == 200
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert gate.officer("watcher").get(path)["sessions"] == []


def test_signing_everybody_out(gate: Gate) -> None:
    officer = _working_officer(gate)
    ended = gate.officer("first").call("POST", f"/v1/identity/officers/{officer['username']}/sign-out")
    assert ended.body["ended"] == 1
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401


def test_a_repeat_under_the_same_idempotency_key_registers_once(gate: Gate) -> None:
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


def test_a_name_or_number_does_not_pass_as_a_service_number(gate: Gate) -> None:
    for responsible in ("王某", "441702188803020027"):
        body = {"client_id": new_id("c"), "name": "x", "org": ORG, "region": "441702", "responsible": responsible}
        body["jwk"] = public_jwk(Ed25519PrivateKey.generate())  # type: ignore[assignment]
        assert gate.officer("operator").call("POST", "/v1/identity/clients", json=body).body["code"] == "CLIENT_INVALID"
