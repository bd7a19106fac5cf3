"""What the steps of `chengxin tour` share: the people, what one step leaves to the next, how a step fails."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_cli.gateway_client import Caller, Edge

_PATIENCE_SECONDS: Final = 20


class StepFailed(Exception):
    """A step got something else than it should have."""


def expect(condition: object, what: str) -> None:
    """Fails the step unless `condition` holds."""
    if not condition:
        raise StepFailed(what)


@dataclass
class Tour:
    """What the steps share."""

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
        """A citizen, as the subject or for the represented organisation `uscc`."""
        proof = self.people["citizens"][name]
        return self.edge.citizen(proof["name"], proof["identity_number"], uscc)

    def licence(self, **changes: str) -> dict[str, str]:
        """A licensing record of the demonstration company, with a document number of this tour's own."""
        return {**self.people["licence"], "XK_WSH": f"演许字〔2026〕{self.run}号"} | changes


def until(probe: Callable[[], Any], what: str) -> tuple[Any, int]:
    """What `probe` returns once it is truthy, and after how many milliseconds. Fails the step after 20 s."""
    began = time.perf_counter()
    pause = threading.Event()
    while not (result := probe()):
        expect(time.perf_counter() - began < _PATIENCE_SECONDS, f"not within {_PATIENCE_SECONDS} s: {what}")
        pause.wait(0.05)
    return result, round((time.perf_counter() - began) * 1000)


def expect_refusal(call: Callable[[], Any]) -> Problem:
    """The problem with which `call` is refused. Fails the step when it is not refused."""
    try:
        call()
    except Problem as e:
        return e
    raise StepFailed("it was not refused")
