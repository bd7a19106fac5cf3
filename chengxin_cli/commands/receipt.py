"""`chengxin receipt`: verifies what a receipt proves, offline."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import click
import jwt

from chengxin.auth.access_tokens import load_private_key
from chengxin.values.jwk import public_jwk
from chengxin.values.provider_statement import ChangeStatement, read_signed
from chengxin_cli.input_files import EXISTING_FILE, FileUnusable, naming, read_json
from chengxin_cli.output import print_lines
from chengxin_cli.submission import verified


class _KeySet(TypedDict):
    keys: list[dict[str, Any]]


class ReceiptRefused(ValueError):
    """The receipt does not prove what it says."""


@click.group("receipt")
def command() -> None:
    """Verify receipts of deliveries, and of changes of records."""


@command.command("verify")
@click.argument("receipt_file", type=EXISTING_FILE)
@click.option(
    "--keys", "keys_file", type=EXISTING_FILE, help="Keys of the system (JWKS) that you trust [those in the receipt]."
)
@click.option("--delivered", type=EXISTING_FILE, help="The file that was delivered, to compare.")
@click.option("--key", "key_file", type=EXISTING_FILE, help="Your private key, to see that it signed.")
def verify(receipt_file: Path, keys_file: Path | None, delivered: Path | None, key_file: Path | None) -> None:
    """Verify RECEIPT_FILE: the system's statement on a delivery or change, and the provider's statement in it."""
    receipt = read_json(receipt_file, dict[str, Any])
    keys = read_json(keys_file, _KeySet) if keys_file else {"keys": receipt.get("keys", [])}
    signer = public_jwk(load_private_key(key_file))["kid"] if key_file else ""
    try:
        says = verify_system_statement(receipt, keys)
        lines = [f"system: signed by key {jwt.get_unverified_header(receipt['jws'])['kid']}"]
        if keys_file is None:
            lines.append("  the key came with the receipt: compare it with the one that the system published (--keys)")
        lines.append(_describe_provider(says, signer))
        if delivered is not None:
            if "record_id" in says:
                raise ReceiptRefused(
                    f"it is of a change of record {says['record_id']}, not of a file: leave out --delivered"
                )
            _require(says, "file_sha256", _digest(delivered))
            lines.append(f"file: {delivered.name} is what was delivered")
        if "asked" in receipt:
            _require(says, "content_sha256", ChangeStatement(**receipt["asked"]).sha256())
            lines.append("request: what it holds is what was asked")
        lines.append(_describe(says))
    except (KeyError, TypeError, AttributeError):
        raise FileUnusable(receipt_file, "it is not a receipt, or a part of it is missing") from None
    except (ReceiptRefused, jwt.PyJWTError, ValueError) as e:
        raise click.ClickException(f"{receipt_file.name}: {e}") from None
    print_lines(*lines)


def _digest(file: Path) -> str:
    with naming(file), file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def verify_system_statement(told: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """What the system signed. Raises `jwt.InvalidTokenError`, ReceiptRefused when the readable part differs from it."""
    if jwt.get_unverified_header(told["jws"]).get("typ") != "chengxin-receipt+jws":
        raise ReceiptRefused("this is not a receipt")
    says = verified(told["jws"], keys)
    if "receipt" in told and told["receipt"] != says:
        raise ReceiptRefused("what can be read is not what was signed")
    return says


def verify_provider_statement(says: Mapping[str, Any]) -> str:
    """The thumbprint of the provider's key that signed the statement in a receipt; empty when it did not sign.

    Raises ReceiptRefused when that statement is about something else than the receipt.
    """
    if not says.get("provider_signature"):
        return ""
    signed = read_signed(says["provider_signature"])
    if "record_id" in says:
        for name in ("act", "record_id", "based_on_version", "content_sha256"):
            _require(signed.says, name, says[name])
        return signed.kid
    facts = {name: says[name] for name in ("submission_id", "entry_code")}
    for name, value in (facts | {"record_count": says["counts"]["total"]}).items():
        _require(signed.says, name, value)
    # The provider signs the digest of the content, of the file, or of both.
    digests = [name for name in ("content_sha256", "file_sha256") if name in signed.says]
    if not digests:
        raise ReceiptRefused("the provider's statement names neither the content nor the file")
    for name in digests:
        _require(signed.says, name, says[name])
    return signed.kid


def _describe(says: Mapping[str, Any]) -> str:
    if "record_id" in says:
        return (
            f"{says['act']} of record {says['record_id']} of {says['provider']}: {says['outcome']}, from version"
            f" {says['based_on_version']} to {says['version']}, recorded {says['recorded_at']}"
        )
    counts = says["counts"]
    return (
        f"submission {says['submission_id']} of {says['provider']}: {counts['total']} records, {counts['rejected']}"
        f" rejected, closed {says['closed_at']}"
    )


def _describe_provider(says: Mapping[str, Any], expected: str) -> str:
    kid = verify_provider_statement(says)
    if expected and kid != expected:
        raise ReceiptRefused(f"it was signed by key {kid or '-'}, not by {expected}")
    if not kid:
        return "provider: it was not signed"
    return f"provider: {says['provider_client']} signed by key {kid}"


def _require(says: Mapping[str, Any], name: str, value: Any) -> None:
    if says.get(name) != value:
        raise ReceiptRefused(f"{name} is {says.get(name)}, not {value}")
