"""Readers of a soaked city, and what they were answered."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chengxin.errors import Problem
from chengxin_cli.gateway_client import Caller, Edge
from tests.city import City
from tests.e2e.soaking.delivering import COMPANIES, company
from tests.e2e.soaking.worker import Worker

# A reader waits no longer. An answer after `DEADLINE` is a fault; so is a missing answer.
PATIENCE: Final = 20.0


@dataclass
class RequestOutcome:
    """One request of a reader."""

    what: str
    status: int
    code: str
    seconds: float
    # When it was asked, to find it in logs.
    at: float
    request_id: str = ""


class CityReader(Worker):
    """Sends requests through the gateway again and again, and keeps each answer with its duration."""

    def __init__(self, what: str, seed: str, stop: threading.Event, caller: Caller, request: "Request") -> None:
        super().__init__(what, seed, stop)
        self.caller, self.request = caller, request
        self.asked: list[RequestOutcome] = []

    def act(self) -> None:
        """One request. The time to get a token is not counted."""
        token = self.caller.token()
        method, path, body = self.request(self.chance)
        began = time.monotonic()
        try:
            answer = self.caller.edge.call(method, path, token, timeout=PATIENCE, **({"json": body} if body else {}))
            status, told, request_id = answer.status, answer.body, answer.request_id
            code = told.get("code", "") if isinstance(told, dict) else ""
            if status == 503 and "Retry-After" not in answer.headers:
                code = f"{code} without Retry-After"
        except Problem as e:
            status, code, request_id = 0, str(e), ""
        self.asked.append(RequestOutcome(self.name, status, code, time.monotonic() - began, began, request_id))


# Method, path and body of the next request.
Request = Callable[[random.Random], tuple[str, str, Any]]


def readers(city: City, seed: str, stop: threading.Event, owner: str, code: str, name: str) -> list[CityReader]:
    """All readers; `owner` represents the company with very many references."""
    edge = Edge(city.edge.http, city.edge.grpc)
    terms = [name[4:8], name, code, code[:10], "饮食", "阳江", "茶业", "ysyy", "演示 饮食"]
    known: list[str] = []
    for term in (code, "演示"):
        known += [s["subject_ref"] for s in city.anybody.get(f"/v1/public/subjects?q={term}")["subjects"]][:20]
    assert known

    def search(chance: random.Random) -> tuple[str, str, Any]:
        return "GET", f"/v1/public/subjects?q={chance.choice([*terms, company(chance.randrange(COMPANIES))[1]])}", None

    def detail(chance: random.Random) -> tuple[str, str, Any]:
        # The first one is the company with the references.
        ref = chance.choice([known[0], *known])
        return "GET", f"/v1/public/subjects/{ref}?page_size={chance.choice((10, 50, 200))}", None

    def own(chance: random.Random) -> tuple[str, str, Any]:
        return "GET", f"/v1/me/records?page_size={chance.choice((10, 50, 200))}", None

    def shared(chance: random.Random) -> tuple[str, str, Any]:
        whom = chance.choice([code, *(company(n)[0] for n in range(COMPANIES))])
        return "POST", "/v1/shared/queries", {"subject": {"uscc": whom}}

    proof = city.people["citizens"][owner]
    callers = {
        "public search": (edge.anonymous(), search),
        "public detail": (edge.anonymous(), detail),
        "own records": (edge.citizen(proof["name"], proof["identity_number"], code), own),
        "shared query": (Caller(edge, city.housing_bureau.token), shared),
    }
    return [CityReader(what, seed, stop, caller, request) for what, (caller, request) in callers.items()]
