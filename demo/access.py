"""Signing in as somebody of the demonstration world, at the suite that runs in a home."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp

from chengxin_cli.gateway_client import Caller, Edge


class DemoMissing(Exception):
    """A suite, or a person of it, that is not there; the message says what is."""


@dataclass(frozen=True)
class DemoAccess:
    """The credentials of a home, and the addresses of its suite."""

    directory: Path
    people: dict[str, Any]
    edge: Edge

    @classmethod
    def of(cls, home: Path) -> "DemoAccess":
        """Reads them. Raises NotThere."""
        suite, people = _read(home / "suite.json"), _read(home / "demo" / "credentials.json")
        return cls(home / "demo", people, Edge(suite["http"], suite["grpc"]))

    def client(self, key: str, **parameters: str) -> Caller:
        """An organisation's system; the parameters are those of the token request (`scope`, `purpose` …)."""
        client = _known("client", key, self.people["clients"])
        return self.edge.machine(client["client_id"], self.directory / client["key_file"], **parameters)

    def officer(self, username: str) -> Caller:
        """An officer, by password and one-time code."""
        secret = _known("officer", username, self.people["officers"])
        return self.edge.officer(secret["username"], secret["password"], secret["totp_secret"])

    def citizen(self, key: str, uscc: str = "") -> Caller:
        """A citizen, for herself or for the organisation `uscc` that she represents."""
        citizen = _known("citizen", key, self.people["citizens"])
        return self.edge.citizen(citizen["name"], citizen["identity_number"], uscc)

    def anybody(self, name: str, **parameters: str) -> Caller:
        """Who goes by this name: with a `scope` a client, else an officer or a citizen. Raises NotThere."""
        if "scope" in parameters:
            return self.client(name, **parameters)
        return self.officer(name) if name in self.people["officers"] else self.citizen(name, **parameters)


def code_of(home: Path, officer: str) -> str:
    """The officer's TOTP code (RFC 6238) of this half minute. Raises NotThere."""
    officers = _read(home / "demo" / "credentials.json")["officers"]
    return pyotp.TOTP(_known("officer", officer, officers)["totp_secret"]).now()


def _known(what: str, key: str, there: dict[str, Any]) -> Any:
    if key not in there:
        raise DemoMissing(f"no {what} {key}; there are: {', '.join(there)}")
    return there[key]


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise DemoMissing(f"{file} is missing; start the suite with `chengxin up --demo` first")
    return dict(json.loads(file.read_text()))
