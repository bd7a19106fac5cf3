"""Disclosure as it runs: both faces on a real store, real followers of feeds that the test speaks through, real tokens."""

import json
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from werkzeug.test import TestResponse

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.policy import Admission
from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import CatalogParts, ObjectionParts
from chengxin.feeds.quarantine import QUARANTINE, Quarantine
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.process.operations import Operations
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import FixedClock
from chengxin.values.ids import SubjectKey, new_id
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from services.disclosure.__main__ import faces
from services.disclosure.context import DisclosureContext
from services.disclosure.projections.consumers import (
    Pieces,
    SealedRecords,
    apply_catalog,
    apply_ingest,
    apply_objection,
)
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore
from tests.support import Issuer, free_port, until

DEMO = Path(__file__).parents[2] / "demo"
# A Tuesday, noon in Yangjiang.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

CODES = ("XZXK", "XZCF", "CFGR", "SXBZX", "SBJF", "SDQQF", "QYDJ", "AJNSR", "ZYZG")
COMPANY = "91000000MA000901XJ"
LI_NA = "441702189001010020"
REGULATOR = "11441700007332458X"


class AuditService(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events; can be away."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.away = False

    def Append(self, request: audit_pb2.AppendRequest, context: grpc.ServicerContext) -> audit_pb2.AppendResponse:
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.events.extend(json.loads(entry) for entry in request.entries)
        return audit_pb2.AppendResponse(appended=len(request.entries))

    def of(self, act: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["act"] == act]


class Feed:
    """Another service's feed, as a stream: what the test tells it, in order."""

    def __init__(self) -> None:
        self._told: queue.Queue[Any] = queue.Queue()
        self.after = 0

    def __call__(self, after: int) -> "Feed":
        self.after = after
        return self

    def tell(self, change: Any) -> None:
        self._told.put(change)

    def initial_metadata(self) -> None:
        return None

    def cancel(self) -> None:
        self._told.put(None)

    def __iter__(self) -> Iterator[Any]:
        while (change := self._told.get()) is not None:
            yield change


@dataclass
class Desk:
    """Somebody at disclosure's HTTP face."""

    client: Any
    headers: dict[str, str]

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=self.headers | headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers | headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers | headers)


@dataclass
class Running:
    """The running service and everything that its tests know."""

    ctx: DisclosureContext
    clock: FixedClock
    issuer: Issuer
    audit: AuditService
    app: Any
    stub: disclosure_pb2_grpc.DisclosureServiceStub
    relay: Relay
    quarantine: Quarantine
    kept: dict[str, Any] = field(default_factory=dict)
    position: int = 0

    def desk(self, *roles: str, **claims: Any) -> Desk:
        """Somebody with these roles."""
        language = claims.pop("language", "zh-CN")
        return Desk(self.app.test_client(), self.issuer.bearer(*roles, **claims) | {"Accept-Language": language})

    @property
    def anybody(self) -> Desk:
        return self.desk("public", sub="anonymous")

    def person(self, identity_number: str = LI_NA) -> Desk:
        """A citizen who has proved who she is."""
        return self.desk("subject", sub=self.ref(identity_number))

    def metadata(self, *roles: str, **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.token(*roles, **claims)}"),)

    def ref(self, identifier: str) -> str:
        scheme = "identity_number" if identifier[:6] == "441702" else "uscc"
        return self.ctx.subject_key.subject_ref(scheme, identifier)

    def publishes(self, code: str, version: int = 1, **changes: Any) -> None:
        """The catalog publishes a demonstration entry, changed at will."""
        entry = catalog_pb2.Entry()
        ParseDict(demo_entry(code) | {"version": version} | changes, entry)
        self.told(apply_catalog, catalog_pb2.Change(entry=entry))

    def record(self, code: str, identifier: str, name: str, key: str, **items: Any) -> ingest_pb2.RecordVersion:
        """A record version as ingest publishes it: identifiers sealed. `record_id` comes from `key`."""
        version = items.pop("version", 1)
        revoked = items.pop("revoked", False)
        at = items.pop("at", self.clock.now())
        entry_version = items.pop("entry_version", 1)
        entry = demo_entry(code)
        values = {k: str(v) for k, v in items.items()}
        values[entry["subject_name_item"]] = name
        individual = identifier[:6] == "441702"
        values[entry["subject_id_items"][-1 if individual else 0]] = identifier
        sealed = {i["code"] for i in entry["items"] if i.get("sensitivity") == "identifier"}
        made = ingest_pb2.RecordVersion(
            record_id=self.record_id(key),
            version=version,
            entry_code=code,
            entry_version=entry_version,
            provider_uscc=REGULATOR,
            provider_name="阳江市市场监督管理局",
            subject=ingest_pb2.SubjectIdentity(
                subject_ref=self.ref(identifier),
                kind="individual" if individual else "enterprise",
                name=name,
                scheme="identity_number" if individual else "uscc",
                uscc="" if individual else identifier,
            ),
            items={k: self.ctx.keys.encrypt(v, k) if k in sealed else v for k, v in values.items()},
            revoked=revoked,
        )
        made.recorded_at.FromDatetime(at)
        return made

    @staticmethod
    def record_id(key: str) -> str:
        return f"r_{key}"

    def delivers(self, *records: ingest_pb2.RecordVersion) -> None:
        """Ingest publishes record versions, applied at once."""
        self.told(apply_ingest, ingest_pb2.Change(records=records, last=True))

    def objection(self, number: str, key: str, is_open: bool, position: int = 0) -> None:
        """The objection service publishes a state."""
        change = objection_pb2.Change(
            objection_no=number, record_id=self.record_id(key), state="filed", open=is_open, position=position
        )
        self.position += 1
        change.position = position or self.position
        self.ctx.store.transact(lambda unit: apply_objection(self.ctx, unit, change))

    def told(self, apply: Callable[..., None], change: Any) -> None:
        """A change arrives."""
        self.position += 1
        change.position = self.position
        self.ctx.store.transact(lambda unit: apply(self.ctx, unit, change))

    def public(self, identifier: str = COMPANY, query: str = "") -> list[dict[str, Any]]:
        """The public records of a subject, all those on the first page."""
        answer = self.anybody.get(f"/v1/public/subjects/{self.ref(identifier)}{query}")
        return [] if answer.status_code == 404 else answer.json["records"]

    def found(self, text: str) -> list[dict[str, Any]]:
        """What a public search finds."""
        answer = self.anybody.get("/v1/public/subjects?q=" + text)
        assert answer.status_code == 200, answer.text
        return answer.json["subjects"]


