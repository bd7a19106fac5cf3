"""What goes on in a soaked city, all the time and at once: deliveries, readers, and somebody who kills and stops processes.

Everything is drawn from a seed. What happens when is the machine's: the same seed asks for the same things, and does not
meet the same moments.
"""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import grpc
import psutil

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_cli.gateway_client import GATEWAY_UNREACHABLE, Caller, Edge
from demo.identifiers import demo_uscc
from tests.accepted import DAYS
from tests.city import City
from tests.support import freeze, serving, until

# As long as an entry allows.
LONGEST: Final = 4000
COMPANIES: Final = 40
# Signs of one, two, three and four bytes, and what compresses not at all.
_SIGNS: Final = ("长", "a", "é", "𠮷", "许可内容与证书不符，", "0123456789")
# What ingest may take before it has an answer, whatever happens to its store (decision 23), with the way.
_DELIVERY_SECONDS: Final = 75.0
# Who asks waits no longer. What comes later than `DEADLINE` is a fault, what comes not at all is seen as one here.
PATIENCE: Final = 20.0


@dataclass
class Asked:
    """One request of a reader."""

    what: str
    status: int
    code: str
    seconds: float
    # Since the beginning, to find it in logs.
    at: float
    request_id: str = ""


@dataclass
class Record:
    """A record as its provider knows it."""

    record_id: str
    items: dict[str, str]
    version: int
    revoked: bool = False


