"""Accounts come from a file; loading it again changes nothing, and invalid accounts are refused."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pymongo import MongoClient

from tests.gateway.conftest import RunningGateway
from tests.support import until


def _bootstrap(
    gate: RunningGateway, tmp_path: Path, accounts: Any, **environment: str
) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps(accounts))
    command = [sys.executable, "-m", "gateway", "bootstrap", str(file)]
    return subprocess.run(command, env=gate.environment | environment, capture_output=True, text=True, check=False)


def _everything(gate: RunningGateway) -> dict[str, list[Any]]:
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    names = ("clients", "officers", "citizens")
    found = {name: list(client["gateway"][name].find().sort("_id")) for name in names}
    client.close()
    return found


def _events(gate: RunningGateway) -> int:
    return len([e for e in gate.grpc_upstream.events if e["act"].endswith(".registered")])


def test_every_account_is_on_record(gate: RunningGateway) -> None:
    expected = sum(len(gate.accounts[kind]) for kind in ("services", "clients", "officers", "citizens"))
    until(lambda: _events(gate) >= expected)
    texts = json.dumps(gate.grpc_upstream.events, ensure_ascii=False)
    for entry in gate.accounts["citizens"] + gate.accounts["officers"]:
        assert entry["name"] not in texts


def test_doing_it_again_changes_nothing(gate: RunningGateway, tmp_path: Path) -> None:
    test_every_account_is_on_record(gate)
    before, recorded = _everything(gate), _events(gate)
    done = _bootstrap(gate, tmp_path, gate.accounts)
    assert (done.returncode, done.stderr) == (0, "")
    assert _everything(gate) == before
    # The relay delivers in order, so a later event would arrive later.
    gate.ask(gate.assertion("audit"))
    assert _events(gate) == recorded


def test_a_changed_registration_takes_effect_and_a_suspension_stays(
    gate: RunningGateway, tmp_path: Path, suspend: Callable[[str], None]
) -> None:
    accounts = {"clients": [c for c in copy.deepcopy(gate.accounts["clients"]) if c["client_id"] == "credit_agency"]}
    accounts["clients"][0]["client_id"] = "newcomer"
    gate.keys["newcomer"] = gate.keys["credit_agency"]
    assert _bootstrap(gate, tmp_path, accounts).returncode == 0
    assert gate.ask(gate.assertion("newcomer")).status == 200
    suspend("newcomer")
    accounts["clients"][0]["name"] = "another name"
    assert _bootstrap(gate, tmp_path, accounts).returncode == 0
    assert gate.ask(gate.assertion("newcomer")).body["error"] == "unauthorized_client"


def _first(accounts: dict[str, Any], kind: str, **changed: Any) -> dict[str, Any]:
    return {kind: [accounts[kind][0] | changed]}


def _private(gate: RunningGateway) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    return dict(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key)))


def _rsa(gate: RunningGateway) -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048)
    return dict(json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda g: _first(g.accounts, "officers", roles=["supervisor", "centre"]), "supervisor cannot also be: centre"),
        (lambda g: _first(g.accounts, "officers", roles=["supervisor", "authority"]), "cannot also be: authority"),
        (lambda g: _first(g.accounts, "officers", roles=["supervisor", "provider"]), "cannot also be: provider"),
        (lambda g: _first(g.accounts, "officers", roles=["service"]), "an officer's roles are"),
        (lambda g: _first(g.accounts, "officers", roles=[]), "an officer's roles are"),
        (lambda g: _first(g.accounts, "officers", password="short"), "password"),
        (lambda g: _first(g.accounts, "officers", totp_secret="JBSWY3DP"), "at least 16 bytes"),
        (lambda g: _first(g.accounts, "officers", totp_secret="not base32!"), "base32"),
        (lambda g: _first(g.accounts, "clients", roles=["service"]), "a client's roles are"),
        (lambda g: _first(g.accounts, "clients", roles=["centre"]), "a client's roles are"),
        (lambda g: _first(g.accounts, "clients", roles=["agency"]), "needs a purpose"),
        (lambda g: _first(g.accounts, "clients", roles=["statutory"]), "needs a legal basis"),
        (lambda g: _first(g.accounts, "clients", jwk={"kty": "oct", "k": "c2VjcmV0"}), "only public keys"),
        (lambda g: _first(g.accounts, "clients", jwk=_private(g)), "only public keys"),
        (lambda g: _first(g.accounts, "clients", jwk=_rsa(g)), "must be Ed25519"),
        (
            lambda g: _first(g.accounts, "clients", jwk={"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
            "not a usable public key",
        ),
        (lambda g: _first(g.accounts, "clients", rolls=["provider"]), "rolls"),
        (lambda g: {"people": []}, "people"),
    ],
)
def test_what_may_not_be_is_refused_and_nothing_is_written(
    gate: RunningGateway, tmp_path: Path, change: Callable[[RunningGateway], Any], told: str
) -> None:
    before = _everything(gate)
    done = _bootstrap(gate, tmp_path, change(gate))
    assert done.returncode == 1
    assert told in done.stderr
    for secret in (gate.accounts["officers"][0]["password"], gate.accounts["officers"][0]["totp_secret"]):
        assert secret not in done.stderr
    assert _everything(gate) == before


def test_citizens_exist_only_in_the_demonstration_world(gate: RunningGateway, tmp_path: Path) -> None:
    done = _bootstrap(gate, tmp_path, {"citizens": gate.accounts["citizens"]}, CHENGXIN_DEMO="false")
    assert done.returncode == 1
    assert "demonstration world" in done.stderr


def test_the_policy_table_needs_neither_settings_nor_store() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--policy"], env={}, capture_output=True, text=True, check=True
    )
    rows = json.loads(done.stdout)
    proving = {"POST /oauth/token", "POST /v1/identity/demo", "POST /v1/identity/officers/sign-in"}
    faces = {row["face"]: row for row in rows}
    assert all(faces[face]["open_to_all"] for face in proving)
    # What gives a token, or ends one, has an account.
    assert {face for face, row in faces.items() if "act" not in row and not face.startswith("GET ")} == set()
    # An officer who administers others must meet a rule.
    administering = {face for face in faces if re.search(r"/v1/identity/(clients|officers/<|proposals|signing)", face)}
    assert len(administering) >= 20
    assert all(faces[face]["roles"] for face in administering)
