"""The objection service as it runs: both faces on a real store, feeds over gRPC, real tokens."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from werkzeug.test import TestResponse

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.feeds.follower import Follower
from chengxin.feeds.quarantine import Quarantine, QuarantineRetrier
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.process.bootstrap import WiredService
from chengxin.process.settings import Settings
from chengxin.store.database import Store
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import FixedClock, SystemClock
from chengxin_api.audit.v1 import audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2_grpc
from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2_grpc
from chengxin_api.objection.v1 import objection_pb2_grpc
from services.objection.__main__ import faces, feeds
from services.objection.clients.disclosure import references_of
from services.objection.clients.ingest import records_of
from services.objection.context import ObjectionContext
from services.objection.store.cases import ObjectionStore
from services.objection.usecases.recompute_deadlines import DeadlineRecounter
from tests.databases import lent
from tests.documents import must_fit
from tests.faces import borrowed
from tests.objection.sources import (
    REGULATOR,
    YEARS,
    CatalogSource,
    DisclosureSource,
    IngestSource,
    served,
)
from tests.support import Issuer, RecordingAuditService, free_port, until

# A Tuesday.
TODAY = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
COMPANY = "s_company"
LI_NA = "s_li_na"
RECORD = "r_licence"
TEXT = {
    "name": "许可证.txt",
    "content_type": "text/plain",
    "content": base64.b64encode("许可证原件：食品经营（不含网络经营）".encode()).decode(),
}


@dataclass
class ObjectionCaller:
    """A caller of the objection service over HTTP."""

    client: Any
    headers: dict[str, str]

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.client.post(path, json=body, headers=self.headers | headers)

    def form(self, path: str, fields: dict[str, Any]) -> TestResponse:
        return self.client.post(path, data=fields, headers=self.headers, content_type="multipart/form-data")

    def files(self, **changes: Any) -> TestResponse:
        """Files an objection to the company's licence."""
        key = {"Idempotency-Key": changes.pop("key")} if "key" in changes else {}
        body = {"record_id": RECORD, "items": ["XK_NR"], "statement": "许可内容与证书不符", "evidence": [TEXT]}
        return self.post("/v1/me/objections", body | changes, **key)

    def does(self, act: str, number: str, **body: Any) -> dict[str, Any]:
        """An act on a case that must succeed."""
        done = self.post(f"/v1/objections/{number}/{act}", body)
        assert done.status_code == 200, done.text
        return dict(done.json)


@dataclass
class RunningObjection:
    """The running service, with what its tests need to know of it."""

    ctx: ObjectionContext
    clock: FixedClock
    issuer: Issuer
    audit: RecordingAuditService
    catalog: CatalogSource
    ingest: IngestSource
    disclosure: DisclosureSource
    feeds: list[Follower]
    app: Any
    stub: objection_pb2_grpc.ObjectionServiceStub
    uri: str
    keys: KeyRing
    kept: dict[str, Any] = field(default_factory=dict)

    def caller(self, *roles: str, **claims: Any) -> ObjectionCaller:
        """A caller with these roles."""
        language = claims.pop("language", "zh-CN")
        return ObjectionCaller(
            self.app.test_client(), self.issuer.bearer(*roles, **claims) | {"Accept-Language": language}
        )

    @property
    def company(self) -> ObjectionCaller:
        return self.caller("subject", sub=COMPANY)

    @property
    def li_na(self) -> ObjectionCaller:
        return self.caller("subject", sub=LI_NA)

    @property
    def centre(self) -> ObjectionCaller:
        return self.caller("centre", sub="officer:centre")

    @property
    def supervisor(self) -> ObjectionCaller:
        return self.caller("supervisor", sub="officer:supervisor")

    @property
    def regulator(self) -> ObjectionCaller:
        return self.caller("provider", sub="client:regulator", org=REGULATOR)

    def metadata(self, *roles: str, **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.token(*roles, **claims)}"),)

    def caught_up(self) -> None:
        """Waits until the feeds are applied."""
        catalog, ingest = self.feeds
        store = self.ctx.store.store
        until(lambda: store.position(catalog.name) == self.catalog.feed.position, "the catalog's feed is applied")
        until(lambda: store.position(ingest.name) == self.ingest.feed.position, "ingest's feed is applied")
        until(lambda: not self.ctx.store.years_to_recount(), "deadlines are counted again")

    def on(self, day: str) -> None:
        """Noon in Shanghai of a day."""
        self.clock.instant = datetime.fromisoformat(f"{day}T12:00:00+08:00").astimezone(UTC)

    def filed(self, **changes: Any) -> str:
        """The number of a new objection to the company's licence."""
        answer = self.company.files(**changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json["objection_no"])

    def task(self) -> str:
        """The number of an objection that is with the provider."""
        number = self.filed()
        self.centre.does("accept", number)
        self.centre.does("verify", number, finding="consistent_with_source", note="与来源一致")
        return number

    def corrected(self, number: str, version: int = 2, **more: Any) -> None:
        """An amendment that names a case arrives."""
        self.ingest.record(RECORD, COMPANY, version, objection_no=number, **more)
        self.caught_up()

    def event(self, act: str, count: int = 1) -> dict[str, Any]:
        """The newest event of an act, once there are so many."""
        found = until(lambda: len(e := self.audit.of(act)) >= count and e, f"{count} of {act} on record")
        assert len(found) == count, found
        return dict(found[-1])


