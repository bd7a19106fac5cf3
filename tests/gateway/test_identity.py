"""People prove who they are: citizens by pseudonym, officers by password and code."""

import json
import threading
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher
from pymongo import MongoClient

from chengxin.concurrency.shares import Claimant, Shares
from gateway.store.passwords import HASHES, Passwords
from tests.gateway.conftest import LI_NA, PASSWORD, RunningGateway


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def _identify(gate: RunningGateway, **proof: str) -> Any:
    return gate.edge.call("POST", "/v1/identity/demo", json=proof)


def _own(name: str = "name") -> str:
    return str(LI_NA[name])


def test_a_citizen_is_her_pseudonym(gate: RunningGateway) -> None:
    answer = _identify(gate, name=_own(), identity_number=_own("identity_number"))
    assert answer.status == 200
    claims = _claims(answer.body["access_token"])
    ref = gate.subject_key.subject_ref("identity_number", _own("identity_number"))
    assert (claims["sub"], answer.body["subject_ref"]) == (ref, ref)
    assert (claims["roles"], claims["acr"]) == (["subject"], "demo")
    assert answer.headers["Cache-Control"] == "no-store"


def test_her_token_opens_her_own_records(gate: RunningGateway) -> None:
    token = _identify(gate, name=_own(), identity_number=_own("identity_number")).body["access_token"]
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200


def test_name_and_number_are_read_as_recording_reads_them(gate: RunningGateway) -> None:
    own, its = _own(), _own("identity_number")
    for name, number in ((f" {own[0]}　{own[1:]} ", its), (own, "".join(chr(ord(c) + 0xFEE0) for c in its))):
        assert _identify(gate, name=name, identity_number=number).status == 200


def test_she_may_act_for_the_organisation_that_she_represents(gate: RunningGateway) -> None:
    uscc = LI_NA["represents"][0]
    answer = _identify(gate, name=_own(), identity_number=_own("identity_number"), uscc=uscc)
    claims = _claims(answer.body["access_token"])
    company = gate.subject_key.subject_ref("uscc", uscc)
    assert (claims["sub"], claims["org"]) == (company, uscc)
    # Which person it was is on record, by pseudonym.
    person = gate.subject_key.subject_ref("identity_number", _own("identity_number"))
    event = next(e for e in gate.grpc_upstream.acts("citizen.identified") if e["request_id"] == answer.request_id)
    assert event["subject_refs"] == [person, company]


def test_she_may_not_act_for_another(gate: RunningGateway) -> None:
    answer = _identify(gate, name=_own(), identity_number=_own("identity_number"), uscc="11000000MA00000027")
    assert (answer.status, answer.body["code"]) == (403, "NOT_REPRESENTATIVE")


