"""Officers administer each other, never alone and never themselves, and everything is on record."""

import time
from dataclasses import replace
from typing import Any

import pyotp
import pytest
from pymongo import MongoClient

from chengxin.values.ids import new_id
from chengxin_cli.gateway_client import HttpAnswer
from tests.gateway.administration import ORG, decide, event_of
from tests.gateway.conftest import RunningGateway


def _new_officer(gate: RunningGateway, **changed: str) -> dict[str, Any]:
    body = {"username": new_id("o"), "name": "赵某", "org": ORG, "region": "441702"} | changed
    answer = gate.officer("first").call("POST", "/v1/identity/officers", json=body)
    assert answer.status == 201, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    made = gate.officer("first").call("GET", answer.headers["Location"])
    assert (made.status, made.body["username"]) == (200, body["username"])
    return dict(answer.body)


def _signs_in(gate: RunningGateway, officer: dict[str, Any], step: int = 0, new_password: str = "") -> HttpAnswer:
    code = pyotp.TOTP(officer["totp_secret"]).at(int(time.time()) + 30 * step)
    body = {"username": officer["username"], "password": officer["password"], "totp": code}
    return gate.edge.call("POST", "/v1/identity/officers/sign-in", json=body | {"new_password": new_password})


def _roles(gate: RunningGateway, username: str, roles: list[str], by: str = "first") -> HttpAnswer:
    return gate.officer(by).call("POST", f"/v1/identity/officers/{username}/roles", json={"roles": roles})


def _working_officer(gate: RunningGateway) -> dict[str, Any]:
    officer = _with_password(gate, _new_officer(gate))
    assert decide(gate, _roles(gate, officer["username"], ["centre"]), "second").status == 200
    _wait_for_codes(gate, officer)
    answer = _signs_in(gate, officer, -1)
    assert answer.status == 200, answer.body
    return officer | {"token": answer.body["access_token"]}


def _wait_for_codes(gate: RunningGateway, officer: dict[str, Any]) -> None:
    """As if the used codes were past: only three are good at a time."""
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    client["gateway"]["officers"].update_one({"_id": officer["username"]}, {"$set": {"totp_step": 0}})
    client.close()


def _with_password(gate: RunningGateway, officer: dict[str, Any]) -> dict[str, Any]:
    """The holder of a new account has chosen a password."""
    chosen = _signs_in(gate, officer, -1, "a longer password")
    assert chosen.body["code"] == "ACCOUNT_NOT_APPROVED", chosen.body
    return officer | {"password": "a longer password"}


@pytest.mark.parametrize(
    "wrong", [{"org": ORG[:-1] + "5"}, {"org": "0" * 18}, {"region": "441703"}, {"region": "441799"}]
)
def test_an_officer_belongs_to_an_organisation_and_region_that_can_be(
    gate: RunningGateway, wrong: dict[str, str]
) -> None:
    body = {"username": new_id("o"), "name": "赵某", "org": ORG, "region": "441702"} | wrong
    refused = gate.officer("first").call("POST", "/v1/identity/officers", json=body)
    assert (refused.status, refused.body["code"]) == (400, "OFFICER_INVALID")


def test_a_new_officer_waits_for_roles_and_chooses_her_own_password(gate: RunningGateway) -> None:
    officer = _new_officer(gate)
    assert _signs_in(gate, officer, -1).body["code"] == "PASSWORD_CHANGE_REQUIRED"
    proposal = _roles(gate, officer["username"], ["centre"])
    assert proposal.status == 202
    assert decide(gate, proposal, "first").body["code"] == "FOUR_EYES"
    # Who made the account knows its first password, and would be the officer that it becomes.
    assert decide(gate, proposal, "watcher").body["code"] == "PASSWORD_NOT_CHOSEN"
    chosen = _signs_in(gate, officer, 0, new_password="correct horse battery")
    assert chosen.body["code"] == "ACCOUNT_NOT_APPROVED"
    assert event_of(gate, "officer.password_changed", chosen)["actor"]["sub"] == f"officer:{officer['username']}"
    assert decide(gate, proposal, "watcher").status == 200
    assert _signs_in(gate, officer | {"password": "correct horse battery"}, 1).status == 200


