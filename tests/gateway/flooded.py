"""A gateway whose callers have little time, and callers who take all of it."""

import contextlib
import socket
from collections.abc import Iterator

from chengxin_cli.gateway_client import Edge
from tests.gateway.conftest import RunningGateway, answers
from tests.support import free_port, until

# More than one address may have read at a time, and than all may.
MANY = 80
# Addresses that a proxy in front of the gateway tells of.
BOTNET = [f"198.51.100.{n}" for n in range(1, 21)]


@contextlib.contextmanager
def impatient(gate: RunningGateway, **environment: str) -> Iterator[Edge]:
    """A second gateway process. Whoever connects from this machine is believed as a proxy is."""
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    addresses = {"CHENGXIN_HTTP_LISTEN": http, "CHENGXIN_GRPC_LISTEN": grpc, "CHENGXIN_TRUSTED_PROXIES": "127.0.0.1"}
    edge = Edge(f"http://{http}", grpc)
    process = gate.start(**addresses, **environment)
    try:
        until(lambda: answers(edge), "the gateway answers")
        yield edge
    finally:
        process.terminate()
        process.wait(20)


def connect(edge: Edge) -> socket.socket:
    """A connection to the HTTP edge."""
    host, _, port = edge.http.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@contextlib.contextmanager
def slow_bodies(edge: Edge, path: str, origins: list[str]) -> Iterator[list[socket.socket]]:
    """For each origin a connection that begins a body and says no more."""
    with contextlib.ExitStack() as open_connections:
        connections = [open_connections.enter_context(connect(edge)) for _ in origins]
        for connection, origin in zip(connections, origins, strict=True):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {origin}\r\nContent-Length: 100\r\n\r\n{{"
            connection.sendall(head.encode())
        yield connections
