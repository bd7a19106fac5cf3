"""A catalog as it runs: both faces on a real store, real tokens, and an audit service that keeps what it is sent."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from werkzeug.test import TestResponse

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.admission import Admission
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.store.database import Store
from chengxin.values.clock import FixedClock, SystemClock
from chengxin.values.ids import new_id
from chengxin_api.audit.v1 import audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from services.catalog.__main__ import faces
from services.catalog.context import CatalogContext
from services.catalog.store.catalog import CatalogStore
from services.catalog.usecases.initial_data import seed
from tests.databases import lent
from tests.documents import forget_writes, must_fit
from tests.faces import borrowed
from tests.support import Issuer, RecordingAuditService, free_port

DEMO = Path(__file__).parents[2] / "demo"
# A Tuesday; the notice for 2027 is not out yet.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


@dataclass
class CatalogCaller:
    """A caller of the catalog over HTTP."""

    client: Any
    headers: dict[str, str]

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers | headers)

    def put(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.client.put(path, json=body, headers=self.headers | headers)

    def publishes(self, entry: dict[str, Any], effective_from: str, effective_to: str = "") -> TestResponse:
        """Makes a draft of an entry and publishes it."""
        draft = self.post("/v1/catalog/drafts", entry)
        assert draft.status_code == 201, draft.text
        assert draft.headers["Location"] == f"/v1/catalog/drafts/{draft.json['draft_id']}"
        period = {"revision": 1, "effective_from": effective_from, "effective_to": effective_to}
        return self.post(f"/v1/catalog/drafts/{draft.json['draft_id']}/publish", period)


@dataclass
class RunningCatalog:
    """The running catalog, with what its tests need to know of it."""

    ctx: CatalogContext
    clock: FixedClock
    issuer: Issuer
    audit: RecordingAuditService
    app: Any
    stub: catalog_pb2_grpc.CatalogServiceStub
    kept: dict[str, Any] = field(default_factory=dict)

    def caller(self, *roles: str, **claims: Any) -> CatalogCaller:
        """A caller with these roles."""
        language = claims.pop("language", "zh-CN")
        return CatalogCaller(
            self.app.test_client(), self.issuer.bearer(*roles, **claims) | {"Accept-Language": language}
        )

    @property
    def authority(self) -> CatalogCaller:
        return self.caller("authority", sub="officer:authority")

    @property
    def anybody(self) -> CatalogCaller:
        return self.caller("public")

    def metadata(self, *roles: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.token(*roles)}"),)

    def changes(self, after: int, count: int) -> list[catalog_pb2.Change]:
        """So many changes of the feed after a position."""
        request = catalog_pb2.WatchRequest(after=after)
        stream = self.stub.Watch(request, metadata=self.metadata("service"), timeout=20)
        read = [next(stream) for _ in range(count)]
        stream.cancel()
        return read


@pytest.fixture(scope="session")
def seeded(stores: Callable[[str], str]) -> dict[str, list[dict[str, Any]]]:
    """What a new catalog's store holds, by collection: seeding is half of what a test of the catalog would take."""
    clock = FixedClock(TODAY)
    store = Store(stores(new_id("catalog")), "catalog", clock)
    # The outbox puts on record what is seeded; no audit service listens here.
    trail = AuditTrail("catalog", audit_pb2_grpc.AuditServiceStub(make_channel("127.0.0.1:1")), tuple, clock)
    ctx = CatalogContext(CatalogStore(store), trail, clock)
    ctx.store.create_indexes()
    seed(ctx)
    must_fit("catalog", store.db)
    found = {name: list(store.db[name].find()) for name in store.db.list_collection_names()}
    store.close()
    return found


def make_collections(uri: str) -> None:
    """Makes the collections and indexes of the catalog."""
    store = Store(uri, "catalog", SystemClock())
    CatalogStore(store).create_indexes()
    store.close()


@pytest.fixture
def empty(stores: Callable[[str], str]) -> Iterator[str]:
    """The URI of a database without documents."""
    with lent(stores, "catalog", make_collections) as uri:
        yield uri


@pytest.fixture
def catalog(empty: str, issuer: Issuer, seeded: dict[str, list[dict[str, Any]]]) -> Iterator[RunningCatalog]:
    """A new catalog with what it seeds."""
    clock = FixedClock(TODAY)
    audit, audit_port = RecordingAuditService(), free_port()
    audit_server = grpc.server(ThreadPoolExecutor(4))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audit, audit_server)
    audit_server.add_insecure_port(f"127.0.0.1:{audit_port}")
    audit_server.start()
    audit_stub = audit_pb2_grpc.AuditServiceStub(make_channel(f"127.0.0.1:{audit_port}"))

    store = Store(empty, "catalog", clock)
    trail = AuditTrail("catalog", audit_stub, tuple, clock)
    relay = Relay(store, audit_stub, tuple)
    ctx = CatalogContext(CatalogStore(store), trail, clock)
    for name, rows in seeded.items():
        if rows:
            store.db[name].insert_many(rows)
    forget_writes(store.db)
    admission = Admission(issuer.verifier, ctx.audit, store.silence)
    with borrowed(faces, ctx, admission, lambda: {"store": True}) as (app, servicers):
        port = free_port()
        server = make_server(f"127.0.0.1:{port}", admission, servicers)
        server.start()
        relay.start()
        stub = catalog_pb2_grpc.CatalogServiceStub(make_channel(f"127.0.0.1:{port}"))
        yield RunningCatalog(ctx, clock, issuer, audit, app, stub)
        must_fit("catalog", store.db)
        relay.stop()
        server.stop(None)
        assert relay.ended(20)
        audit_server.stop(None)
    store.close()


@pytest.fixture
def licensing() -> dict[str, Any]:
    """The demonstration entry of administrative licensing; a test may change it."""
    return demo_entry("XZXK")


def demo_entry(code: str) -> dict[str, Any]:
    """A demonstration entry."""
    return dict(json.loads((DEMO / "catalog" / f"{code}.json").read_text()))