def test_another_password_ends_the_sign_ins_that_the_old_one_opened(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    after = _signs_in(gate, officer, 0, "another long password")
    assert after.status == 200, after.body
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert gate.edge.call("GET", "/v1/me/records", after.body["access_token"]).status == 200


def test_nobody_holds_operating_and_supervising_roles(gate: RunningGateway) -> None:
    officer = _new_officer(gate)
    refused = _roles(gate, officer["username"], ["supervisor", "centre"])
    assert (refused.status, refused.body["code"]) == (400, "OFFICER_INVALID")


def test_a_supervisor_is_made_with_a_supervisor(gate: RunningGateway) -> None:
    proposal = _roles(gate, _with_password(gate, _new_officer(gate))["username"], ["supervisor"])
    assert decide(gate, proposal, "second").body["code"] == "SUPERVISOR_MUST_APPROVE"
    assert decide(gate, proposal, "watcher").status == 200


def test_nobody_grants_herself_or_administers_her_own_account(gate: RunningGateway) -> None:
    assert _roles(gate, "first", ["authority", "centre"]).body["code"] == "OWN_ACCOUNT"
    proposal = _roles(gate, "second", ["authority", "provider"])
    assert decide(gate, proposal, "second").body["code"] == "FOUR_EYES"
    assert decide(gate, proposal, "watcher", "reject").status == 200
    assert gate.officer("first").call("POST", "/v1/identity/officers/first/reset").body["code"] == "OWN_ACCOUNT"


def test_an_officer_who_loses_a_role_loses_her_token(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    assert _roles(gate, officer["username"], []).body["state"] == "applied"
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert _signs_in(gate, officer, 0).body["code"] == "OFFICER_NOT_ACTIVE"


def test_a_suspended_officer_is_out(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    path = f"/v1/identity/officers/{officer['username']}"
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    assert gate.officer("watcher").call("POST", f"{path}/suspend").body["suspended"] is True
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert _signs_in(gate, officer, 0).body["code"] == "OFFICER_NOT_ACTIVE"
    resumed = gate.officer("first").call("POST", f"{path}/resume")
    assert (resumed.status, decide(gate, resumed, "second").status) == (202, 200)
    assert gate.officer("first").call("POST", f"{path}/resume").body["code"] == "OFFICER_NOT_SUSPENDED"
    assert _signs_in(gate, officer, 1).status == 200


def test_after_a_reset_only_the_new_secrets_are_good(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    reset = gate.officer("second").call("POST", f"/v1/identity/officers/{officer['username']}/reset")
    assert reset.status == 200
    assert _signs_in(gate, officer, 0).status == 401
    proposal = replace(reset, body=reset.body["proposal"])
    assert decide(gate, proposal, "second").body["code"] == "FOUR_EYES"
    assert decide(gate, proposal, "watcher").body["code"] == "PASSWORD_NOT_CHOSEN"
    reborn = officer | reset.body
    assert _signs_in(gate, reborn, -1).body["code"] == "PASSWORD_CHANGE_REQUIRED"
    # The new secrets are good for choosing a password alone.
    chosen = reborn | {"password": "yet another password"}
    assert _signs_in(gate, reborn, 0, "yet another password").body["code"] == "ACCOUNT_NOT_APPROVED"
    assert gate.officer("watcher").get(f"/v1/identity/officers/{officer['username']}")["awaits_approval"] is True
    approved = decide(gate, proposal, "watcher")
    assert approved.status == 200, approved.body
    assert event_of(gate, "officer.resumed", approved)["details"]["proposed_by"] == "officer:second"
    assert _signs_in(gate, chosen, 1).status == 200


def test_a_locked_user_name_is_unlocked(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    for _ in range(5):
        _signs_in(gate, officer | {"password": "wrong"}, 0)
    assert _signs_in(gate, officer, 0).body["code"] == "SIGN_IN_LOCKED"
    path = f"/v1/identity/officers/{officer['username']}"
    assert gate.officer("first").get(path)["locked"] is True
    assert gate.officer("first").call("POST", f"{path}/unlock").status == 200
    assert _signs_in(gate, officer, 0).status == 200


def test_sessions_are_listed_and_ended_one_by_one(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    second = _signs_in(gate, officer, 0).body["access_token"]
    path = f"/v1/identity/officers/{officer['username']}"
    sessions = gate.officer("watcher").get(path)["sessions"]
    assert len(sessions) == 2
    ended = gate.officer("watcher").call("DELETE", f"{path}/sessions/{sessions[0]['jti']}")
    assert ended.body["ended"] == 1
    dead = gate.edge.call("GET", "/v1/me/records", second)
    assert (dead.status, dead.body["code"]) == (401, "UNAUTHENTICATED")
    # The officer ends the other session.
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 200
    form = {"token": officer["token"]}
    assert gate.edge.call("POST", "/oauth/revoke", fields=form, encode_multipart=False).status == 200
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
    assert gate.officer("watcher").get(path)["sessions"] == []


def test_signing_everybody_out(gate: RunningGateway) -> None:
    officer = _working_officer(gate)
    ended = gate.officer("first").call("POST", f"/v1/identity/officers/{officer['username']}/sign-out")
    assert ended.body["ended"] == 1
    assert gate.edge.call("GET", "/v1/me/records", officer["token"]).status == 401