class Worker(threading.Thread):
    """Does something again and again until it is told to stop; what it raises is kept."""

    def __init__(self, name: str, seed: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.chance = random.Random(f"{seed} {name}")
        self.stop = stop
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Acts, with a pause of a drawn length."""
        try:
            while not self.stop.is_set():
                self.act()
                self.stop.wait(self.chance.uniform(0, self.pause))
        # Whoever soaks looks at it.
        except BaseException as e:
            self.failure = e

    pause = 0.2

    def act(self) -> None:
        """Something."""
        raise NotImplementedError


class Provider(Worker):
    """Delivers, amends and revokes, each until it has an answer: what is under way when time is up is ended, too."""

    pause = 1.5

    def __init__(self, name: str, seed: str, stop: threading.Event, caller: Caller, city: City) -> None:
        super().__init__(name, seed, stop)
        self.caller = caller
        self.licence: dict[str, str] = dict(city.people["licence"])
        self.records: list[Record] = []
        self.did: Counter[str] = Counter()
        self.slowest = 0.0
        self._made = 0

    # To be overridden: an entry and its records.

    def delivery(self) -> tuple[str, list[dict[str, str]]]:
        """What is delivered next: an entry, and the items of records."""
        raise NotImplementedError

    def amended(self, items: dict[str, str]) -> dict[str, str]:
        """Other items under the same natural key."""
        raise NotImplementedError

    def act(self) -> None:
        """A delivery, and now and then a change of something delivered before."""
        standing = [record for record in self.records if not record.revoked]
        drawn = self.chance.random()
        if drawn < 0.6 or len(standing) < 20:
            self._deliver()
        elif drawn < 0.85:
            self._change(self.chance.choice(standing), revoke=False)
        else:
            self._change(self.chance.choice(standing), revoke=True)

    def number(self) -> int:
        """Another one each time."""
        self._made += 1
        return self._made

    def text(self) -> str:
        """A text of drawn length."""
        length = self.chance.choice((1, 40, 400, 1365, 1366, LONGEST - 1, LONGEST, self.chance.randint(1, LONGEST)))
        sign = self.chance.choice(_SIGNS)
        if self.chance.random() < 0.3:
            return "".join(chr(self.chance.randint(0x4E00, 0x9FA5)) for _ in range(length))
        return (sign * length)[:length]

    def _deliver(self) -> None:
        entry, items = self.delivery()
        header = ingest_pb2.SubmissionHeader(
            submission_id=new_id("soak"), entry_code=entry, record_count=len(items), file_name=self.name
        )
        rows = [ingest_pb2.Record(row=n + 1, items=one) for n, one in enumerate(items)]
        request = ingest_pb2.SubmitBatchRequest(header=header, records=rows)
        answer = self._ask("IngestService/SubmitBatch", request)
        assert answer.receipt.jws, answer
        bad = [o for o in answer.outcomes if o.outcome != ingest_pb2.OUTCOME_ACCEPTED]
        assert not bad, bad[:3]
        self.records += [Record(o.record_id, items[o.row - 1], o.version) for o in answer.outcomes]
        self.did["delivered"] += len(items)

    def _change(self, record: Record, revoke: bool) -> None:
        because = {
            "record_id": record.record_id,
            "reason": "核查后变更",
            "document_number": f"演更字〔2026〕{self.number()}号",
            "effective_date": date.today().isoformat(),
            "request_id": new_id("soak"),
        }
        if revoke:
            answer = self._ask("IngestService/Revoke", ingest_pb2.RevokeRequest(**because))
            assert answer.outcome == ingest_pb2.OUTCOME_REVOKED, answer
            record.revoked = True
        else:
            items = self.amended(record.items)
            answer = self._ask("IngestService/Amend", ingest_pb2.AmendRequest(items=items, **because))
            assert answer.outcome in (ingest_pb2.OUTCOME_AMENDED, ingest_pb2.OUTCOME_UNCHANGED), answer
            record.items = items
        record.version = answer.version
        self.did["revoked" if revoke else "amended"] += 1

    def _ask(self, method: str, request: Any) -> Any:
        """Asks until there is an answer, as a provider's program does."""
        while True:
            began = time.monotonic()
            try:
                return self.caller.rpc(method, request, timeout=_DELIVERY_SECONDS)
            except Problem as e:
                if e.type.grpc_code is not grpc.StatusCode.UNAVAILABLE and e.type is not GATEWAY_UNREACHABLE:
                    raise
                self.did[f"told {e.type.code}"] += 1
                # The caller's pause, whether or not the time is up: what was begun is ended.
                threading.Event().wait(min(e.retry_after or 1, 2))
            finally:
                self.slowest = max(self.slowest, time.monotonic() - began)


class Licensing(Provider):
    """Licences of many companies with texts of any length, and with dates from the beginning of time to its end."""

    def delivery(self) -> tuple[str, list[dict[str, str]]]:
        """Some licences."""
        return "XZXK", [self._licence() for _ in range(self.chance.choice((1, 3, 20, 60)))]

    def amended(self, items: dict[str, str]) -> dict[str, str]:
        """Another text and another end."""
        start, end = self._days()
        return items | {"XK_NR": self.text(), "XK_YXQZ": start, "XK_YXQZI": end}

    def _licence(self) -> dict[str, str]:
        number, start_end = self.chance.randrange(COMPANIES), self._days()
        code, name = company(number)
        text = {"XK_NR": self.text()} | ({"BZ": self.text()} if self.chance.random() < 0.2 else {})
        days = {"XK_YXQZ": start_end[0], "XK_YXQZI": start_end[1]}
        named = {"XK_XDR_SHXYM": code, "XK_XDR_MC": name, "XK_WSH": f"演许字〔2026〕{self.name}-{self.number()}号"}
        return self.licence | text | days | named

    def _days(self) -> tuple[str, str]:
        """From when until when; most are public, some are over since the year 1."""
        if self.chance.random() < 0.7:
            return "2024-02-29", self.chance.choice(("2099-12-31", "2100-01-01", "9999-12-31"))
        return min(days := self.chance.sample(DAYS, 2)), max(days)


class Joining(Provider):
    """One company under more and more registration numbers, each with records of its own and one that names both."""

    def __init__(self, references: int, code: str, name: str, *rest: Any) -> None:
        super().__init__(*rest)
        self.references, self.company = references, (code, name)

    def delivery(self) -> tuple[str, list[dict[str, str]]]:
        """Records of some of its numbers; new ones as long as there may be more."""
        found: list[dict[str, str]] = []
        for _ in range(self.chance.choice((1, 2, 10))):
            number = self.number()
            reference = f"44170000{number % self.references:06d}"
            own = self._licence(f"own{number}", reference)
            del own["XK_XDR_SHXYM"]
            found += [own, self._licence(f"both{number}", reference)]
        return "XZXK", found

    def amended(self, items: dict[str, str]) -> dict[str, str]:
        """Another text; sometimes it names another number, so that links go and come."""
        named = f"44170000{self.chance.randrange(self.references):06d}"
        both = {"XK_XDR_GSZC": named} if "XK_XDR_SHXYM" in items and self.chance.random() < 0.5 else {}
        return items | {"XK_NR": self.text()[:400]} | both

    def _licence(self, key: str, reference: str) -> dict[str, str]:
        code, name = self.company
        named = {"XK_XDR_SHXYM": code, "XK_XDR_MC": name, "XK_XDR_GSZC": reference, "XK_YXQZI": "2099-12-31"}
        return self.licence | named | {"XK_WSH": f"演许字〔2026〕{self.name}-{key}号", "XK_NR": self.text()[:400]}


class Rating(Provider):
    """Taxpayers whose period of disclosure is counted from a day that may be the last one there is."""

    def delivery(self) -> tuple[str, list[dict[str, str]]]:
        """A few taxpayers, each once a year."""
        return "AJNSR", [self._taxpayer() for _ in range(self.chance.choice((1, 5)))]

    def amended(self, items: dict[str, str]) -> dict[str, str]:
        """Another day."""
        return items | {"NS_RQ": self.chance.choice(DAYS), "NS_WH": f"演税信〔2026〕{self.number()}号"}

    def _taxpayer(self) -> dict[str, str]:
        number = self.number()
        code, name = demo_uscc("91", 820_000 + number, "MD"), f"阳江演示第{number}号茶业有限公司"
        return {
            "NS_MC": name,
            "NS_SBH": code,
            "NS_ND": str(2000 + number % 100),
            "NS_JB": "A",
            "NS_WH": f"演税信〔2026〕{number}号",
            "NS_RQ": self.chance.choice(DAYS),
            "NS_JG": "国家税务总局阳江市税务局",
        }


class Reader(Worker):
    """Asks over HTTP through the gateway, again and again, and keeps what came back and after how long."""

    def __init__(self, what: str, seed: str, stop: threading.Event, caller: Caller, request: "Request") -> None:
        super().__init__(what, seed, stop)
        self.caller, self.request = caller, request
        self.asked: list[Asked] = []

    def act(self) -> None:
        """One request. Its token is not counted: others give it."""
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
        self.asked.append(Asked(self.name, status, code, time.monotonic() - began, began, request_id))


# Method, path and body of the next request.
Request = Callable[[random.Random], tuple[str, str, Any]]


class Tormentor(Worker):
    """Kills or stops a process at drawn moments."""

    def __init__(self, seed: str, stop: threading.Event, city: City) -> None:
        super().__init__("tormentor", seed, stop)
        self.city = city
        self.did: Counter[str] = Counter()
        # When what was done.
        self.log: list[tuple[float, str]] = []

    pause = 10.0

    def act(self) -> None:
        """One of them, in one way."""
        victim, how = self.chance.choice(TORMENTS)
        before = self.city.pids().get(victim, 0)
        if not before:
            return
        self.log.append((time.monotonic(), f"{how} {victim} {before}"))
        # Somebody else may have ended it: the watch of the stores.
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            worker = serving(before)
            if how == "kill":
                os.kill(self.chance.choice((before, worker)), signal.SIGKILL)
            else:
                freeze(worker)
                self._wait_for(how, victim, before, worker)
            self.did[f"{how} {victim}"] += 1

    def _wait_for(self, how: str, victim: str, before: int, worker: int) -> None:
        """Lets it go on after a while, or leaves it to the suite, which starts a store again."""
        try:
            if how == "stop for good":
                until(lambda: self.city.pids().get(victim) not in (0, before, None), f"{victim} was started again", 120)
            else:
                self.stop.wait(self.chance.uniform(0.5, 12))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        self.log.append((time.monotonic(), f"goes on: {victim}"))


TORMENTS: Final = (
    *(("disclosure", "kill"), ("disclosure", "stop"), ("disclosure", "stop")),
    *(("disclosure-store", "kill"), ("disclosure-store", "stop"), ("disclosure-store", "stop for good")),
    *(("ingest", "kill"), ("ingest-store", "kill"), ("ingest-store", "stop")),
)


def company(number: int) -> tuple[str, str]:
    """A licensed company's code and name."""
    return demo_uscc("91", 810_000 + number, "MD"), f"阳江演示第{number}号饮食有限公司"


def providers(city: City, seed: str, stop: threading.Event, references: int, code: str, name: str) -> list[Provider]:
    """Everybody who delivers."""
    regulator = city.market_regulator
    tax = city.machine("tax_bureau", scope="provider")
    return [
        Licensing("licensing", seed, stop, regulator, city),
        Joining(references, code, name, "joining", seed, stop, regulator, city),
        Rating("rating", seed, stop, tax, city),
    ]


def readers(city: City, seed: str, stop: threading.Event, owner: str, code: str, name: str) -> list[Reader]:
    """Everybody who reads; `owner` represents the company with very many references."""
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
    return [Reader(what, seed, stop, caller, request) for what, (caller, request) in callers.items()]
