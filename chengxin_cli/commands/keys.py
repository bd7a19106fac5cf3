"""`chengxin keys`: the gateway's signing keys, and the key files of processes and clients."""

import base64
import json
import secrets
from pathlib import Path

import click
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chengxin.auth.access_tokens import load_private_key
from chengxin.auth.tls import certificate_thumbprint
from chengxin.store.field_encryption import KeyRing
from chengxin.values.jwk import public_jwk
from chengxin_cli.commands.dev_ca import certify, make_ca
from chengxin_cli.ending import after
from chengxin_cli.gateway_client import at
from chengxin_cli.input_files import DIRECTORY, FilePath, FileUnusable, read_json
from chengxin_cli.officer_session import OfficerOptions, as_officer
from chengxin_cli.output import print_json, print_lines
from chengxin_cli.suite.home import make_private_key, write_private

_BASE = "/v1/identity/signing-keys"
_FILE = click.argument("file", type=FilePath())


@click.group("keys")
def command() -> None:
    """Signing keys of the gateway; key files."""


@command.command("list")
@as_officer
def list_(officer: OfficerOptions) -> None:
    """List the keys that verify tokens."""
    officer.show(_BASE)


@command.command("rotate")
@as_officer
def rotate(officer: OfficerOptions) -> None:
    """Make a new signing key; tokens signed by the old one are good until they expire."""
    officer.change("POST", _BASE)


# A kid may begin with a hyphen.
@command.command("revoke", context_settings={"ignore_unknown_options": True})
@click.argument("kid")
@click.confirmation_option(prompt="All callers whose tokens this key signed must obtain new ones. Go on?")
@as_officer
def revoke(officer: OfficerOptions, kid: str) -> None:
    """Revoke a key that may be known to others; what it signed is refused within a minute."""
    officer.change("POST", at(_BASE, kid) + "/revoke")


@command.command("new")
@_FILE
def new(file: Path) -> None:
    """Write a new private key (Ed25519, PEM) for a client or a process; prints its public JWK."""
    _must_be_new(file)
    make_private_key(file)
    with after(f"the key is in {file}", f"Print it with: chengxin keys public {file}") as step, step("it is not shown"):
        print_json(public_jwk(load_private_key(file)))


@command.command("public")
@_FILE
def public(file: Path) -> None:
    """Print the public JWK of a private key file."""
    print_json(public_jwk(load_private_key(file)))


@command.command("field-ring")
@_FILE
def field_ring(file: Path) -> None:
    """Write a field key ring, or add a key to the one there is.

    New values are sealed with the newest key once the processes are started again; old values stay readable, so keep
    the old keys.
    """
    ring = _read_ring(file) if file.exists() else {}
    version = max((int(v) for v in ring), default=0) + 1
    ring[str(version)] = base64.b64encode(AESGCM.generate_key(256)).decode()
    write_private(file, json.dumps(ring).encode())
    written = f"key {version} is the newest of {len(ring)} in {file}"
    with after(written, "Do not repeat it: that would add another key") as step, step("it is not shown"):
        print_lines(written)


def _read_ring(file: Path) -> dict[str, str]:
    """The ring in a file. Raises `FileUnusable` for one that no service could read, to which no key may be added."""
    ring = read_json(file, dict[str, str])
    try:
        KeyRing.load(file)
    except ValueError as e:
        raise FileUnusable(file, f"it is not a key ring ({e}); a ring is made in a new file") from None
    return ring


@command.command("subject-key")
@_FILE
def subject_key(file: Path) -> None:
    """Write the secret that makes pseudonyms: a system gets one, and never changes it."""
    _must_be_new(file)
    write_private(file, secrets.token_bytes(32))


@command.command("dev-ca")
@click.argument("directory", type=DIRECTORY)
@click.option("--server", "servers", multiple=True, default=("localhost", "127.0.0.1"), help="Host name or address.")
@click.option("--client", "clients", multiple=True, help="A client_id; may be repeated.")
def dev_ca(directory: Path, servers: tuple[str, ...], clients: tuple[str, ...]) -> None:
    """Make a CA for development in DIRECTORY, once, and certificates of it: the gateway's, and one for each client.

    Run again, it makes new certificates of the same CA. They are good for 90 days, and for nothing in production.
    """
    for client in clients:
        _must_be_a_file_name(client)
    try:
        make_ca(directory)
        certify(directory, "server", servers[0], servers)
        thumbprints = {
            client: certificate_thumbprint(certify(directory, client, client).read_bytes()) for client in clients
        }
    except ValueError as e:
        raise click.ClickException(f"the certificates cannot be made in {directory}: {e}") from None
    made = {"ca": str(directory / "ca.pem"), "server": list(servers), "clients": thumbprints}
    again = "The same command makes new ones of the same CA"
    with after(f"the certificates are in {directory}", again) as step, step("they are not listed"):
        print_json(made)


def _must_be_a_file_name(client: str) -> None:
    if "/" in client or not client.isprintable() or client in ("", ".", "..", "ca", "server"):
        raise click.BadParameter(
            f"{client!r} is no client_id of which a file could have the name", param_hint="--client"
        )


def _must_be_new(file: Path) -> None:
    if file.exists():
        raise click.ClickException(f"{file} exists already")
