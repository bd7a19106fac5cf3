"""Providers of a soaked city, who deliver, amend and revoke."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import grpc

from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_cli.gateway_client import GATEWAY_UNREACHABLE, Caller
from demo.identifiers import demo_uscc
from tests.accepted import DAYS
from tests.city import City
from tests.e2e.soaking.worker import Worker

# As long as an entry allows.
LONGEST: Final = 4000
COMPANIES: Final = 40
# What has happened is not after today, whenever the city is soaked.
_PAST: Final = tuple(day for day in DAYS if day < "2025")
# Characters of one, two, three and four bytes; random ones do not compress.
_SIGNS: Final = ("长", "a", "é", "𠮷", "许可内容与证书不符，", "0123456789")
# How long ingest may take to answer, whatever happens to its store (decision 23), with the time on the network.
_DELIVERY_SECONDS: Final = 75.0


@dataclass
class SubmittedRecord:
    """A record as its provider knows it."""

    record_id: str
    items: dict[str, str]
    version: int
    revoked: bool = False


class Provider(Worker):
    """Delivers, amends and revokes, each until there is an answer, also for what is under way when time is up."""

    pause = 1.5

    def __init__(self, name: str, seed: str, stop: threading.Event, caller: Caller, city: City) -> None:
        super().__init__(name, seed, stop)
        self.caller = caller
        self.licence: dict[str, str] = dict(city.people["licence"])
        self.records: list[SubmittedRecord] = []
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
        """A new number each time."""
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
        self.records += [SubmittedRecord(o.record_id, items[o.row - 1], o.version) for o in answer.outcomes]
        self.did["delivered"] += len(items)

    def _change(self, record: SubmittedRecord, revoke: bool) -> None:
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
        """Repeats a request until there is an answer, as a provider's program does."""
        while True:
            began = time.monotonic()
            try:
                return self.caller.rpc(method, request, timeout=_DELIVERY_SECONDS)
            except Problem as e:
                if e.type.grpc_code is not grpc.StatusCode.UNAVAILABLE and e.type is not GATEWAY_UNREACHABLE:
                    raise
                self.did[f"told {e.type.code}"] += 1
                # It waits also when the time is up, because what was begun is completed.
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
        """First and last day; most licences are public, some ended in the year 1."""
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
        return items | {"NS_RQ": self.chance.choice(_PAST), "NS_WH": f"演税信〔2026〕{self.number()}号"}

    def _taxpayer(self) -> dict[str, str]:
        number = self.number()
        code, name = demo_uscc("91", 820_000 + number, "MD"), f"阳江演示第{number}号茶业有限公司"
        return {
            "NS_MC": name,
            "NS_SBH": code,
            "NS_ND": str(2000 + number % 100),
            "NS_JB": "A",
            "NS_WH": f"演税信〔2026〕{number}号",
            "NS_RQ": self.chance.choice(_PAST),
            "NS_JG": "国家税务总局阳江市税务局",
        }


def company(number: int) -> tuple[str, str]:
    """A licensed company's code and name."""
    return demo_uscc("91", 810_000 + number, "MD"), f"阳江演示第{number}号饮食有限公司"


def providers(city: City, seed: str, stop: threading.Event, references: int, code: str, name: str) -> list[Provider]:
    """All providers."""
    regulator = city.market_regulator
    tax = city.machine("tax_bureau", scope="provider")
    return [
        Licensing("licensing", seed, stop, regulator, city),
        Joining(references, code, name, "joining", seed, stop, regulator, city),
        Rating("rating", seed, stop, tax, city),
    ]
