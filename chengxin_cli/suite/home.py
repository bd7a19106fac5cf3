"""The directory in which an embedded suite keeps its stores, keys, logs and addresses."""

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NotRequired, TextIO, TypedDict

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import load_private_key
from chengxin.store.field_encryption import KeyRing
from chengxin.values.jwk import public_jwk
from chengxin_cli.input_files import naming, read_json

# How long a suite that starts waits for commands that only look whether one runs.
_LOOKING_SECONDS: Final = 5.0

SERVICES = ("catalog", "ingest", "disclosure", "objection", "audit")
PROCESSES = (*SERVICES, "gateway")
# The program that runs a command and makes it end with its parent.
PDEATHSIG = Path(__file__).with_name("pdeathsig.py")


def parent_environment() -> dict[str, str]:
    """The environment for what this process runs by PDEATHSIG.

    It names this process as the parent, so that PDEATHSIG also notices a parent that has ended before.
    """
    return os.environ | {"PDEATHSIG_PARENT": str(os.getpid())}


class _SuiteAddresses(TypedDict):
    http: str
    grpc: str


class Addresses(_SuiteAddresses, total=False):
    """Where a suite is, as `chengxin up` writes it down; other deployments may know less."""

    pid: int
    demo: bool
    supervisor: str
    inner: dict[str, str]


class OfficerCredentials(TypedDict):
    """How an officer of the demonstration world signs in."""

    username: str
    password: str
    totp_secret: str


class ClientCredentials(TypedDict):
    """An organisation's system in the demonstration world; its key file is beside the credentials."""

    client_id: str
    key_file: str


class DemoCredentials(TypedDict):
    """What `python -m demo people` writes down for the commands."""

    officers: dict[str, OfficerCredentials]
    citizens: dict[str, dict[str, Any]]
    clients: dict[str, ClientCredentials]
    licence: NotRequired[dict[str, str]]


@dataclass(frozen=True)
class Home:
    """The directory of one suite."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """`$CHENGXIN_HOME`, or `~/.chengxin`. Raises `ClickException` for a user without a home directory."""
        if path := os.environ.get("CHENGXIN_HOME"):
            return cls(Path(path).absolute())
        try:
            return cls(Path.home().absolute() / ".chengxin")
        except RuntimeError:
            raise click.ClickException("HOME is not set; set it, or CHENGXIN_HOME, or give --home") from None

    def key_file(self, process: str) -> Path:
        """The Ed25519 private key of a process."""
        return self.path / "keys" / f"{process}.pem"

    @property
    def field_keys(self) -> Path:
        """The field key ring."""
        return self.path / "keys" / "field-keys.json"

    @property
    def subject_key(self) -> Path:
        """The secret that makes pseudonyms."""
        return self.path / "keys" / "subject.key"

    @property
    def suite(self) -> Path:
        """Addresses of the running suite, for the other commands."""
        return self.path / "suite.json"

    def addresses(self) -> dict[str, Any]:
        """Addresses of the suite that runs here; empty when none does, also when a killed one left its file.

        Raises `FileUnusable`.
        """
        if not self.suite.exists() or not _is_held(self.path / "lock"):
            return {}
        return dict(read_json(self.suite, Addresses))

    def running(self) -> dict[str, Any]:
        """Addresses of the suite that runs here. Raises `ClickException` when none does."""
        if not (addresses := self.addresses()):
            raise click.ClickException(f"no suite runs in {self.path}; start one, or give another one with --home")
        return addresses

    def store(self, process: str) -> Path:
        """The data directory of a process's store."""
        return self.path / "stores" / process

    def log(self, program: str) -> Path:
        """The log of a program."""
        return self.path / "logs" / f"{program}.log"

    def store_passwords(self) -> dict[str, str]:
        """The password of each store's account. Raises `FileUnusable`."""
        return read_json(self.path / "keys" / "stores.json", dict[str, str])

    def demo_credentials(self) -> "DemoCredentials | None":
        """How the people of the demonstration world prove who they are; None without them. Raises `FileUnusable`."""
        file = self.path / "demo" / "credentials.json"
        return read_json(file, DemoCredentials) if file.exists() else None

    def make(self) -> None:
        """Creates the directories and keys that are missing; keeps those that exist."""
        for directory in ("keys", "stores", "logs"):
            (self.path / directory).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.chmod(0o700)
        for process in PROCESSES:
            make_private_key(self.key_file(process))
        _write_once(self.field_keys, lambda: json.dumps(KeyRing.generate()).encode())
        _write_once(self.subject_key, lambda: secrets.token_bytes(32))
        passwords = {process: secrets.token_urlsafe(24) for process in PROCESSES}
        _write_once(self.path / "keys" / "stores.json", lambda: json.dumps(passwords).encode())

    def service_clients(self) -> list[dict[str, Any]]:
        """The services as the gateway's bootstrap file lists them."""
        return [{"client_id": name, "jwk": public_jwk(load_private_key(self.key_file(name)))} for name in SERVICES]


def make_private_key(path: Path) -> None:
    """Writes a new Ed25519 private key as PEM, unless the file exists."""
    _write_once(
        path,
        lambda: Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def write_private(path: Path, data: bytes) -> None:
    """Writes a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with naming(path):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _write_once(path: Path, make_content: Any) -> None:
    if not path.exists():
        write_private(path, make_content())


def _is_held(lock: Path) -> bool:
    import fcntl

    # A suite that runs in containers has no lock.
    if not lock.exists():
        return True
    with lock.open() as file:
        return not _take(file, fcntl.LOCK_SH)


def _take(file: TextIO, kind: int) -> bool:
    """Takes a lock of this kind on a file, until the file is closed; returns False when another process prevents it."""
    import fcntl

    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lock_home(home: Home) -> Iterator[None]:
    """Locks the home for one suite. Raises `ClickException` when another one runs in it."""
    import fcntl

    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home.path / "lock").open("a+") as lock:
        # While another command looks whether a suite runs, it has the lock shared for a moment.
        deadline = time.monotonic() + _LOOKING_SECONDS
        while not (locked := _take(lock, fcntl.LOCK_EX)) and time.monotonic() < deadline and _take(lock, fcntl.LOCK_SH):
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.01)
        if not locked:
            lock.seek(0)
            raise click.ClickException(
                f"a suite already runs in {home.path} (pid {lock.read().strip() or 'unknown'}); "
                "stop it, or choose another directory with --home"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
