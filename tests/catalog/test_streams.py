"""Streams of a service's gRPC face: each holds a thread, and no caller holds those that others need."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from chengxin.auth.admission import Admission
from chengxin.errors import Problem
from chengxin.grpc.rpc import CALLS, STREAMS, make_channel, make_server
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from chengxin_api.catalog.v1 import catalog_pb2_grpc
from services.catalog.grpc.servicer import NAME, CatalogServicer
from tests.catalog.conftest import RunningCatalog
from tests.support import free_port, until

ORGAN = "114417000073450000"


class SmallFace:
    """The catalog's gRPC face, with few streams."""

    def __init__(self, catalog: RunningCatalog, stub: catalog_pb2_grpc.CatalogServiceStub) -> None:
        self.stub = stub
        self._catalog = catalog

    def metadata(self, *roles: str, **claims: str) -> list[tuple[str, str]]:
        return [("authorization", self._catalog.issuer.bearer(*roles, **claims)["Authorization"])]

    def watches(self, *roles: str, **claims: str) -> Any:
        """A stream that has begun."""
        call = self.stub.Watch(pb.WatchRequest(), metadata=self.metadata(*roles, **claims), timeout=30)
        call.initial_metadata()
        return call


def refusal(call: Any) -> str:
    """Why a stream has ended."""
    with pytest.raises(grpc.RpcError) as refused:
        next(call)
    return Problem.from_rpc(refused.value).code


@pytest.fixture
def face(catalog: RunningCatalog) -> Iterator[SmallFace]:
    address = f"127.0.0.1:{free_port()}"
    admission = Admission(catalog.issuer.verifier, catalog.ctx.audit, catalog.ctx.store.store.silence)
    servicers = [(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, CatalogServicer(catalog.ctx), NAME)]
    bounds = replace(CALLS, total=6), replace(STREAMS, total=3, share=2, strangers=1)
    server = make_server(address, admission, servicers, *bounds)
    server.start()
    with make_channel(address) as channel:
        yield SmallFace(catalog, catalog_pb2_grpc.CatalogServiceStub(channel))
    server.stop(None)


def test_one_caller_leaves_streams_and_calls_to_the_others(face: SmallFace) -> None:
    own = [face.watches("provider", sub=f"c{n}", client_id=f"c{n}", org=ORGAN) for n in range(2)]
    # Its clients have one share together.
    assert refusal(face.watches("provider", sub="c2", client_id="c2", org=ORGAN)) == "STREAMS_BUSY"
    another = face.watches("agency", sub="a", org="another")
    assert refusal(face.watches("agency", sub="b", org="a third")) == "STREAMS_BUSY"
    # The services' own are not counted; there is a thread for a call.
    service = face.watches("service", sub="ingest", client_id="ingest")
    assert face.stub.ListEntries(pb.ListEntriesRequest(), metadata=face.metadata("agency", sub="b"), timeout=10)
    for call in (*own, another, service):
        call.cancel()

    def begins() -> bool:
        call = face.watches("agency", sub="b", org="a third")
        call.cancel()
        return call.code() is grpc.StatusCode.CANCELLED

    until(begins, "ended streams give their places back")


def test_a_face_without_threads_does_not_begin_to_serve(
    catalog: RunningCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = Admission(catalog.issuer.verifier, catalog.ctx.audit, catalog.ctx.store.store.silence)
    begins, begun = threading.Thread.start, []

    def begin(thread: threading.Thread) -> None:
        if len(begun) == 3:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        begins(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        make_server(f"127.0.0.1:{free_port()}", admission, [], replace(CALLS, total=6))