@pytest.fixture
def disclosure(stores: Callable[[str], str], issuer: Issuer) -> Iterator[Running]:
    """A new disclosure with the demonstration catalog, on a database of its own."""
    clock = FixedClock(TODAY)
    audit, audit_port = AuditService(), free_port()
    audit_server = grpc.server(ThreadPoolExecutor(4))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audit, audit_server)
    audit_server.add_insecure_port(f"127.0.0.1:{audit_port}")
    audit_server.start()
    audit_stub = audit_pb2_grpc.AuditServiceStub(make_channel(f"127.0.0.1:{audit_port}"))

    store = Store(stores(new_id("disclosure")), "disclosure", clock)
    trail = AuditTrail("disclosure", audit_stub, tuple, clock)
    quarantine = Quarantine(store, clock)
    relay = Relay(store, audit_stub, tuple, quarantine)
    kept = DisclosureStore(store)
    keys = KeyRing({1: b"k" * 32})
    ctx = DisclosureContext(kept, NameIndex(kept), trail, clock, keys, SubjectKey(b"s" * 32))
    kept.create_indexes()
    admission = Admission(issuer.verifier, ctx.audit, store.silence)
    state = lambda: {"store": True, QUARANTINE: quarantine.is_empty()}  # noqa: E731
    app, servicers = faces(ctx, admission, state, Operations(trail, quarantine))
    port = free_port()
    server = make_server(f"127.0.0.1:{port}", admission, servicers)
    server.start()
    relay.start()
    stub = disclosure_pb2_grpc.DisclosureServiceStub(make_channel(f"127.0.0.1:{port}"))
    yield Running(ctx, clock, issuer, audit, app, stub, relay, quarantine)
    relay.stop()
    server.stop(None)
    until(lambda: not relay._thread.is_alive(), "the relay ends")
    audit_server.stop(None)
    store.close()


@pytest.fixture
def city(disclosure: Running) -> Running:
    """With the entries that most tests speak of."""
    entries = [ParseDict(demo_entry(code) | {"version": 1}, catalog_pb2.Entry()) for code in CODES]

    def publish(unit: UnitOfWork) -> None:
        for entry in entries:
            apply_catalog(disclosure.ctx, unit, catalog_pb2.Change(entry=entry))

    disclosure.ctx.store.transact(publish)
    return disclosure


def follower(running: Running, source: str, feed: Feed, patience: float = 30) -> Follower:
    """A real follower of a feed."""
    pieces = Pieces()
    apply = {
        "catalog": lambda unit, change: apply_catalog(running.ctx, unit, change),
        "ingest": lambda unit, change: pieces.apply(running.ctx, unit, change),
        "objection": lambda unit, change: apply_objection(running.ctx, unit, change),
    }[source]
    watch = (lambda after: pieces.of(feed(after))) if source == "ingest" else feed
    parts = {"catalog": CatalogParts(), "ingest": SealedRecords(running.ctx.keys), "objection": ObjectionParts()}[
        source
    ]
    return Follower(source, running.ctx.store.store, watch, apply, parts, running.quarantine, patience)


def demo_entry(code: str) -> dict[str, Any]:
    """A demonstration entry."""
    return dict(json.loads((DEMO / "catalog" / f"{code}.json").read_text()))