KEYS = KeyRing({1: b"k" * 32})


def make_collections(uri: str) -> None:
    """Makes the collections and indexes of the objection service."""
    store = Store(uri, "objection", SystemClock())
    ObjectionStore(store, KEYS).create_indexes()
    store.close()


@pytest.fixture
def city(stores: Callable[[str], str], issuer: Issuer) -> Iterator[RunningObjection]:
    """A new objection service that knows a catalog, the deadlines, and the company's licence."""
    with lent(stores, "objection", make_collections) as uri, running(uri, issuer, KEYS) as found:
        for year in YEARS:
            found.catalog.year(year)
        found.catalog.rules(1, "2018-01-01")
        found.catalog.publishes("XZXK", "XK_XDR_MC", "XK_NR", "XK_WSH")
        found.ingest.record(RECORD, COMPANY)
        found.ingest.record("r_li_na", LI_NA)
        found.caught_up()
        yield found
        must_fit("objection", found.ctx.store.store.db)


class running:
    """The service and its sources, in this process."""

    def __init__(self, uri: str, issuer: Issuer, keys: KeyRing) -> None:
        self._uri, self._issuer, self._keys = uri, issuer, keys
        self._servers: list[Any] = []

    def __enter__(self) -> RunningObjection:
        clock = FixedClock(TODAY)
        audit, catalog, ingest, disclosure = (
            RecordingAuditService(),
            CatalogSource(),
            IngestSource(),
            DisclosureSource(),
        )
        settings = self._settings(audit, catalog, ingest, disclosure)
        store = Store(self._uri, "objection", clock)
        audit_stub = audit_pb2_grpc.AuditServiceStub(make_channel(settings.audit_grpc))
        trail, quarantine = AuditTrail("objection", audit_stub, tuple, clock), Quarantine(store, clock)
        relay = Relay(store, audit_stub, tuple, quarantine)
        self._assembly = WiredService(
            "objection", settings, clock, store, self._issuer.verifier, _NoToken(), trail, relay, quarantine
        )
        stub_of_disclosure = disclosure_pb2_grpc.DisclosureServiceStub(self._assembly.channel("disclosure"))
        references = references_of(stub_of_disclosure, tuple)
        records = records_of(ingest_pb2_grpc.IngestServiceStub(self._assembly.channel("ingest")), tuple)
        ctx = ObjectionContext(ObjectionStore(store, self._keys), trail, clock, records, references)
        self._followed = feeds(ctx, self._assembly)
        self._borrowing = borrowed(
            faces, ctx, self._assembly.admission, self._assembly.ready(self._followed), self._assembly.operations
        )
        app, servicers = self._borrowing.__enter__()
        port = free_port()
        server = make_server(f"127.0.0.1:{port}", self._assembly.admission, servicers)
        server.start()
        self._servers.append(server)
        self._background = [
            relay,
            *self._followed,
            DeadlineRecounter(ctx, 0.02, quarantine),
            QuarantineRetrier(quarantine),
        ]
        for work in self._background:
            work.start()
        stub = objection_pb2_grpc.ObjectionServiceStub(make_channel(f"127.0.0.1:{port}"))
        return RunningObjection(
            ctx,
            clock,
            self._issuer,
            audit,
            catalog,
            ingest,
            disclosure,
            self._followed,
            app,
            stub,
            self._uri,
            self._keys,
        )

    def _settings(self, audit: Any, catalog: Any, ingest: Any, disclosure: Any) -> Settings:
        """The settings of a service that reaches these, which are served from now on."""
        addresses = {
            "audit_grpc": self._serve(audit_pb2_grpc.add_AuditServiceServicer_to_server, audit),
            "catalog_grpc": self._serve(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, catalog),
            "disclosure_grpc": self._serve(disclosure_pb2_grpc.add_DisclosureServiceServicer_to_server, disclosure),
            "ingest_grpc": self._serve(ingest_pb2_grpc.add_IngestServiceServicer_to_server, ingest),
        }
        uri = SecretStr(self._uri)
        return Settings(mongo_uri=uri, http_listen="-", grpc_listen="-", key_file=Path("-"), **addresses)

    def __exit__(self, *_: object) -> None:
        for work in self._background:
            work.stop()
        for work in self._background:
            assert work.ended(20)
        for server in self._servers:
            server.stop(None)
        self._assembly.close()
        self._borrowing.__exit__(None, None, None)

    def _serve(self, add: Any, servicer: Any) -> str:
        server, address = served(add, servicer)
        self._servers.append(server)
        return address


class _NoToken:
    """The fake services ask for no token."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def token(self) -> str:
        return "-"
