"""A receipt is verified offline: both signatures, and that they are about the same delivery."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import load_private_key
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.jwk import public_jwk
from chengxin.values.provider_statement import sign, statement
from chengxin_cli import main
from chengxin_cli.commands.receipt import ReceiptRefused, verify_provider_statement, verify_system_statement
from tests.ingest.deliveries import licences
from tests.ingest.files import table
from tests.ingest.running_ingest import RunningIngest


def private_key(file: Path) -> Path:
    """A new private key in a file."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(pem)
    return file


@pytest.fixture
def delivered(ingest: RunningIngest, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A delivered file, its receipt as `chengxin submit` keeps it, and the key that signed."""
    key = private_key(tmp_path / "key.pem")
    content = table(licences(3))
    file, receipt = tmp_path / "november.csv", tmp_path / "november.csv.receipt.json"
    file.write_bytes(content)
    signature = sign(statement("november-2026", "XZXK", 3, file_sha256=digest(content)), load_private_key(key))
    provider = ingest.caller(client_key=public_jwk(load_private_key(key))["kid"])
    jws = provider.uploads(content, submission_id="november-2026", signature=signature).json["receipt"]["jws"]
    says = jwt.decode(jws, options={"verify_signature": False})
    keys = provider.get("/v1/submissions/keys").json["keys"]
    receipt.write_text(json.dumps({"receipt": says, "jws": jws, "keys": keys}))
    return file, receipt, key


def verify(*arguments: Any) -> Result:
    """`chengxin receipt verify`."""
    return CliRunner().invoke(main, ["receipt", "verify", *map(str, arguments)])


def test_a_receipt_proves_both_words(delivered: tuple[Path, Path, Path], tmp_path: Path) -> None:
    file, receipt, key = delivered
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": json.loads(receipt.read_text())["keys"]}))
    done = verify(receipt, "--keys", keys, "--delivered", file, "--key", key)
    assert done.exit_code == 0, done.output
    assert f"signed by key {public_jwk(load_private_key(key))['kid']}" in done.output
    assert "november.csv is what was delivered" in done.output
    assert "3 records, 0 rejected" in done.output
    assert "came with the receipt" not in done.output
    assert "came with the receipt" in verify(receipt).output


def test_what_a_receipt_does_not_prove_is_told(delivered: tuple[Path, Path, Path], tmp_path: Path) -> None:
    file, receipt, _ = delivered
    other = tmp_path / "other.csv"
    other.write_bytes(file.read_bytes() + b"\r\n")
    done = verify(receipt, "--delivered", other)
    assert (done.exit_code, "file_sha256" in done.output) == (1, True)
    done = verify(receipt, "--key", private_key(tmp_path / "another.pem"))
    assert (done.exit_code, "not by" in done.output) == (1, True)
    told = json.loads(receipt.read_text())
    told["receipt"]["counts"]["accepted"] = 30
    receipt.write_text(json.dumps(told))
    done = verify(receipt)
    assert (done.exit_code, "not what was signed" in done.output) == (1, True)
    receipt.write_text(json.dumps(told | {"keys": [public_jwk(Ed25519PrivateKey.generate())]}))
    done = verify(receipt)
    assert (done.exit_code, "among the receipt keys" in done.output) == (1, True)
    receipt.write_text("[]")
    assert verify(receipt).exit_code == 1


def test_the_providers_word_must_be_about_the_receipt(delivered: tuple[Path, Path, Path]) -> None:
    _, receipt, key = delivered
    told = json.loads(receipt.read_text())
    says = verify_system_statement(told, told)
    assert verify_provider_statement(says) == public_jwk(load_private_key(key))["kid"]
    for changes in ({"submission_id": "december"}, {"file_sha256": "0" * 64}, {"counts": {"total": 4}}):
        with pytest.raises(ReceiptRefused):
            verify_provider_statement(says | changes)
    assert verify_provider_statement({k: v for k, v in says.items() if k != "provider_signature"}) == ""


def test_a_providers_word_about_nothing_proves_nothing(delivered: tuple[Path, Path, Path]) -> None:
    _, receipt, key = delivered
    says = json.loads(receipt.read_text())["receipt"]
    about = statement("november-2026", "XZXK", 3)
    for stated in ({}, about, {k: v for k, v in about.items() if k != "record_count"} | {"file_sha256": "0"}):
        with pytest.raises(ReceiptRefused):
            verify_provider_statement(says | {"provider_signature": sign(stated, load_private_key(key))})


def test_what_a_windows_program_saved_is_read(delivered: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, receipt, _ = delivered
    text = receipt.read_text().replace("\n", "\r\n") + "\r\n\r\n"
    for encoding in ("utf-8-sig", "utf-16"):
        receipt.write_bytes(text.encode(encoding))
        assert verify(receipt).exit_code == 0, encoding
    receipt.write_bytes("证书".encode("gb18030"))
    assert f"{receipt} cannot be used: byte 2 is not UTF-8" in verify(receipt).output


def test_another_signed_thing_is_no_receipt(delivered: tuple[Path, Path, Path]) -> None:
    _, receipt, key = delivered
    says = json.loads(receipt.read_text())["receipt"]
    signer = load_private_key(key)
    headers = {"kid": public_jwk(signer)["kid"], "typ": "at+jwt"}
    jws = jwt.api_jws.encode(canonical(says), signer, algorithm="EdDSA", headers=headers)
    with pytest.raises(ReceiptRefused, match="not a receipt"):
        verify_system_statement({"jws": jws, "receipt": says}, {"keys": [public_jwk(signer)]})
