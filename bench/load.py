"""A lean load: a few keep-alive connections that ask the same thing again and again, over HTTP/1.1 or gRPC."""

import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc


@dataclass(frozen=True)
class Target:
    """One address to ask with a bearer token: `GET path`, or `POST path` with a JSON body."""

    host: str
    port: int
    path: str
    token: str = ""
    body: bytes = b""

    def request(self) -> bytes:
        """The bytes of the request."""
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        what = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n" if self.body else ""
        line = f"{'POST' if self.body else 'GET'} {self.path} HTTP/1.1"
        return f"{line}\r\nHost: {self.host}:{self.port}\r\n{authorization}{what}\r\n".encode() + self.body


def requests_per_second(target: Target, connections: int = 16, seconds: float = 3.0) -> float:
    """How many requests are answered 200 each second. Raises `AssertionError` for any other answer."""
    began = time.perf_counter()
    return len(_asked([target], connections, seconds)) / (time.perf_counter() - began)


def calls_per_second(
    address: str, method: str, request: bytes, token: str, connections: int = 16, seconds: float = 3.0
) -> float:
    """How many unary calls over gRPC are answered each second, by as many callers that wait for each of theirs."""
    end = time.perf_counter() + seconds
    answered = [0] * connections

    def call(number: int) -> None:
        # A channel with options of its own has a connection of its own.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(address, options) as channel:
            ask = channel.unary_unary(method)
            while time.perf_counter() < end:
                ask(request, metadata=(("authorization", f"Bearer {token}"),), timeout=30)
                answered[number] += 1

    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(call, range(connections)))
    return sum(answered) / (time.perf_counter() - began)


def percentiles(
    targets: Sequence[Target], wanted: Sequence[int], connections: int = 16, seconds: float = 3.0
) -> list[float]:
    """The seconds that so many of 100 answers take at most, of targets of one address, asked in turn."""
    taken = sorted(_asked(targets, connections, seconds))
    return [taken[len(taken) * percent // 100] for percent in wanted]


def _asked(targets: Sequence[Target], connections: int, seconds: float) -> list[float]:
    """The seconds that each answer took."""
    taken: list[list[float]] = [[] for _ in range(connections)]
    failures: list[str] = []
    end = time.perf_counter() + seconds
    requests = [target.request() for target in targets]
    address = (targets[0].host, targets[0].port)

    def ask(number: int) -> None:
        # Each begins elsewhere.
        turn = number * len(requests) // connections
        with socket.create_connection(address, timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pending = b""
            while (began := time.perf_counter()) < end:
                connection.sendall(requests[turn % len(requests)])
                pending, status = _answer(connection, pending)
                if status != b"200":
                    failures.append(status.decode())
                    return
                taken[number].append(time.perf_counter() - began)
                turn += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{targets[0].path} answered {failures[0]}")
    return [seconds for one in taken for seconds in one]


def _answer(connection: socket.socket, pending: bytes) -> tuple[bytes, bytes]:
    """Reads one answer; returns what follows it and the status."""
    while (end := pending.find(b"\r\n\r\n")) < 0:
        pending += _more(connection)
    head = pending[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        raise AssertionError("the answer has no Content-Length")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0])
    whole = end + 4 + length
    while len(pending) < whole:
        pending += _more(connection)
    return pending[whole:], head[9:12]


def _more(connection: socket.socket) -> bytes:
    got = connection.recv(65536)
    if not got:
        raise AssertionError("the connection was closed")
    return got
