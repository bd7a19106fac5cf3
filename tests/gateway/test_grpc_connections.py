"""Connections to the gRPC edge have a total and a share for each address, and callers keep their addresses behind it."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chengxin.concurrency.shares import Shares
from chengxin.grpc.rpc import make_channel
from gateway.edge.front import Connection, Front, address_behind
from gateway.edge.grpc_connections import CONNECTIONS, GRPC_TIMES, FrontedServer
from gateway.edge.origins import Origins
from tests.gateway.conftest import RunningGateway
from tests.support import free_port, until

# What a client of HTTP/2 says first (RFC 9113 section 3.4), with empty SETTINGS; the answer to the server's settings.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
SETTINGS_ACK = bytes((0, 0, 0, 4, 1, 0, 0, 0, 0))
METHOD = "/x/y"


def open_and_idle(address: str, host: str, number: int) -> list[socket.socket]:
    """Opens connections from a host of this machine; returns those on which the edge speaks HTTP/2."""
    name, _, port = address.rpartition(":")
    opened = []
    for _ in range(number):
        connection = socket.create_connection((name, int(port)), 10, (host, 0))
        try:
            connection.sendall(PREFACE)
            spoke = bool(connection.recv(1000))
            connection.sendall(SETTINGS_ACK)
        except OSError:
            spoke = False
        if spoke:
            opened.append(connection)
        else:
            connection.close()
    return opened


def ended(connections: list[socket.socket]) -> list[socket.socket]:
    """Those that the edge has hung up on."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(0) if not _has_more(key.fileobj)]  # type: ignore[misc]


def _has_more(connection: Any) -> bool:
    try:
        return bool(connection.recv(1000))
    except OSError:
        return False


def serves(address: str) -> bool:
    """Whether health answers on a new connection."""
    channel = make_channel(address, more=[("grpc.use_local_subchannel_pool", 1)])
    with channel, contextlib.suppress(grpc.RpcError):
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        return True
    return False


def test_idle_connections_of_one_address_stop_nobody_else(gate: RunningGateway) -> None:
    address = gate.edge.grpc
    share = int(CONNECTIONS.share)
    with contextlib.ExitStack() as closing:
        held = open_and_idle(address, "127.0.0.2", share + 20)
        for connection in held:
            closing.enter_context(connection)
        assert len(held) == share
        assert serves(address)
        assert gate.edge.call("GET", "/healthz").status == 200
        assert not ended(held)
        held[0].close()
        until(lambda: bool(open_and_idle(address, "127.0.0.2", 1)), "its place is free again")


class EchoEdge:
    """A gRPC server behind a front, whose one method answers what `answer` does."""

    def __init__(self, directory: Path, host: str, answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> None:
        server = grpc.server(ThreadPoolExecutor(4))
        handlers: dict[str, Any] = {"y": grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x", handlers),))
        inner = directory / "grpc"
        server.add_insecure_port(f"unix:{inner}")
        self.address = f"{host}:{free_port()}"
        shares = Shares(replace(CONNECTIONS, total=3, share=3))
        self.edge = FrontedServer(server, Front(self.address, inner, None, Origins(()), shares, GRPC_TIMES))
        self.channel: Any = make_channel(self.address)


@contextlib.contextmanager
def echoing(directory: Path, host: str, answer: Callable[[bytes, grpc.ServicerContext], bytes]) -> Iterator[EchoEdge]:
    running = EchoEdge(directory, host, answer)
    running.edge.start()
    try:
        yield running
    finally:
        running.channel.close()
        running.edge.stop(0)


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("[::]", "::1")])
def test_a_call_is_known_by_the_address_of_its_connection(tmp_path: Path, host: str, address: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with echoing(tmp_path, host, lambda _, context: address_behind(context.peer()).encode()) as running:
        assert running.channel.unary_unary(METHOD)(b"", timeout=10) == address.encode()


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probing:
        probing.bind(("::1", 0))
        return True
    return False


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("unix:/tmp/edge-1-2/grpc-1f-192.0.2.1", "192.0.2.1"),
        ("unix:/tmp/a%20b/grpc-0-fe80::1%25eth-0", "fe80::1%eth-0"),
        ("unix:", ""),
        ("unix:/tmp/edge-1-2/grpc", ""),
    ],
)
def test_a_peer_names_the_clients_address(peer: str, address: str) -> None:
    assert address_behind(peer) == address


def test_a_stop_lets_a_call_end(tmp_path: Path) -> None:
    begun, stopping = threading.Event(), threading.Event()

    def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
        begun.set()
        assert stopping.wait(10)
        return request

    with echoing(tmp_path, "127.0.0.1", answer) as running, ThreadPoolExecutor(1) as others:
        call = running.channel.unary_unary(METHOD).future(b"whole", timeout=10)
        assert begun.wait(10)
        stop = others.submit(running.edge.stop, 5)
        until(lambda: not serves(running.address), "no new caller is served")
        stopping.set()
        assert call.result() == b"whole"
        stop.result()


def test_a_connection_with_a_long_call_is_never_hung_up_on() -> None:
    now = time.monotonic()
    connection = Connection("192.0.2.1", GRPC_TIMES)
    assert connection.is_overdue(now + 11)
    connection.note_sent(memoryview(b"x"))
    assert not connection.is_overdue(now + 100_000)
    connection.await_taking()
    assert connection.is_overdue(now + 61)