@pytest.mark.parametrize(
    "proof",
    [
        {"name": "李某", "identity_number": _own("identity_number")},
        {"name": _own(), "identity_number": "441702188803020031"},
        {"name": "张三", "identity_number": "441702188803020031"},
    ],
)
def test_a_wrong_name_and_an_unknown_number_get_the_same_answer(gate: RunningGateway, proof: dict[str, str]) -> None:
    answer = _identify(gate, **proof)
    assert (answer.status, answer.body["code"]) == (401, "IDENTITY_NOT_CONFIRMED")
    assert set(answer.body) == {"type", "title", "status", "code", "detail", "request_id"}
    [event] = [
        e for e in gate.grpc_upstream.acts("citizen.identified", "refused") if e["request_id"] == answer.request_id
    ]
    assert event["details"] == {"code": "IDENTITY_NOT_CONFIRMED", "acr": "demo"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": 1}', b'{"name":"\\u0000"}', b"null"])
def test_nonsense_is_told_field_by_field(gate: RunningGateway, body: bytes) -> None:
    answer = gate.edge.call("POST", "/v1/identity/demo", body=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["code"]) == (400, "INPUT_INVALID")
    assert answer.body["errors"]


def test_an_officer_signs_in(gate: RunningGateway) -> None:
    answer = gate.sign_in("centre")
    assert answer.status == 200, answer.body
    claims = _claims(answer.body["access_token"])
    assert (claims["sub"], claims["roles"], claims["acr"]) == ("officer:centre", ["centre"], "pwd+totp")
    assert (claims["org"], claims["region"]) == ("11000000MB0000019X", "441700")
    assert [e for e in gate.grpc_upstream.acts("officer.signed_in") if e["request_id"] == answer.request_id]


def test_a_code_is_good_once(gate: RunningGateway) -> None:
    code = gate.totp("authority")
    assert gate.sign_in("authority", totp=code).status == 200
    assert gate.sign_in("authority", totp=code).status == 401
    # The next code is accepted half a minute early, and then the previous one no longer.
    assert gate.sign_in("authority", step=1).status == 200
    assert gate.sign_in("authority", totp=code).status == 401


def test_of_many_at_once_one_code_signs_in_once(gate: RunningGateway) -> None:
    code = gate.totp("hasty")
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(gate.sign_in("hasty", totp=code).status)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 5


def test_an_unknown_officer_and_a_wrong_password_get_the_same_answer(gate: RunningGateway) -> None:
    tried = [gate.sign_in(name, password="wrong", totp="000000") for name in ("nobody1", "nobody2", "timed", "timed")]
    bodies = [answer.body | {"request_id": ""} for answer in tried]
    assert all(body == bodies[0] for body in bodies)


def test_a_password_is_hashed_whether_or_not_the_officer_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    # The hash takes nearly all the time of an answer; it is always computed, so the time does not reveal who exists.
    hashed: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, password: str) -> bool:
        hashed.append(password)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    passwords, here = Passwords(Shares(HASHES)), Claimant("192.0.2.1")
    stored = passwords.hash("right")
    assert passwords.matches(stored, "right", here)
    assert not passwords.matches(stored, "wrong 1", here)
    assert not passwords.matches(None, "wrong 2", here)
    assert hashed == ["right", "wrong 1", "wrong 2"]


def test_what_was_typed_as_a_user_name_is_not_put_on_record(gate: RunningGateway) -> None:
    answer = gate.sign_in("441702188803020023", password="wrong", totp="000000")
    [event] = [
        e for e in gate.grpc_upstream.acts("officer.signed_in", "refused") if e["request_id"] == answer.request_id
    ]
    assert "441702188803020023" not in json.dumps(event)


def test_repeated_failures_lock_the_user_name_whether_or_not_it_exists(gate: RunningGateway) -> None:
    for username in ("locked", "nobody at all"):
        for _ in range(5):
            assert gate.sign_in(username, password="wrong", totp="000000").status == 401
        answer = gate.sign_in(username, totp="000000")
        assert (answer.status, answer.body["code"]) == (429, "SIGN_IN_LOCKED")
        assert 1 <= int(answer.headers["Retry-After"]) <= 31
    # Also with the right password and code.
    assert gate.sign_in("locked").status == 429


def test_a_success_in_between_forgets_the_failures(gate: RunningGateway) -> None:
    for _ in range(4):
        gate.sign_in("patient", password="wrong", totp="000000")
    assert gate.sign_in("patient").status == 200
    for _ in range(4):
        assert gate.sign_in("patient", password="wrong", totp="000000").status == 401


def test_a_right_password_with_a_wrong_code_is_refused(gate: RunningGateway) -> None:
    right = gate.totp("supervisor")
    wrong = f"{(int(right) + 123_457) % 1_000_000:06}"
    assert gate.sign_in("supervisor", totp=wrong).status == 401


def test_without_the_audit_service_nobody_signs_in(gate: RunningGateway) -> None:
    gate.grpc_upstream.audit_is_up = False
    try:
        answer = gate.sign_in("unrecorded")
        assert (answer.status, answer.body["code"]) == (503, "AUDIT_UNAVAILABLE")
        citizen = _identify(gate, name=_own(), identity_number=_own("identity_number"))
        assert citizen.status == 503
        assert "access_token" not in json.dumps([answer.body, citizen.body])
    finally:
        gate.grpc_upstream.audit_is_up = True


def test_nothing_personal_or_secret_is_in_the_store_as_it_is(gate: RunningGateway) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    database = client["gateway"]
    kept = " ".join(repr(row) for name in database.list_collection_names() for row in database[name].find())
    client.close()
    for secret in (_own("identity_number"), _own(), "王某", PASSWORD, "PRIVATE KEY", "nobody at all"):
        assert secret not in kept
    for officer in gate.accounts["officers"]:
        assert officer["totp_secret"] not in kept
    assert "$argon2id$" in kept
