"""Disclosure as it runs: both faces on a real store, real followers of feeds that the test writes, real tokens."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.admission import Admission
from chengxin.feeds.quarantine import QUARANTINE, Quarantine
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.process.operations import Operations
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import FixedClock, SystemClock
from chengxin.values.ids import SubjectKey
from chengxin_api.audit.v1 import audit_pb2_grpc
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
from services.disclosure.__main__ import faces
from services.disclosure.context import DisclosureContext
from services.disclosure.projections.consumers import apply_catalog
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore
from tests.databases import lent
from tests.disclosure.provider_portal import Portal
from tests.disclosure.running_disclosure import (
    CODES,
    TODAY,
    DisclosureCaller,
    RunningDisclosure,
    demo_entry,
)
from tests.documents import must_fit
from tests.faces import borrowed
from tests.support import Issuer, RecordingAuditService, free_port


def make_collections(uri: str) -> None:
    """Makes the collections and indexes of disclosure."""
    store = Store(uri, "disclosure", SystemClock())
    DisclosureStore(store).create_indexes()
    store.close()


@pytest.fixture
def empty(stores: Callable[[str], str]) -> Iterator[str]:
    """The URI of a database without documents."""
    with lent(stores, "disclosure", make_collections) as uri:
        yield uri


@pytest.fixture
def disclosure(empty: str, issuer: Issuer) -> Iterator[RunningDisclosure]:
    """A new disclosure with the demonstration catalog."""
    clock = FixedClock(TODAY)
    audit, audit_port = RecordingAuditService(), free_port()
    audit_server = grpc.server(ThreadPoolExecutor(4))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(audit, audit_server)
    audit_server.add_insecure_port(f"127.0.0.1:{audit_port}")
    audit_server.start()
    audit_stub = audit_pb2_grpc.AuditServiceStub(make_channel(f"127.0.0.1:{audit_port}"))

    store = Store(empty, "disclosure", clock)
    trail = AuditTrail("disclosure", audit_stub, tuple, clock)
    quarantine = Quarantine(store, clock)
    relay = Relay(store, audit_stub, tuple, quarantine)
    kept = DisclosureStore(store)
    keys = KeyRing({1: b"k" * 32})
    ctx = DisclosureContext(kept, NameIndex(kept), trail, clock, keys, SubjectKey(b"s" * 32))
    admission = Admission(issuer.verifier, ctx.audit, store.silence)
    state = lambda: {"store": True, QUARANTINE: quarantine.is_empty()}  # noqa: E731
    with borrowed(faces, ctx, admission, state, Operations(trail, quarantine)) as (app, servicers):
        port = free_port()
        server = make_server(f"127.0.0.1:{port}", admission, servicers)
        server.start()
        relay.start()
        stub = disclosure_pb2_grpc.DisclosureServiceStub(make_channel(f"127.0.0.1:{port}"))
        yield RunningDisclosure(ctx, clock, issuer, audit, app, stub, relay, quarantine)
        must_fit("disclosure", store.db)
        relay.stop()
        server.stop(None)
        assert relay.ended(20)
        audit_server.stop(None)
    store.close()


@pytest.fixture
def city(disclosure: RunningDisclosure) -> RunningDisclosure:
    """Disclosure with the entries that most tests use."""

    def publish(unit: UnitOfWork) -> None:
        for entry in _entries():
            apply_catalog(disclosure.ctx, unit, catalog_pb2.Change(entry=entry))

    disclosure.ctx.store.transact(publish)
    return disclosure


@cache
def _entries() -> tuple[catalog_pb2.Entry, ...]:
    return tuple(ParseDict(demo_entry(code) | {"version": 1}, catalog_pb2.Entry()) for code in CODES)


@pytest.fixture
def officer(city: RunningDisclosure) -> DisclosureCaller:
    return city.caller("centre", sub="officer-1")


@pytest.fixture
def portal(city: RunningDisclosure) -> Portal:
    return Portal(city.anybody)


@pytest.fixture
def names(empty: str) -> Iterator[tuple[str, DisclosureStore]]:
    """A real store with no names, and where it is."""
    store = Store(empty, "disclosure", SystemClock())
    yield empty, DisclosureStore(store)
    store.close()
