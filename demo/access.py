"""Signs in as a caller of the demonstration world, at the suite that runs in a home."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp

from chengxin_cli.gateway_client import Caller, Edge


class DemoMissing(Exception):
    """A suite, or a person or client of it, is missing; the message says what there is."""


@dataclass(frozen=True)
class DemoAccess:
    """The credentials of a home, and the addresses of its suite."""

    directory: Path
    people: dict[str, Any]
    edge: Edge

    @classmethod
    def of(cls, home: Path) -> "DemoAccess":
        """Reads them. Raises DemoMissing."""
        suite, people = _read(home / "suite.json"), _read(home / "demo" / "credentials.json")
        return cls(home / "demo", people, Edge(suite["http"], suite["grpc"]))

    def client(self, key: str, **parameters: str) -> Caller:
        """An organisation's system; the parameters are those of the token request (`scope`, `purpose` …)."""
        client = _look_up("client", key, self.people["clients"])
        return self.edge.machine(client["client_id"], self.directory / client["key_file"], **parameters)

    def officer(self, username: str) -> Caller:
        """An officer, by password and one-time code."""
        credentials = _look_up("officer", username, self.people["officers"])
        return self.edge.officer(credentials["username"], credentials["password"], credentials["totp_secret"])

    def citizen(self, key: str, uscc: str = "") -> Caller:
        """A citizen, as the subject or for the represented organisation `uscc`."""
        citizen = _look_up("citizen", key, self.people["citizens"])
        return self.edge.citizen(citizen["name"], citizen["identity_number"], uscc)

    def anybody(self, name: str, **parameters: str) -> Caller:
        """The caller of this name: with a `scope` a client, else an officer or a citizen. Raises DemoMissing."""
        if "scope" in parameters:
            return self.client(name, **parameters)
        return self.officer(name) if name in self.people["officers"] else self.citizen(name, **parameters)


def code_of(home: Path, officer: str) -> str:
    """The officer's TOTP code (RFC 6238) of this half minute. Raises DemoMissing."""
    officers = _read(home / "demo" / "credentials.json")["officers"]
    return pyotp.TOTP(_look_up("officer", officer, officers)["totp_secret"]).now()


def _look_up(what: str, key: str, known: dict[str, Any]) -> Any:
    if key not in known:
        raise DemoMissing(f"no {what} {key}; there are: {', '.join(known)}")
    return known[key]


def _read(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise DemoMissing(f"{file} is missing; start the suite with `chengxin up --demo` first")
    return dict(json.loads(file.read_text()))
