"""HTTP/1.1 to the services: kept connections, bytes in and out, nothing parsed but the framing.

The suite's hottest path. A request and its answer through urllib3 cost 185 µs of processor time, through http.client
96 µs, through this 30 µs (1 KiB answers, 2 cores): header objects are what they spend it on, and here nobody reads them.
The services are our own servers: whatever of theirs is not plain HTTP/1.1 ends the connection.
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

from chengxin.errors import UPSTREAM_UNAVAILABLE

log = structlog.get_logger()

_CONNECT_SECONDS: Final = 2.0
# An upload of the greatest size is validated and stored before it is answered.
_ANSWER_SECONDS: Final = 120.0
# A service that has not answered a reader for so long is asked whether it lives. It tells by itself when its store does not
# answer; a process that stands still tells nothing. Together less than the 5 s after which a reader is told (decision 23).
_QUIET_SECONDS: Final = 3.0
_LIFE_SECONDS: Final = 1.5
_AGAIN_SECONDS: Final = 1.0
# The rest of an answer whose head is there, and whose length is known.
_BODY_SECONDS: Final = 5.0
# Shorter than the services' own patience with idle connections (granian: 30 s).
_IDLE_SECONDS: Final = 20.0
# Where a service says that its process is up, and what it says then.
_LIFE: Final = "/healthz"
_OK: Final = 200
# Queries whose subject, or what is compared, is in a body.
_QUERIES: Final = ("/queries", "/differences")
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_BODILESS: Final = frozenset({204, 304})
_PIECE: Final = 64 * 1024
_LINE: Final = 16 * 1024
_LINES: Final = 100
# What is read at once: most answers whole. A read waits for its socket before, and gives up the interpreter twice.
_BUFFER: Final = 32 * 1024

Headers = list[tuple[str, str]]


class UpstreamBroken(ConnectionError):
    """The service's answer is not in order, or ends too early."""


class UpstreamAnswer:
    """A service's answer, its body not read yet: take `whole()` or `pieces()`, once."""

    def __init__(
        self, status: int, headers: Headers, length: int | None, chunked: bool, line: "_Line", done: Callable[[], None]
    ) -> None:
        self.status = status
        self.headers = headers
        # None when only the end tells.
        self.length = length
        self._chunked = chunked
        self._line = line
        self._done = done

    def whole(self) -> bytes:
        """A body of known length. Raises UPSTREAM_UNAVAILABLE."""
        try:
            body = self._line.read(self.length or 0)
        except OSError:
            self._line.close()
            raise UPSTREAM_UNAVAILABLE(retry_after=1) from None
        self._done()
        return body

    def pieces(self) -> Generator[bytes, None, None]:
        """The body as it comes. Raises `OSError` when it ends too early."""
        complete = False
        try:
            yield from self._chunks() if self._chunked else self._line.stream(self.length)
            complete = True
        finally:
            if complete:
                self._done()
            else:
                self._line.close()

    def _chunks(self) -> Iterator[bytes]:
        while size := self._line.chunk_size():
            yield from self._line.stream(size)
            self._line.expect_end_of_line()
        while self._line.text():
            pass  # trailers


