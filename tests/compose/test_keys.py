"""Each process gets its own secrets, and never those of another."""

import json
import stat
from pathlib import Path

import pytest

from chengxin.auth.access_tokens import load_private_key
from chengxin.process.settings import Settings
from chengxin.store.field_encryption import KeyRing
from chengxin.values.jwk import public_jwk
from chengxin_cli.suite.home import PROCESSES
from deploy import keys


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keys, "STORE_GROUP", tmp_path.stat().st_gid)
    keys.make(tmp_path)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


def test_making_them_again_changes_nothing(secrets: Path) -> None:
    before = contents(secrets)
    keys.make(secrets)
    assert contents(secrets) == before


def test_an_interrupted_first_time_is_made_good(secrets: Path) -> None:
    before = contents(secrets)
    (secrets / "catalog" / "key.pem").unlink()
    (secrets / "audit-store" / "keyfile").unlink()
    keys.make(secrets)
    assert contents(secrets) == before


def test_no_two_readers_share_a_key_or_a_password(secrets: Path) -> None:
    for name in ("key.pem", "store-password"):
        assert len({(secrets / process / name).read_bytes() for process in PROCESSES}) == len(PROCESSES)
    for name in ("root-password", "keyfile"):
        assert len({(secrets / f"{process}-store" / name).read_bytes() for process in PROCESSES}) == len(PROCESSES)


def test_only_those_who_need_it_can_open_fields(secrets: Path) -> None:
    holders = {p for p in PROCESSES if (secrets / p / "field-keys.json").exists()}
    assert holders == {"gateway", "ingest", "disclosure", "objection"}
    sealed = KeyRing.load(secrets / "ingest" / "field-keys.json").encrypt("a value", "ID")
    assert KeyRing.load(secrets / "disclosure" / "field-keys.json").decrypt(sealed, "ID") == "a value"


def test_the_gateway_is_told_the_services_public_keys(secrets: Path) -> None:
    for service in json.loads((secrets / "gateway" / "services.json").read_text()):
        assert service["jwk"] == public_jwk(load_private_key(secrets / service["client_id"] / "key.pem"))
        assert "d" not in service["jwk"]


def test_nobody_else_may_read_them(secrets: Path) -> None:
    for path in secrets.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        allowed = 0o750 if "-store" in str(path.relative_to(secrets)) else 0o700
        assert mode & ~allowed == 0, path


def test_a_key_file_of_a_replica_set_is_one_that_mongod_takes(secrets: Path) -> None:
    text = (secrets / "audit-store" / "keyfile").read_text()
    assert 6 <= len(text) <= 1024
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def test_a_process_signs_in_with_the_password_of_its_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "a-password").write_text("p@ss/wörd\n")
    for name, value in {
        "MONGO_URI": "mongodb://audit@h1:1,h2:2/audit?authSource=admin",
        "MONGO_PASSWORD_FILE": str(secrets / "a-password"),
        "HTTP_LISTEN": "0.0.0.0:1",
        "GRPC_LISTEN": "0.0.0.0:2",
        "KEY_FILE": str(secrets / "audit" / "key.pem"),
    }.items():
        monkeypatch.setenv(f"CHENGXIN_{name}", value)
    expected = "mongodb://audit:p%40ss%2Fw%C3%B6rd@h1:1,h2:2/audit?authSource=admin"
    assert Settings().mongo_uri.get_secret_value() == expected


def test_a_wrong_uri_beside_a_password_file_is_refused_without_telling_it(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHENGXIN_MONGO_URI", "mongodb://audit:hush@h1:1/audit")
    monkeypatch.setenv("CHENGXIN_MONGO_PASSWORD_FILE", str(secrets / "audit" / "store-password"))
    with pytest.raises(ValueError, match="CHENGXIN_MONGO_PASSWORD_FILE") as refused:
        Settings(http_listen="h:1", grpc_listen="h:2", key_file=Path("k"))
    assert "hush" not in str(refused.value)
