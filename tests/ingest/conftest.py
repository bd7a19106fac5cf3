"""Ingest as it runs: both faces on a real store, real tokens, a catalog that publishes, an audit that keeps."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.json_format import ParseDict
from werkzeug.test import TestResponse

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.policy import Admission
from chengxin.errors import Problem
from chengxin.feeds.follower import Follower
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.store.database import Store
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import FixedClock
from chengxin.values.ids import SubjectKey, new_id
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_api.ingest.v1 import ingest_pb2_grpc
from demo.identifiers import demo_identity_number, demo_uscc
from services.ingest.__main__ import faces
from services.ingest.context import IngestContext
from services.ingest.domain.receipt import ReceiptSigner
from services.ingest.projections.catalog_replica import CatalogReplica
from services.ingest.store.record_factory import RecordFactory
from services.ingest.store.submissions import IngestStore
from tests.support import Issuer, free_port, until

DEMO = Path(__file__).parents[2] / "demo"
# A Tuesday.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

REGULATOR = "11000000000000027K"
HOUSING = "110000000000000514"
STRANGER = "11000000000000035E"


class AuditService(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events, once each by position as the real one; can be told to be away."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.away = False
        self._highest = 0

    def Append(self, request: audit_pb2.AppendRequest, context: grpc.ServicerContext) -> audit_pb2.AppendResponse:
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if request.positions:
            if request.positions[0] <= self._highest:
                return audit_pb2.AppendResponse()
            self._highest = request.positions[0]
        self.events.extend(json.loads(entry) for entry in request.entries)
        return audit_pb2.AppendResponse(appended=len(request.entries))

    def of(self, act: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["act"] == act]


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """Publishes what it is told, over the real contract."""

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
class Organ:
    """Somebody at ingest's faces."""

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

    def uploads(self, content: bytes, name: str = "records.csv", catalog: str = "XZXK", **form: str) -> TestResponse:
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
class Running:
    """The running ingest and everything that its tests know."""

    ctx: IngestContext
    clock: FixedClock
    issuer: Issuer
    audit: AuditService
    catalog: CatalogService
    app: Any
    stub: ingest_pb2_grpc.IngestServiceStub
    follower: Follower
    address: str

    def organ(self, role: str = "provider", org: str = REGULATOR, language: str = "zh-CN", **claims: Any) -> Organ:
        """Somebody with this role."""
        claims = {"sub": f"client:{org}", "client_id": f"client:{org}", "org": org} | claims
        headers = self.issuer.bearer(role, **claims) | {"Accept-Language": language}
        return Organ(self.stub, self.app.test_client(), headers)

    @property
    def regulator(self) -> Organ:
        return self.organ()

    @property
    def housing(self) -> Organ:
        return self.organ(org=HOUSING)

    @property
    def centre(self) -> Organ:
        return self.organ("centre", org="120000000000001742", sub="officer:centre", client_id="")

    @property
    def disclosure(self) -> Organ:
        return self.organ("service", org="", sub="disclosure", client_id="disclosure")

    @property
    def objection(self) -> Organ:
        return self.organ("service", org="", sub="objection", client_id="objection")

    def knows(self, position: int) -> None:
        """Waits until ingest has heard of a change of the catalog."""
        until(lambda: self.follower.position >= position, f"position {position} of the catalog's feed")

    def watched(self, count: int, after: int = 0) -> list[Any]:
        """The first messages of the feed after a position, until they hold `count` records."""
        return _until(self.stub.Watch, self.disclosure, count, after)

    def corrections(self, count: int) -> list[Any]:
        """The first messages of the feed of corrections, until they hold `count` records."""
        return _until(self.stub.WatchCorrections, self.objection, count)


def _until(watch: Any, who: Organ, count: int, after: int = 0) -> list[Any]:
    metadata = [(name.lower(), value) for name, value in who.headers.items()]
    call = watch(pb.WatchRequest(after=after), metadata=metadata, timeout=30)
    found: list[Any] = []
    for change in call:
        found.append(change)
        if sum(len(c.records) for c in found) >= count:
            break
    call.cancel()
    return found


@pytest.fixture
def ingest(stores: Callable[[str], str], issuer: Issuer) -> Iterator[Running]:
    """A new ingest that knows the demonstration catalog, on a database of its own."""
    yield from running_ingest(stores(new_id("ingest")), issuer)


def running_ingest(uri: str, issuer: Issuer) -> Iterator[Running]:
    """An ingest on a store."""
    clock, audit, catalog = FixedClock(TODAY), AuditService(), CatalogService()
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
    ours.create_indexes()
    ours.keep_receipt_key(signer.jwk)
    watch = catalog_pb2_grpc.CatalogServiceStub(channel).Watch
    follower = Follower(
        "catalog", store, lambda after: watch(catalog_pb2.WatchRequest(after=after)), ctx.directory.apply
    )
    admission = Admission(issuer.verifier, ctx.audit, store.silence)
    app, servicers = faces(ctx, admission, lambda: {"store": True})
    mine = free_port()
    server = make_server(f"127.0.0.1:{mine}", admission, servicers)
    server.start()
    relay.start()
    follower.start()
    stub = ingest_pb2_grpc.IngestServiceStub(make_channel(f"127.0.0.1:{mine}"))
    running = Running(ctx, clock, issuer, audit, catalog, app, stub, follower, f"127.0.0.1:{mine}")
    running.knows(len(catalog.changes))
    yield running
    follower.stop()
    relay.stop()
    server.stop(None)
    until(lambda: not relay._thread.is_alive(), "the relay ends")
    others.stop(None)
    store.close()


def demo_entry(code: str) -> dict[str, Any]:
    """A demonstration entry."""
    return dict(json.loads((DEMO / "catalog" / f"{code}.json").read_text()))


def licence(number: int = 1, **changes: str) -> dict[str, str]:
    """A valid licensing record, another one for each number."""
    return {
        "XK_XDR_MC": f"阳江演示{number % 97}有限公司",
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": demo_uscc("91", number % 97, "MA"),
        "XK_FRDB": "王强",
        "XK_FR_ZJLX": "身份证",
        "XK_FR_ZJHM": demo_identity_number(date(1890, 3, 2), 1),
        "XK_XKWS": "食品经营许可证",
        "XK_WSH": f"演许字〔2026〕{number}号",
        "XK_XKLB": "普通",
        "XK_NR": "食品经营",
        "XK_JDRQ": "2026-11-02",
        "XK_YXQZ": "2026-11-02",
        "XK_YXQZI": "2031-11-01",
        "XK_XKJG": "阳江市市场监督管理局",
        "XK_XKJGDM": REGULATOR,
        "XK_ZT": "1",
        "XK_LYDW": "阳江市市场监督管理局",
        "XK_LYDWDM": REGULATOR,
    } | changes


def licences(count: int, first: int = 1) -> list[dict[str, str]]:
    """Valid licensing records."""
    return [licence(number) for number in range(first, first + count)]


def wrong_digit(code: str) -> str:
    """The code with another check digit."""
    return code[:-1] + ("1" if code[-1] != "1" else "2")
