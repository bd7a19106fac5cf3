"""Health tells of the gRPC edge, too: a process whose edge no longer answers is not well."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chengxin.auth.policy_table import placeholder
from chengxin.process.operations import Operations
from gateway.context import GatewayContext
from gateway.edge.grpc_probe import GrpcProbe
from gateway.http.gateway import make_own_app
from gateway.usecases.verify_identity import IdentityVerifier
from tests.support import until


@pytest.fixture
def probe(tmp_path: Path) -> GrpcProbe:
    return GrpcProbe(tmp_path / "grpc")


@pytest.fixture
def server(probe: GrpcProbe) -> Iterator[grpc.Server]:
    """A gRPC edge that answers for its health alone."""
    running = grpc.server(ThreadPoolExecutor(2))
    healthy = health.HealthServicer()
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, running)
    running.add_insecure_port(probe.address)
    running.start()
    yield running
    running.stop(0).wait()


def test_an_edge_that_stops_is_noticed(probe: GrpcProbe, server: grpc.Server) -> None:
    assert probe()
    server.stop(0).wait()
    until(lambda: not probe(), "it is noticed")


def test_an_edge_that_never_began_is_noticed(probe: GrpcProbe) -> None:
    assert not probe()


@pytest.mark.parametrize(("serves", "status"), [(True, 200), (False, 503)])
def test_healthz_tells_of_the_grpc_edge(serves: bool, status: int) -> None:
    app = make_own_app(
        *(placeholder(GatewayContext), placeholder(IdentityVerifier), dict, lambda own: own),  # type: ignore[type-abstract]
        operations=placeholder(Operations),
        grpc_edge_serves=lambda: serves,
    )
    assert app.test_client().get("/healthz").status_code == status