class Upstream:
    """One service's HTTP face."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port or 0))
        self._host = address
        self._idle: deque[_Line] = deque()
        self._asking = threading.Lock()
        self._asked_at = float("-inf")
        self._alive = True

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> UpstreamAnswer:
        """Sends a request and reads the head of its answer. Raises UPSTREAM_UNAVAILABLE.

        Nothing that may have been carried out is sent twice: only a request that changes nothing is repeated, when a
        kept connection turns out to be closed.
        """
        head = self._head(method, target, headers, body)
        while True:
            line, kept = self._take()
            try:
                line.send(head, body, chunked=_is_chunked(headers, body))
                if _is_read(method, target):
                    self._await(line)
                return self._answer(line, method)
            except (OSError, ValueError) as e:
                line.close()
                # A service that said nothing has not closed the connection: asked again it would be waited for twice.
                closed = kept and not isinstance(e, TimeoutError)
                if not (closed and method in _REPEATABLE and body is None):
                    log.info("a service does not answer", service=self._host, reason=repr(e)[:200])
                    raise UPSTREAM_UNAVAILABLE(retry_after=1) from None
            except BaseException:
                line.close()
                raise

    def close(self) -> None:
        """Closes the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _head(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}", *(f"{n}: {v}" for n, v in headers.items())]
        if isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
        elif _is_chunked(headers, body):
            lines.append("Transfer-Encoding: chunked")
        head = "\r\n".join([*lines, "", ""])
        # No value may hold a line of its own.
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise ValueError("a line break in a header")
        return head.encode("latin-1")

    def _take(self) -> tuple["_Line", bool]:
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                break
            if line.usable():
                return line, True
            line.close()
        try:
            return _Line(self._address), False
        except OSError:
            raise UPSTREAM_UNAVAILABLE(retry_after=1) from None

    def _await(self, line: "_Line") -> None:
        """Waits for the beginning of an answer, as long as the service lives. Raises `OSError`."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        quiet = _QUIET_SECONDS
        while not line.has_more(quiet):
            if time.monotonic() > deadline or not self._lives():
                raise TimeoutError("nothing, and it does not say that it lives")
            quiet = _AGAIN_SECONDS

    def _lives(self) -> bool:
        """Whether the service says that it is there; all who wait for it ask together."""
        with self._asking:
            if time.monotonic() - self._asked_at > _AGAIN_SECONDS:
                self._alive = self._says_that_it_lives()
                self._asked_at = time.monotonic()
            return self._alive

    def _says_that_it_lives(self) -> bool:
        try:
            line = _Line(self._address, _LIFE_SECONDS)
        except OSError:
            return False
        try:
            line.send(self._head("GET", _LIFE, {"Connection": "close"}, None), None, chunked=False)
            return line.status()[0] == _OK
        except (OSError, ValueError):
            return False
        finally:
            line.close()

    def _answer(self, line: "_Line", method: str) -> UpstreamAnswer:
        status, version = line.status()
        while 100 <= status < 200:
            line.headers()
            status, version = line.status()
        headers = line.headers()
        known = {name.lower(): value for name, value in headers}
        chunked = known.get("transfer-encoding", "").lower() == "chunked"
        length = int(known["content-length"]) if "content-length" in known and not chunked else None
        if method == "HEAD" or status in _BODILESS:
            length, chunked = 0, False
        ends_with_line = length is None and not chunked
        keep = version == "HTTP/1.1" and known.get("connection", "").lower() != "close" and not ends_with_line

        def done() -> None:
            if keep and not line.cut_short:
                line.used_at = time.monotonic()
                self._idle.append(line)
            else:
                line.close()

        return UpstreamAnswer(status, headers, length, chunked, line, done)


class _Line:
    """A connection, and what is read from it."""

    def __init__(self, address: tuple[str, int], seconds: float = _ANSWER_SECONDS) -> None:
        self._socket = socket.create_connection(address, min(_CONNECT_SECONDS, seconds))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(seconds)
        self._seconds = seconds
        self._reader = cast(BufferedReader, self._socket.makefile("rb", _BUFFER))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        self.used_at = time.monotonic()
        # The service answered before it had read the whole request.
        self.cut_short = False

    def usable(self) -> bool:
        """Whether an idle connection is still open, as far as can be seen: nothing is to be read from it."""
        return time.monotonic() - self.used_at < _IDLE_SECONDS and not self._poll.poll(0)

    def has_more(self, seconds: float) -> bool:
        """Whether there is something to read within so long, or the connection has ended."""
        return bool(self._poll.poll(seconds * 1000))

    def send(self, head: bytes, body: bytes | Iterable[bytes] | None, *, chunked: bool) -> None:
        if body is None or isinstance(body, bytes):
            self._socket.sendall(head + (body or b""))
            return
        self._socket.sendall(head)
        for piece in body:
            try:
                self._socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            except (BrokenPipeError, ConnectionResetError):
                # A service that refuses an upload answers and hangs up; its answer may be there to read.
                self.cut_short = True
                return
        if chunked:
            self._socket.sendall(b"0\r\n\r\n")

    def status(self) -> tuple[int, str]:
        version, _, rest = self.text().partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not code.isdecimal() or len(code) != 3:
            raise UpstreamBroken("no status line")
        return int(code), version

    def headers(self) -> Headers:
        found: Headers = []
        while text := self.text():
            name, colon, value = text.partition(":")
            if not colon or len(found) >= _LINES:
                raise UpstreamBroken("no header")
            found.append((name, value.strip()))
        return found

    def text(self) -> str:
        line = self._reader.readline(_LINE)
        if not line.endswith(b"\r\n"):
            raise UpstreamBroken("the answer ends in its head")
        return line[:-2].decode("latin-1")

    def chunk_size(self) -> int:
        return int(self.text().partition(";")[0], 16)

    def expect_end_of_line(self) -> None:
        if self.text():
            raise UpstreamBroken("a chunk is longer than announced")

    def read(self, length: int) -> bytes:
        self._socket.settimeout(_BODY_SECONDS)
        body = self._reader.read(length)
        self._socket.settimeout(self._seconds)
        if len(body) != length:
            raise UpstreamBroken("the answer ends too early")
        return body

    def stream(self, length: int | None) -> Iterator[bytes]:
        """So many bytes as they come; None: until the connection ends."""
        while length is None or length > 0:
            piece = self._reader.read1(_PIECE if length is None else min(_PIECE, length))
            if not piece:
                if length is None:
                    return
                raise UpstreamBroken("the answer ends too early")
            if length is not None:
                length -= len(piece)
            yield piece

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


def _is_read(method: str, target: str) -> bool:
    """Whether somebody waits for an answer that changes nothing."""
    return method in _REPEATABLE or target.partition("?")[0].endswith(_QUERIES)


def _is_chunked(headers: Mapping[str, str], body: bytes | Iterable[bytes] | None) -> bool:
    return body is not None and not isinstance(body, bytes) and "Content-Length" not in headers
