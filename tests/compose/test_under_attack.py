"""Whoever takes what the composed suite can hold holds nobody else up, and everything recovers alone (Art. 29)."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge
from chengxin_cli.suite.home import PROCESSES
from tests.compose.conftest import Suite
from tests.gateway.flooded import slow_bodies
from tests.gateway.test_grpc_floods import QUERY, REFLECTION, flood
from tests.support import until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

# A public answer of each service behind the gateway that has one; catalog's does not need the other services.
CATALOG, DISCLOSURE = "/v1/catalog/entries", "/v1/public/subjects?q=91441702000000000A"
# As many as stopped the whole edge once.
MANY = 280
# The connection ended without an answer.
NO_ANSWER = -1


@pytest.fixture
def edge(composed: Suite) -> Iterator[Edge]:
    """The two published addresses."""
    found = Edge(composed.edge, f"127.0.0.1:{composed.grpc_port}")
    yield found
    found.channel.close()


def serves(edge: Edge) -> bool:
    """Whether strangers are answered by HTTP and by gRPC."""
    health = health_pb2_grpc.HealthStub(edge.channel)
    answers = [edge.call("GET", path, timeout=5).status for path in ("/healthz", CATALOG)]
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
    return answers == [200, 200] and answer.status == health_pb2.HealthCheckResponse.SERVING


def test_slow_bodies_leave_room_for_others_and_end(composed: Suite, edge: Edge) -> None:
    with slow_bodies(edge, "/v1/public/records", ["198.51.100.1"] * MANY) as connections:
        assert serves(edge)

        def is_over(connection: socket.socket) -> bool:
            connection.settimeout(60)
            with contextlib.suppress(ConnectionError):
                return connection.recv(12) in (b"", b"HTTP/1.1 503", b"HTTP/1.1 400")
            return True

        with ThreadPoolExecutor(MANY) as readers:
            assert all(readers.map(is_over, connections))
        assert serves(edge)
    composed.await_ready()


def test_silent_streams_and_calls_without_a_message_leave_room_for_others(composed: Suite, edge: Edge) -> None:
    with flood(edge) as silent:
        calls = silent.open(REFLECTION, 200, "") + silent.open(QUERY, 184, "")
        until(lambda: any(call.done() for call in calls), "some are refused")
        assert serves(edge)
    until(lambda: serves(edge), "all is served again")
    composed.await_ready()


@pytest.mark.parametrize("process", PROCESSES)
def test_a_store_that_stands_still_stops_its_own_service_alone(composed: Suite, edge: Edge, process: str) -> None:
    store = composed.containers()[f"{process}-store"]
    store.pause()
    try:
        until(lambda: edge.call("GET", "/readyz", timeout=10).status == 503, "readiness tells of it", 60)
        if process not in ("catalog", "audit"):
            assert edge.call("GET", CATALOG, timeout=10).status == 200
        # Whatever the answer is, it comes.
        assert edge.call("GET", DISCLOSURE, timeout=10).status in (200, 503)
        assert edge.call("GET", "/healthz", timeout=10).status == 200
    finally:
        store.unpause()
    composed.await_ready()
    assert serves(edge)


@contextlib.contextmanager
def out_of_threads(composed: Suite, process: str) -> Iterator[None]:
    """The container of a process gets no thread any more than it has."""
    container = composed.containers()[process]
    limit_threads(composed, container.id, container.stats(stream=False)["pids_stats"]["current"])
    try:
        yield
    finally:
        limit_threads(composed, container.id, container.attrs["HostConfig"]["PidsLimit"])


def limit_threads(composed: Suite, container: str, most: int) -> None:
    command = ["docker", "update", "--pids-limit", str(most), container]
    environment = os.environ | {"DOCKER_HOST": composed.engine.host}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_that_got_no_more_threads_recovers(composed: Suite, edge: Edge, process: str) -> None:
    """No caller can bring this about (tests/compose/test_limits.py). Granian then hangs up, and may end its process."""
    with out_of_threads(composed, process), flood(edge) as silent, ThreadPoolExecutor(64) as callers:
        silent.open(QUERY, 64, "")
        answers = set(callers.map(lambda n: asked(edge, CATALOG if n % 2 else DISCLOSURE), range(128)))
    # The gateway answers for whom it cannot reach.
    assert NO_ANSWER not in answers or process == "gateway"
    composed.await_ready()
    until(lambda: serves_by_grpc(edge), "both edges serve")


def asked(edge: Edge, path: str) -> int:
    try:
        return edge.call("GET", path, timeout=20).status
    except Problem:
        return NO_ANSWER


def serves_by_grpc(edge: Edge) -> bool:
    with contextlib.suppress(grpc.RpcError, Problem):
        return serves(edge)
    return False
