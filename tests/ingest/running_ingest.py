"""Ingest as it runs, seen by its tests: both faces on a real store, real tokens, and the catalog that it follows."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import ParseDict
from werkzeug.test import TestResponse

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.admission import Admission
from chengxin.errors import Problem
from chengxin.feeds.follower import Follower
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.store.database import Store
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import FixedClock, SystemClock
from chengxin.values.ids import SubjectKey, new_id
from chengxin_api.audit.v1 import audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_api.ingest.v1 import ingest_pb2_grpc
from services.ingest.__main__ import faces
from services.ingest.context import IngestContext
from services.ingest.domain.receipt import ReceiptSigner
from services.ingest.projections.catalog_replica import CatalogReplica
from services.ingest.store.ingest_store import IngestStore
from services.ingest.store.record_factory import RecordFactory
from tests.documents import must_fit
from tests.faces import borrowed
from tests.ingest.deliveries import REGULATOR
from tests.support import Issuer, RecordingAuditService, free_port, until

DEMO = Path(__file__).parents[2] / "demo"
# A Tuesday.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
HOUSING = "110000000000000514"
STRANGER = "11000000000000035E"


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """Publishes the changes that a test gives it, over the real contract."""

    def __init__(self) -> None:
        self.changes: list[Any] = []

    def publishes(self, entry: dict[str, Any], version: int = 1, begins: str = "2020-01-01", ends: str = "") -> int:
        body = entry | {"version": version, "effective_from": begins, "effective_to": ends}
        change = catalog_pb2.Change(position=len(self.changes) + 1, entry=ParseDict(body, catalog_pb2.Entry()))
        self.changes.append(change)
        return len(self.changes)

    def announces(self, year: int) -> None:
        days = catalog_pb2.CalendarYear(year=year, announced=True, days_off=[f"{year}-10-01"])
        self.changes.append(catalog_pb2.Change(position=len(self.changes) + 1, calendar_year=days))

    def Watch(self, request: catalog_pb2.WatchRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        context.send_initial_metadata(())
        told = request.after
        while context.is_active():
            until(lambda n=told: len(self.changes) > n or not context.is_active(), "a change", 3600)
            yield from self.changes[told:]
            told = len(self.changes)


class Refusal(Exception):
    """A gRPC refusal, by its code."""


@dataclass
class IngestCaller:
    """A caller of ingest over HTTP and gRPC."""

    stub: ingest_pb2_grpc.IngestServiceStub
    client: Any
    headers: dict[str, str]

    def rpc(self, method: str, request: Any) -> Any:
        metadata = [(name.lower(), value) for name, value in self.headers.items()]
        try:
            return getattr(self.stub, method)(request, metadata=metadata, timeout=60)
        except grpc.RpcError as e:
            raise Problem.from_rpc(e) from None

    def submits(self, records: list[dict[str, str]], batch: int = 100, first: int = 1, **header: Any) -> Any:
        """A stream of batches; `first` is the number of the first batch sent."""
        return self.rpc("Submit", iter(stream(records, batch, first, **header)))

    def submits_batch(self, *records: dict[str, str], **header: Any) -> Any:
        rows = [pb.Record(row=row, items=items) for row, items in enumerate(records, 1)]
        return self.rpc("SubmitBatch", pb.SubmitBatchRequest(header=head(**header), records=rows))

    def submission(self, submission_id: str) -> Any:
        return self.rpc("GetSubmission", pb.GetSubmissionRequest(submission_id=submission_id))

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, headers=self.headers, **options)

    def post(self, path: str, body: Any) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers)

    def uploads(self, content: bytes, name: str = "records.csv", catalog: str = "XZXK", **form: Any) -> TestResponse:
        data = {"catalog": catalog, "file": (io.BytesIO(content), name), **form}
        return self.client.post("/v1/submissions", data=data, headers=self.headers)


def head(**fields: Any) -> Any:
    """A header; with an id of its own unless one is given."""
    return pb.SubmissionHeader(**({"submission_id": new_id("sub"), "entry_code": "XZXK"} | fields))


def stream(records: list[dict[str, str]], batch: int = 100, first: int = 1, **header: Any) -> Iterator[Any]:
    """The messages of a delivery."""
    yield pb.SubmitRequest(header=head(**header))
    for number, start in enumerate(range(0, len(records), batch), 1):
        rows = [pb.Record(row=start + n, items=items) for n, items in enumerate(records[start : start + batch], 1)]
        if number >= first:
            yield pb.SubmitRequest(batch=pb.RecordBatch(number=number, records=rows))
    if not header.get("record_count"):
        yield pb.SubmitRequest(end=pb.End())


@dataclass
class RunningIngest:
    """The running ingest, with what its tests need to know of it."""

    ctx: IngestContext
    clock: FixedClock
    issuer: Issuer
    audit: RecordingAuditService
    catalog: CatalogService
    app: Any
    stub: ingest_pb2_grpc.IngestServiceStub
    follower: Follower
    address: str

    def caller(
        self, role: str = "provider", org: str = REGULATOR, language: str = "zh-CN", **claims: Any
    ) -> IngestCaller:
        """A caller with this role."""
        claims = {"sub": f"client:{org}", "client_id": f"client:{org}", "org": org} | claims
        headers = self.issuer.bearer(role, **claims) | {"Accept-Language": language}
        return IngestCaller(self.stub, self.app.test_client(), headers)

    @property
    def regulator(self) -> IngestCaller:
        return self.caller()

    @property
    def housing(self) -> IngestCaller:
        return self.caller(org=HOUSING)

    @property
    def centre(self) -> IngestCaller:
        return self.caller("centre", org="120000000000001742", sub="officer:centre", client_id="")

    @property
    def disclosure(self) -> IngestCaller:
        return self.caller("service", org="", sub="disclosure", client_id="disclosure")

    @property
    def objection(self) -> IngestCaller:
        return self.caller("service", org="", sub="objection", client_id="objection")

    def knows(self, position: int) -> None:
        """Waits until ingest has heard of a change of the catalog."""
        until(lambda: self.follower.position >= position, f"position {position} of the catalog's feed")

    def watched(self, count: int, after: int = 0) -> list[Any]:
        """The first messages of the feed after a position, until they hold `count` records."""
        return _until(self.stub.Watch, self.disclosure, count, after)

    def corrections(self, count: int) -> list[Any]:
        """The first messages of the feed of corrections, until they hold `count` records."""
        return _until(self.stub.WatchCorrections, self.objection, count)


def _until(watch: Any, who: IngestCaller, count: int, after: int = 0) -> list[Any]:
    metadata = [(name.lower(), value) for name, value in who.headers.items()]
    call = watch(pb.WatchRequest(after=after), metadata=metadata, timeout=30)
    found: list[Any] = []
    for change in call:
        found.append(change)
        if sum(len(c.records) for c in found) >= count:
            break
    call.cancel()
    return found


def make_collections(uri: str) -> None:
    """Makes the collections and indexes of ingest."""
    store = Store(uri, "ingest", SystemClock())
    IngestStore(store).create_indexes()
    store.close()


def running_ingest(uri: str, issuer: Issuer) -> Iterator[RunningIngest]:
    """An ingest on a store that has its collections."""
    clock, audit, catalog = FixedClock(TODAY), RecordingAuditService(), CatalogService()
    for code in ("XZXK", "QYDJ"):
        catalog.publishes(demo_entry(code))
    catalog.announces(2026)
    port = free_port()
    others = grpc.server(ThreadPoolExecutor(8))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audit, others)
    catalog_pb2_grpc.add_CatalogServiceServicer_to_server(catalog, others)
    others.add_insecure_port(f"127.0.0.1:{port}")
    others.start()
    channel = make_channel(f"127.0.0.1:{port}")
    audit_stub = audit_pb2_grpc.AuditServiceStub(channel)

    store = Store(uri, "ingest", clock)
    trail = AuditTrail("ingest", audit_stub, tuple, clock)
    relay = Relay(store, audit_stub, tuple)
    ours = IngestStore(store)
    ring = KeyRing({1: bytes(32)})
    signer = ReceiptSigner(Ed25519PrivateKey.generate())
    ctx = IngestContext(
        ours, trail, clock, CatalogReplica(ours), RecordFactory(SubjectKey(b"s" * 32), ring), ring, signer
    )
    ours.keep_receipt_key(signer.jwk)
    watch = catalog_pb2_grpc.CatalogServiceStub(channel).Watch
    follower = Follower(
        "catalog", store, lambda after: watch(catalog_pb2.WatchRequest(after=after)), ctx.directory.apply
    )
    admission = Admission(issuer.verifier, ctx.audit, store.silence)
    with borrowed(faces, ctx, admission, lambda: {"store": True}) as (app, servicers):
        mine = free_port()
        server = make_server(f"127.0.0.1:{mine}", admission, servicers)
        server.start()
        relay.start()
        follower.start()
        stub = ingest_pb2_grpc.IngestServiceStub(make_channel(f"127.0.0.1:{mine}"))
        running = RunningIngest(ctx, clock, issuer, audit, catalog, app, stub, follower, f"127.0.0.1:{mine}")
        running.knows(len(catalog.changes))
        yield running
        must_fit("ingest", store.db)
        follower.stop()
        relay.stop()
        server.stop(None)
        assert relay.ended(20)
        others.stop(None)
    store.close()


def demo_entry(code: str) -> dict[str, Any]:
    """A demonstration entry."""
    return dict(json.loads((DEMO / "catalog" / f"{code}.json").read_text()))
