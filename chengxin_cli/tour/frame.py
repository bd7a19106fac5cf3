"""What the steps of `chengxin tour` stand on: who takes part, what they know of each other, how a step fails."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_cli.gateway_client import Caller, Edge

_SECONDS: Final = 20


class StepFailed(Exception):
    """A step saw something else than it should have."""


def expect(condition: object, what: str) -> None:
    """Fails the step unless `condition` holds."""
    if not condition:
        raise StepFailed(what)


@dataclass
class Tour:
    """What the steps know of each other."""

    edge: Edge
    people: dict[str, Any]
    directory: Path
    run: str = field(default_factory=lambda: new_id("tour")[-10:])
    kept: dict[str, Any] = field(default_factory=dict)
    # Request ids by act, for the supervisor to find at the end.
    acts: dict[str, str] = field(default_factory=dict)

    def machine(self, organisation: str, **parameters: str) -> Caller:
        """An organisation's system."""
        client = self.people["clients"][organisation]
        return self.edge.machine(client["client_id"], self.directory / client["key_file"], **parameters)

    def officer(self, name: str) -> Caller:
        """An officer, signed in once a tour."""
        if name not in self.kept:
            proof = self.people["officers"][name]
            self.kept[name] = self.edge.officer(proof["username"], proof["password"], proof["totp_secret"])
        return self.kept[name]  # type: ignore[no-any-return]

    def citizen(self, name: str, uscc: str = "") -> Caller:
        """A citizen, for herself or for an organisation."""
        proof = self.people["citizens"][name]
        return self.edge.citizen(proof["name"], proof["identity_number"], uscc)

    def licence(self, **changes: str) -> dict[str, str]:
        """A licensing record of the demonstration company, with a document number of this tour's own."""
        return {**self.people["licence"], "XK_WSH": f"演许字〔2026〕{self.run}号"} | changes


def until(probe: Callable[[], Any], what: str) -> tuple[Any, int]:
    """What `probe` finds once it is truthy, and after how many milliseconds."""
    began = time.perf_counter()
    pause = threading.Event()
    while not (found := probe()):
        expect(time.perf_counter() - began < _SECONDS, f"not within {_SECONDS} s: {what}")
        pause.wait(0.05)
    return found, round((time.perf_counter() - began) * 1000)


def refusal(call: Callable[[], Any]) -> Problem:
    """With what `call` is refused. Fails when it is not."""
    try:
        call()
    except Problem as e:
        return e
    raise StepFailed("it was not refused")
