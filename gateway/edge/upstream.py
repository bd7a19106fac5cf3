"""The HTTP/1.1 client for the services: it keeps connections, passes bytes in and out, and parses only the framing.

This is the suite's hottest path. A request and its answer cost 185 µs of processor time through urllib3, 96 µs through
http.client, and 30 µs through this module (1 KiB answers, 2 cores). The libraries spend the time on header objects, and
nothing here reads those. The services are our own servers: an answer that is not plain HTTP/1.1 ends the connection.
"""

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from io import BufferedReader
from typing import Final, cast

import structlog

from chengxin.bounds import bound
from chengxin.errors import UPSTREAM_UNAVAILABLE
from gateway.edge.concurrency_limits import OF_A_SERVICE

log = structlog.get_logger()

_CONNECT_SECONDS: Final = 2.0
# The service validates and stores an upload of the largest size before it answers.
_ANSWER_SECONDS: Final = 120.0
# When a read has no answer after this time, the edge asks whether the service is alive. A service reports by itself
# that its store does not answer; a process that stands still reports nothing. The two times together are less than the
# 5 s after which a reader gets an error (decision 23).
_QUIET_SECONDS: Final = 3.0
_LIVENESS_SECONDS: Final = 1.5
_AGAIN_SECONDS: Final = 1.0
# The time for the rest of an answer, when its head has arrived and its length is known.
_BODY_SECONDS: Final = 5.0
# This is shorter than the time for which the services keep idle connections (granian: 30 s).
_IDLE_SECONDS: Final = 20.0
# The path at which a service reports that its process is up, and the status of that report.
_HEALTH_PATH: Final = "/healthz"
_OK: Final = 200
# A request whose path ends like this is a query that carries its subject, or what it compares, in the body.
_QUERY_SUFFIXES: Final = ("/queries", "/differences")
_REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD"})
_BODILESS_STATUSES: Final = frozenset({204, 304})
_PIECE_BYTES: Final = 64 * 1024
_LINE_BYTES: Final = 16 * 1024
_MAX_HEADERS: Final = 100
# One read takes most answers whole. Each read first waits for its socket, and gives up the interpreter twice.
_BUFFER_BYTES: Final = 32 * 1024

Headers = list[tuple[str, str]]

bound(
    __name__,
    "create_connection",
    "deque",
    resource="Connections to a service",
    total=OF_A_SERVICE.total + 1,
    share="the permits of its caller",
    seconds=_ANSWER_SECONDS,
    why="One for each request at the service (`gateway.edge.concurrency_limits`), and one that asks whether it is alive",
    test="tests/gateway/test_concurrency_limits.py::test_one_room_that_hangs_leaves_slots_to_the_others",
)


class BrokenAnswer(ConnectionError):
    """The service's answer is malformed, or ends too early."""


class UpstreamAnswer:
    """A service's answer whose body is not read yet: call `whole()` or `pieces()`, once."""

    def __init__(
        self, status: int, headers: Headers, length: int | None, chunked: bool, line: "_Line", done: Callable[[], None]
    ) -> None:
        self.status = status
        self.headers = headers
        # In bytes; None when only the end of the body shows it.
        self.length = length
        self._chunked = chunked
        self._connection = line
        self._done = done

    def whole(self) -> bytes:
        """Reads a body of known length. Raises UPSTREAM_UNAVAILABLE."""
        try:
            body = self._connection.read_body(self.length or 0)
        except OSError:
            self._connection.close()
            raise UPSTREAM_UNAVAILABLE(retry_after=1) from None
        self._done()
        return body

    def pieces(self) -> Generator[bytes, None, None]:
        """Yields the body as it arrives. Raises `OSError` when it ends too early."""
        complete = False
        try:
            yield from self._chunks() if self._chunked else self._connection.read_pieces(self.length)
            complete = True
        finally:
            if complete:
                self._done()
            else:
                self._connection.close()

    def _chunks(self) -> Iterator[bytes]:
        while size := self._connection.read_chunk_size():
            yield from self._connection.read_pieces(size)
            self._connection.expect_end_of_line()
        while self._connection.read_line():
            pass  # trailers


