"""The demonstration people: accounts that the gateway accepts, made once, of no real person."""

import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from chengxin.auth.access_tokens import load_private_key
from chengxin.values.identifiers import identity_number_fault, is_uscc
from chengxin.values.jwk import public_jwk
from demo.access import DemoMissing, code_of
from demo.people import make_people
from demo.world import associations, catalog, companies, institutions, organs, people
from gateway.domain.clients_and_officers import matching_step
from gateway.usecases.bootstrap import AccountsFile


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_people(tmp_path)
    return tmp_path


def _files(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in (home / "demo").rglob("*") if p.is_file()}


def test_a_second_run_changes_nothing(home: Path) -> None:
    before = _files(home)
    subprocess.run([sys.executable, "-m", "demo", "people", str(home)], check=True)
    assert _files(home) == before
    assert {"demo/accounts.json", "demo/credentials.json", "demo/credentials.txt"} < before.keys()


def test_every_home_has_secrets_of_its_own(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    make_people(other)
    ours, theirs = (json.loads((h / "demo/credentials.json").read_text())["officers"] for h in (home, other))
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name]["password"] != theirs[name]["password"]
        assert ours[name]["totp_secret"] != theirs[name]["totp_secret"]
    assert (home / "demo/keys/court.pem").read_bytes() != (other / "demo/keys/court.pem").read_bytes()


def test_the_gateway_takes_the_accounts(home: Path) -> None:
    accounts = AccountsFile(**json.loads((home / "demo/accounts.json").read_text()))
    credentials = json.loads((home / "demo/credentials.json").read_text())
    assert {c.client_id for c in accounts.clients} == credentials["clients"].keys()
    for client in accounts.clients:
        key = load_private_key(home / "demo" / credentials["clients"][client.client_id]["key_file"])
        assert public_jwk(key)["x"] == client.jwk["x"]
    roles = {o.username: o.roles for o in accounts.officers}
    assert roles == {n: [n] for n in ("centre", "authority", "supervisor")} | {"clerk": ["provider"]}


def test_every_provider_of_an_entry_has_a_client(home: Path) -> None:
    accounts = AccountsFile(**json.loads((home / "demo/accounts.json").read_text()))
    providers = {c.org for c in accounts.clients if "provider" in c.roles}
    assert {p["uscc"] for e in catalog().values() for p in e["providers"]} == providers


def test_who_is_who(home: Path) -> None:
    accounts = AccountsFile(**json.loads((home / "demo/accounts.json").read_text()))
    clients = {c.client_id: c for c in accounts.clients}
    assert {*clients["market_regulator"].roles} == {"provider", "agency"}
    assert [p.purpose for p in clients["housing_bureau"].purposes] == ["qualification_review"]
    assert clients["court"].legal_bases
    assert clients["credit_agency"].roles == ["public"]
    assert {*clients["bank"].roles} == {"public", "subject_authorized"}
    citizens = json.loads((home / "demo/credentials.json").read_text())["citizens"]
    assert citizens["wang_qiang"]["represents"] == [companies()[0].uscc]
    assert citizens["li_na"]["represents"] == []


def test_only_the_owner_reads_the_files(home: Path) -> None:
    assert {p.stat().st_mode & 0o077 for p in (home / "demo").rglob("*")} == {0}


def test_identifiers_have_right_check_digits_and_belong_to_nobody() -> None:
    bodies = [*companies(), *institutions(), *associations(), *organs().values()]
    assert len({b.uscc for b in bodies}) == len(bodies)
    assert not [b for b in bodies if not is_uscc(b.uscc) or b.uscc[2:8] != "000000"]
    numbers = [p.identity_number for p in people().values()]
    assert len(set(numbers)) == len(numbers)
    assert not [n for n in numbers if identity_number_fault(n, date(2026, 11, 24)) or int(n[6:10]) >= 1900]


def test_a_code_is_the_one_the_gateway_expects(home: Path) -> None:
    secret = json.loads((home / "demo/credentials.json").read_text())["officers"]["centre"]["totp_secret"]
    assert matching_step(secret, code_of(home, "centre"), time.time()) is not None
    with pytest.raises(DemoMissing, match="no officer nobody"):
        code_of(home, "nobody")


def test_the_credentials_for_reading_name_everybody(home: Path) -> None:
    text = (home / "demo/credentials.txt").read_text()
    credentials = json.loads((home / "demo/credentials.json").read_text())
    for citizen in credentials["citizens"].values():
        assert citizen["name"] in text
        assert citizen["identity_number"] in text
    for officer in credentials["officers"].values():
        assert officer["password"] in text
        assert officer["totp_secret"] in text
    assert all(client in text for client in credentials["clients"])
