"""A lean HTTP/1.1 load: a few keep-alive connections that ask the same thing again and again."""

import socket
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One address to ask: `GET path` with a bearer token."""

    host: str
    port: int
    path: str
    token: str = ""

    def request(self) -> bytes:
        """The bytes of the request."""
        authorization = f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        return f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{authorization}\r\n".encode()


def requests_per_second(target: Target, connections: int = 16, seconds: float = 3.0) -> float:
    """How many requests are answered 200 each second. Raises `AssertionError` for any other answer."""
    counts = [0] * connections
    failures: list[str] = []
    end = time.perf_counter() + seconds
    request = target.request()

    def ask(number: int) -> None:
        with socket.create_connection((target.host, target.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pending = b""
            while time.perf_counter() < end:
                connection.sendall(request)
                pending, status = _answer(connection, pending)
                if status != b"200":
                    failures.append(status.decode())
                    return
                counts[number] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{target.path} answered {failures[0]}")
    return sum(counts) / (time.perf_counter() - began)


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