class Upstream:
    """Sends requests to one service's HTTP face."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port or 0))
        self._host = address
        self._idle: deque[_Line] = deque()
        self._liveness_lock = threading.Lock()
        self._liveness_checked_at = float("-inf")
        self._alive = True

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> UpstreamAnswer:
        """Sends a request and reads the head of its answer. Raises UPSTREAM_UNAVAILABLE.

        A body in pieces comes with its `Content-Length` among the headers.

        A request that the service may have carried out is never sent twice. Only a request that changes nothing is
        repeated, when a kept connection turns out to be closed.
        """
        head = self._encode_head(method, target, headers, body)
        while True:
            connection, reused = self._take_connection()
            try:
                connection.send(head, body)
                if _is_read(method, target):
                    self._wait_for_answer(connection)
                return self._read_answer(connection, method)
            except (OSError, ValueError) as e:
                connection.close()
                # A silent service has not closed the connection: a repeated request would wait a second time.
                was_closed = reused and not isinstance(e, TimeoutError)
                if not (was_closed and method in _REPEATABLE_METHODS and body is None):
                    log.info("a service does not answer", service=self._host, reason=repr(e)[:200])
                    raise UPSTREAM_UNAVAILABLE(retry_after=1) from None
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _encode_head(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", *(f"{n}: {v}" for n, v in headers.items())]
        if isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""])
        # No header value may contain a line break.
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise ValueError("a line break in a header")
        return head.encode("latin-1")

    def _take_connection(self) -> tuple["_Line", bool]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.is_usable():
                return connection, True
            connection.close()
        try:
            return _Line(self._address), False
        except OSError:
            raise UPSTREAM_UNAVAILABLE(retry_after=1) from None

    def _wait_for_answer(self, connection: "_Line") -> None:
        """Waits for the beginning of an answer, as long as the service is alive. Raises `OSError`."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        wait = _QUIET_SECONDS
        while not connection.wait_for_data(wait):
            if time.monotonic() > deadline or not self._is_alive():
                raise TimeoutError("nothing, and it does not say that it lives")
            wait = _AGAIN_SECONDS

    def _is_alive(self) -> bool:
        """Returns whether the service is alive; all requests that wait for it share one check."""
        with self._liveness_lock:
            if time.monotonic() - self._liveness_checked_at > _AGAIN_SECONDS:
                self._alive = self._check_liveness()
                self._liveness_checked_at = time.monotonic()
            return self._alive

    def _check_liveness(self) -> bool:
        try:
            connection = _Line(self._address, _LIVENESS_SECONDS)
        except OSError:
            return False
        try:
            connection.send(self._encode_head("GET", _HEALTH_PATH, {"Connection": "close"}, None), None)
            return connection.read_status()[0] == _OK
        except (OSError, ValueError):
            return False
        finally:
            connection.close()

    def _read_answer(self, connection: "_Line", method: str) -> UpstreamAnswer:
        status, version = connection.read_status()
        while 100 <= status < 200:
            connection.read_headers()
            status, version = connection.read_status()
        headers = connection.read_headers()
        values = {name.lower(): value for name, value in headers}
        chunked = values.get("transfer-encoding", "").lower() == "chunked"
        length = int(values["content-length"]) if "content-length" in values and not chunked else None
        if method == "HEAD" or status in _BODILESS_STATUSES:
            length, chunked = 0, False
        until_close = length is None and not chunked
        reusable = version == "HTTP/1.1" and values.get("connection", "").lower() != "close" and not until_close

        def keep_or_close() -> None:
            if reusable and not connection.cut_short:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()

        return UpstreamAnswer(status, headers, length, chunked, connection, keep_or_close)


class _Line:
    """A connection to a service."""

    def __init__(self, address: tuple[str, int], seconds: float = _ANSWER_SECONDS) -> None:
        self._socket = socket.create_connection(address, min(_CONNECT_SECONDS, seconds))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(seconds)
        self._seconds = seconds
        self._reader = cast(BufferedReader, self._socket.makefile("rb", _BUFFER_BYTES))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        self.used_at = time.monotonic()
        # True when the service answers before it has read the whole request.
        self.cut_short = False

    def is_usable(self) -> bool:
        """Returns whether an idle connection looks open: it is not too old, and nothing is to be read from it."""
        return time.monotonic() - self.used_at < _IDLE_SECONDS and not self._poll.poll(0)

    def wait_for_data(self, seconds: float) -> bool:
        """Returns whether, within `seconds`, there is something to read or the connection ends."""
        return bool(self._poll.poll(seconds * 1000))

    def send(self, head: bytes, body: bytes | Iterable[bytes] | None) -> None:
        if body is None or isinstance(body, bytes):
            self._socket.sendall(head + (body or b""))
            return
        self._socket.sendall(head)
        for piece in body:
            try:
                self._socket.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                # A service that refuses an upload answers and closes the connection; its answer may be readable.
                self.cut_short = True
                return

    def read_status(self) -> tuple[int, str]:
        version, _, rest = self.read_line().partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not code.isdecimal() or len(code) != 3:
            raise BrokenAnswer("no status line")
        return int(code), version

    def read_headers(self) -> Headers:
        headers: Headers = []
        while line := self.read_line():
            name, colon, value = line.partition(":")
            if not colon or len(headers) >= _MAX_HEADERS:
                raise BrokenAnswer("no header")
            headers.append((name, value.strip()))
        return headers

    def read_line(self) -> str:
        line = self._reader.readline(_LINE_BYTES)
        if not line.endswith(b"\r\n"):
            raise BrokenAnswer("the answer ends in its head")
        return line[:-2].decode("latin-1")

    def read_chunk_size(self) -> int:
        return int(self.read_line().partition(";")[0], 16)

    def expect_end_of_line(self) -> None:
        if self.read_line():
            raise BrokenAnswer("a chunk is longer than announced")

    def read_body(self, length: int) -> bytes:
        self._socket.settimeout(_BODY_SECONDS)
        body = self._reader.read(length)
        self._socket.settimeout(self._seconds)
        if len(body) != length:
            raise BrokenAnswer("the answer ends too early")
        return body

    def read_pieces(self, length: int | None) -> Iterator[bytes]:
        """Yields `length` bytes as they arrive; with None it yields until the connection ends."""
        while length is None or length > 0:
            piece = self._reader.read1(_PIECE_BYTES if length is None else min(_PIECE_BYTES, length))
            if not piece:
                if length is None:
                    return
                raise BrokenAnswer("the answer ends too early")
            if length is not None:
                length -= len(piece)
            yield piece

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def _is_read(method: str, target: str) -> bool:
    """Returns whether a request changes nothing."""
    return method in _REPEATABLE_METHODS or target.partition("?")[0].endswith(_QUERY_SUFFIXES)
