"""A provider's portal that follows the public feed, and the report of what it shows."""

from dataclasses import dataclass, field
from typing import Any

from chengxin_api.ingest.v1 import ingest_pb2
from tests.disclosure.running_disclosure import COMPANY, REGULATOR, DisclosureCaller, RunningDisclosure, demo_entry

NAME = "阳江市海陵食品有限公司"
OTHER = "91000000MA4W1ABC4Y"


def licence(
    city: RunningDisclosure, key: str = "a", identifier: str = COMPANY, **items: Any
) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": key, "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", identifier, NAME, key, **fields)


def feed(caller: DisclosureCaller, query: str = "") -> dict[str, Any]:
    answer = caller.get(f"/v1/public/feed{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def changes(caller: DisclosureCaller, query: str = "") -> list[tuple[str, bool]]:
    """Which records, and whether they are public."""
    return [(c["record_id"], c["record"] is not None) for c in feed(caller, query)["changes"]]


@dataclass
class Portal:
    """A provider's portal, as the guide tells how to make one (docs/operations/portal.md)."""

    caller: DisclosureCaller
    provider: str = ""
    size: int = 200
    position: int = 0
    shows: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)

    def follow(self) -> dict[str, Any]:
        """Asks until there is no more."""
        while True:
            query = f"?after={self.position}&provider={self.provider}&page_size={self.size}"
            answer = feed(self.caller, query)
            assert len(answer["changes"]) <= self.size
            for change in answer["changes"]:
                self.positions.append(change["position"])
                if change["record"] is None:
                    self.shows.pop(change["record_id"], None)
                    self.etags.pop(change["record_id"], None)
                else:
                    self.shows[change["record_id"]] = change["record"]
                    self.pages[change["record_id"]] = change["subject_ref"]
                    self.etags[change["record_id"]] = change["etag"]
            self.position = answer["position"]
            if not answer["more"]:
                return self.shows


def on_page(city: RunningDisclosure, identifier: str = COMPANY) -> dict[str, dict[str, Any]]:
    return {r["record_id"]: r for r in city.public(identifier)}


def provider(city: RunningDisclosure, org: str = REGULATOR) -> DisclosureCaller:
    return city.caller("provider", sub="portal", client_id="portal", org=org)


def compared(city: RunningDisclosure, shows: dict[str, str], org: str = REGULATOR, **slice_: str) -> dict[str, Any]:
    """What differs from what a portal shows: by record, the etag that came with it."""
    records = [{"record_id": i, "etag": etag} for i, etag in shows.items()]
    answer = provider(city, org).post("/v1/public/feed/differences", {"records": records, **slice_})
    assert answer.status_code == 200, answer.text
    return {k: v for k, v in answer.json.items() if k not in ("audit_event_id",)}


def _items(code: str) -> list[dict[str, Any]]:
    return list(demo_entry(code)["items"])
