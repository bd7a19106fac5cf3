"""`chengxin client`: organisations' systems, their keys, grants and suspension."""

import json
from pathlib import Path
from typing import Any

import click
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from chengxin_cli.gateway_client import at
from chengxin_cli.input_files import EXISTING_FILE, FileUnusable, read_json, read_text
from chengxin_cli.officer_session import OfficerOptions, as_officer

_BASE = "/v1/identity/clients"
_CLIENT = click.argument("client_id")
_KEY_FILE = click.option(
    "--key",
    "key_file",
    required=True,
    type=EXISTING_FILE,
    help="Public key: a JWK, or PEM (Ed25519 or P-256). Private keys stay with the client.",
)


@click.group("client")
def command() -> None:
    """Systems of agencies and providers."""


@command.command("list")
@as_officer
def list_(officer: OfficerOptions) -> None:
    """List the clients of your region."""
    officer.show_all(_BASE, "clients")


@command.command("show")
@_CLIENT
@as_officer
def show(officer: OfficerOptions, client_id: str) -> None:
    """Show one client: registration, keys, grants."""
    officer.show(at(_BASE, client_id))


@command.command("register")
@_CLIENT
@click.option("--name", required=True)
@click.option("--org", required=True, help="Unified social credit code.")
@click.option("--region", required=True, help="Six digits (GB/T 2260).")
@click.option("--responsible", required=True, help="Service number of the officer who answers for it.")
@_KEY_FILE
@as_officer
def register(
    officer: OfficerOptions, client_id: str, name: str, org: str, region: str, responsible: str, key_file: Path
) -> None:
    """Register a client with its first key. It can do nothing until grants are approved."""
    body = {"client_id": client_id, "name": name, "org": org, "region": region, "responsible": responsible}
    officer.change("POST", _BASE, json=body | {"jwk": _read_public_jwk(key_file)})


@command.command("grant")
@_CLIENT
@click.option("--role", "roles", multiple=True, help="Every role that it holds from now on.")
@click.option("--purpose", "purposes", multiple=True, metavar="PURPOSE=AGREEMENT", help="For role agency.")
@click.option("--legal-basis", "legal_bases", multiple=True, help="For role statutory.")
@as_officer
def grant(
    officer: OfficerOptions,
    client_id: str,
    roles: tuple[str, ...],
    purposes: tuple[str, ...],
    legal_bases: tuple[str, ...],
) -> None:
    """Propose everything that a client may do; in force at once only when it takes away."""
    agreed = [dict(zip(("purpose", "agreement"), p.split("=", 1), strict=False)) for p in purposes]
    body = {"roles": list(roles), "purposes": agreed, "legal_bases": list(legal_bases)}
    officer.change("POST", at(_BASE, client_id) + "/grants", json=body)


@command.command("add-key")
@_CLIENT
@_KEY_FILE
@click.option("--overlap-hours", type=int, help="The keys before it retire after so long; left out: they stay.")
@as_officer
def add_key(officer: OfficerOptions, client_id: str, key_file: Path, overlap_hours: int | None) -> None:
    """Add a key, or rotate to it; for a client with roles another officer approves it."""
    body = {"jwk": _read_public_jwk(key_file), "overlap_hours": overlap_hours}
    officer.change("POST", at(_BASE, client_id) + "/keys", json=body)


# A kid may begin with a hyphen.
@command.command("retire-key", context_settings={"ignore_unknown_options": True})
@_CLIENT
@click.argument("kid")
@as_officer
def retire_key(officer: OfficerOptions, client_id: str, kid: str) -> None:
    """Retire a key at once; the client's tokens end within a minute."""
    officer.change("DELETE", at(at(_BASE, client_id) + "/keys", kid))


@command.command("suspend")
@_CLIENT
@as_officer
def suspend(officer: OfficerOptions, client_id: str) -> None:
    """Suspend a client; its tokens are refused within a minute."""
    officer.change("POST", at(_BASE, client_id) + "/suspend")


@command.command("resume")
@_CLIENT
@as_officer
def resume(officer: OfficerOptions, client_id: str) -> None:
    """Propose to end a suspension."""
    officer.change("POST", at(_BASE, client_id) + "/resume")


def _read_public_jwk(file: Path) -> dict[str, Any]:
    """The JWK in a file, or that of the PEM public key in it."""
    text = read_text(file)
    if "PRIVATE KEY" in text:
        raise click.ClickException(f"{file} is a private key; give the public one (chengxin keys public {file})")
    if not text.lstrip().startswith("-----"):
        return read_json(file, dict[str, Any])
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as e:
        raise FileUnusable(file, f"it is neither a JWK nor PEM: {e}") from None
    if isinstance(key, Ed25519PublicKey):
        return dict(json.loads(OKPAlgorithm.to_jwk(key)))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return dict(json.loads(ECAlgorithm.to_jwk(key)))
    raise click.ClickException(f"{file} must be an Ed25519 or P-256 key")
