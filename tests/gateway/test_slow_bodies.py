"""Whoever sends a body slowly holds a share of the edge for a while, and nobody else up."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from chengxin.bounds import Bound
from chengxin.concurrency.shares import Shares
from chengxin_cli.gateway_client import Edge
from tests.gateway.conftest import RunningGateway
from tests.gateway.flooded import BOTNET, MANY, connect, impatient, slow_bodies
from tests.support import until

PATHS = ("/v1/public/records", "/v1/identity/officers/sign-in", "/oauth/token")


@pytest.fixture(scope="module")
def patient(gate: RunningGateway) -> Iterator[Edge]:
    """Here a slow body takes as long as the tests."""
    with impatient(gate, CHENGXIN_BODY_SECONDS="120") as edge:
        yield edge


@pytest.fixture(scope="module")
def hasty(gate: RunningGateway) -> Iterator[Edge]:
    with impatient(gate, CHENGXIN_BODY_SECONDS="1", CHENGXIN_UPLOAD_BYTES=str(1024 * 1024)) as edge:
        yield edge


def asked(edge: Edge, method: str, path: str, origin: str, body: bytes = b"") -> int:
    """The status that a caller at an origin gets."""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {origin}\r\nContent-Length: {len(body)}\r\n"
    with connect(edge) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + body)
        return int(connection.recv(65536).split(b" ")[1])


@pytest.mark.parametrize("path", PATHS)
def test_slow_bodies_of_one_address_stop_nobody_else(patient: Edge, path: str) -> None:
    with slow_bodies(patient, path, ["203.0.113.1"] * MANY):
        until(lambda: asked(patient, "POST", path, "203.0.113.1", b"{}") == 503, "its share is taken")
        assert asked(patient, "POST", path, "203.0.113.2", b"{}") != 503
        assert asked(patient, "GET", "/v1/public/records", "203.0.113.1") == 200
        assert asked(patient, "GET", "/healthz", "203.0.113.1") == 200


def test_slow_bodies_from_everywhere_leave_room_for_whoever_has_a_token(patient: Edge, gate: RunningGateway) -> None:
    token = gate.token("market_regulator")
    with slow_bodies(patient, "/v1/public/records", BOTNET * 4):
        until(lambda: asked(patient, "POST", "/v1/public/records", "203.0.113.3", b"{}") == 503, "all is taken")
        assert patient.call("POST", "/v1/submissions", token, body=b"{}").status == 200
        assert asked(patient, "GET", "/v1/public/records", "203.0.113.3") == 200


def test_health_answers_while_everything_else_is_taken(patient: Edge) -> None:
    with slow_bodies(patient, "/v1/public/records", BOTNET * 14):
        for path in ("/healthz", "/readyz"):
            # The services behind this gateway are not all there.
            assert asked(patient, "GET", path, "203.0.113.4") in (200, 503)
        assert asked(patient, "GET", "/healthz", "203.0.113.4") == 200


def test_a_body_that_does_not_come_in_its_time_ends_its_connection(hasty: Edge) -> None:
    with slow_bodies(hasty, "/v1/public/records", ["203.0.113.5"] * MANY) as connections:
        until(lambda: asked(hasty, "POST", "/v1/public/records", "203.0.113.5", b"{}") == 200, "its share is free")
        # Those that had a place are hung up on; the others were refused.
        answers = [connection.recv(4096)[:12] for connection in connections]
        assert set(answers) <= {b"", b"HTTP/1.1 503", b"HTTP/1.1 400"}
        assert len([answer for answer in answers if answer == b"HTTP/1.1 503"]) >= MANY - 16


def trickle(connection: socket.socket, most: int) -> bytes | None:
    """Sends a body byte by byte; returns what comes back, empty when the connection ends, and None when nothing does."""
    connection.settimeout(0.1)
    try:
        for _ in range(most):
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                return connection.recv(12)
    except ConnectionError:
        return b""
    return None


def test_a_body_that_trickles_has_no_more_time(hasty: Edge) -> None:
    with slow_bodies(hasty, "/v1/public/records", ["203.0.113.6"]) as [connection]:
        # Of the 100 bytes that it announced, some are always missing.
        assert trickle(connection, 90) in (b"", b"HTTP/1.1 400")


def test_disk_for_bodies_is_shared(hasty: Edge, gate: RunningGateway) -> None:
    token, body = gate.token("market_regulator"), b"x" * 500_000
    assert hasty.call("POST", "/v1/submissions", token, body=body).status == 200
    refused = hasty.call("POST", "/v1/submissions", token, body=body * 2)
    assert (refused.status, refused.body["code"]) == (503, "EDGE_BUSY")
    # What the first one held is free again.
    assert hasty.call("POST", "/v1/submissions", token, body=body).status == 200


def test_a_share_of_disk_is_counted_in_bytes() -> None:
    from gateway.edge.bodies import UPLOADS, uploads_bound

    bound: Bound = uploads_bound(10)
    assert (bound.total, bound.share, bound.strangers) == (10, 5, 0)
    assert UPLOADS.strangers == 0
    assert Shares(bound)
