"""The front of the HTTP edge: it accepts every connection, bounds it, ends TLS, and passes its bytes on unchanged.

Only granian reads HTTP, on a Unix socket in a directory that no other user can enter. It tells neither which connection
a request came by nor which certificate was shown on it, and it gives a connection all the time there is. So each
connection to that socket comes from a name of its own in the directory, by which the edge finds its caller (decisions
15, 36).
"""

import asyncio
import contextlib
import itertools
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication

import structlog
from werkzeug.wsgi import ClosingIterator

from chengxin.auth.tls import certificate_thumbprint
from chengxin.bounds import bound, own
from chengxin.concurrency.shares import Claimant, Held, Shares
from gateway.edge.origins import Origins, address_of

log = structlog.get_logger()

# Under these WSGI keys the edge finds the connection of a request, and the thumbprint of the certificate shown on it;
# no header can have these names.
CONNECTION: Final = "chengxin.connection"
CERTIFICATE: Final = "chengxin.certificate"

_HANDSHAKE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 256 * 1024
_BACKLOG: Final = 1024
# How often the front looks for connections whose time is over.
_LOOK_SECONDS: Final = 0.25
# The pause after the system had no more descriptors for a connection.
_SCARCE_SECONDS: Final = 0.2
# The time for a client's first byte, and of a connection between two requests.
_FIRST_BYTE_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 75.0
# The time in which a client takes some of what is sent to it.
_STALLED_SECONDS: Final = 30.0

CONNECTIONS: Final = bound(
    __name__,
    "create_server",
    resource="Connections to the HTTP edge",
    total=2048,
    share=512,
    seconds=_IDLE_SECONDS,
    why="Without a request; 10 s before the first byte, 30 s while the client takes none of its answer. A connection "
    "takes no thread. A trusted proxy has no share, because it has everybody's connections",
    test="tests/gateway/test_front.py::test_one_address_does_not_take_all_connections",
)
own(__name__, "Thread", resource="Threads of the front", total=1, why="Started once")


class Connection:
    """A client's connection. The edge's threads and the front's loop both use it; each field has one writer."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.certificate = ""
        # True when the client sends no more, or is not listened to any more: what was read of a body is not all of it.
        self.ended = False
        # Requests under way, and when something last came from the client (monotonic clock).
        self.requests = 0
        self.moved_at = time.monotonic()
        self.has_sent = False
        # When the client's time for a body, and for taking what is sent to it, is over.
        self.body_due = self.taking_due = math.inf
        self._lock = threading.Lock()

    def begin_request(self) -> None:
        """Counts a request that the edge works on, until its answer is passed on."""
        with self._lock:
            self.requests += 1

    def end_request(self) -> None:
        """Ends a request."""
        with self._lock:
            self.requests -= 1
        self.moved_at = time.monotonic()

    def is_overdue(self, now: float) -> bool:
        """Returns whether the client has had all its time."""
        if self.requests == 0 and self.taking_due == math.inf:
            idle_seconds = _IDLE_SECONDS if self.has_sent else _FIRST_BYTE_SECONDS
            return now > self.moved_at + idle_seconds
        return now > min(self.body_due, self.taking_due)


def server_context(certificate: Path, key: Path, clients: Path | None, required: bool) -> ssl.SSLContext:
    """Returns a TLS 1.3 context. It asks for certificates of the CA `clients`, and insists on one if `required`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients) if clients else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # Without session tickets, a client shows its certificate on every connection: none is remembered from another one.
    context.num_tickets = 0
    return context


class Front:
    """Listens on `listen` (host:port), and passes bytes to the edge at the Unix socket `inner`; TLS with a `context`."""

    def __init__(
        self, listen: str, inner: Path, context: ssl.SSLContext | None, origins: Origins, shares: Shares
    ) -> None:
        self._listen = listen
        self._inner = inner
        self._context = context
        self._origins = origins
        self._shares = shares
        # By the names at which granian sees them; and what passes their bytes on.
        self._connections: dict[str, Connection] = {}
        self._passages: set[_Passage] = set()
        # A piece is passed on before the next one is read, whatever connection that one comes by.
        self._piece = memoryview(bytearray(_PIECE_BYTES))
        # Each number is used once: a request that outlasts its connection must not be taken for another client's.
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="front", daemon=True)
        self._stopped = asyncio.Event()

    def before(self, app: WSGIApplication) -> WSGIApplication:
        """Wraps `app`: adds the connection and what is known of it; answers 403 to what bypassed this listener."""
        secure = {"wsgi.url_scheme": "https"} if self._context else {}

        def identify_caller(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            connection = self._connections.get(environ.get("REMOTE_ADDR", ""))
            if connection is None:
                start_response("403 -", [("Content-Length", "0")])
                return []
            environ |= secure
            environ[CONNECTION], environ[CERTIFICATE] = connection, connection.certificate
            environ["REMOTE_ADDR"] = self._origins.of(
                connection.address, environ.get("HTTP_FORWARDED", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
            )
            connection.begin_request()
            try:
                answer = app(environ, start_response)
            except BaseException:
                connection.end_request()
                raise
            if isinstance(answer, list):
                connection.end_request()
                return answer
            return ClosingIterator(answer, [connection.end_request])

        return identify_caller

    def start(self) -> None:
        """Starts to listen. Raises `OSError` when the address cannot be bound."""
        host, _, port = self._listen.rpartition(":")
        self._socket = socket.create_server((host, int(port)), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        """Accepts no more connections, and ends the open ones."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._listen_again()
        looking = asyncio.ensure_future(self._end_overdue())
        await self._stopped.wait()
        looking.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for passage in self._passages:
            passage.hang_up()
        while self._passages:
            await asyncio.sleep(0)

    def _listen_again(self) -> None:
        if not self._stopped.is_set():
            self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        """Accepts one connection, and gives it a place before anything is done for it, TLS above all."""
        try:
            client, peer = self._socket.accept()
        except BlockingIOError:
            # It is gone again.
            return
        except OSError as e:
            log.warning("no connection can be accepted", reason=repr(e)[:200])
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_SCARCE_SECONDS, self._listen_again)
            return
        name = str(self._inner.with_name(f"{next(self._numbers):x}"))
        # Each connection of a trusted proxy is for itself.
        claimant = Claimant(name if self._origins.is_trusted(peer[0]) else address_of(peer[0]))
        held = self._shares.take(claimant)
        if held is None:
            client.close()
            return
        client.setblocking(False)
        passage = _Passage(Connection(peer[0]), self._piece, lambda: self._forget(name, passage, held))
        self._passages.add(passage)
        passage.open(self._open(client, name, passage))

    def _forget(self, name: str, passage: "_Passage", held: Held) -> None:
        self._connections.pop(name, None)
        self._passages.remove(passage)
        held.release()

    async def _end_overdue(self) -> None:
        """Ends the connections whose clients have had all their time."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for passage in self._passages:
                if passage.connection.is_overdue(now):
                    passage.hang_up()

    async def _open(self, client: socket.socket, name: str, passage: "_Passage") -> None:
        """Shakes hands where there is TLS, connects to granian, and lets the bytes pass."""
        connection = passage.connection
        try:
            await _attach(passage.client, client, self._context)
        except (OSError, TimeoutError):
            # A client that shakes no hands.
            client.close()
            return
        try:
            connection.certificate = _read_thumbprint(passage.client)
            await _attach(passage.edge, _connect(str(self._inner), name), None)
        except OSError as e:
            log.warning("a connection was not passed on", reason=repr(e)[:200])
            passage.client.close()
            return
        self._connections[name] = connection
        passage.begin()


class _End(asyncio.BufferedProtocol):
    """One end of a passage: what comes from it is written to the other one, and the faster waits for the slower."""

    other: "_End"

    def __init__(self, piece: memoryview, made: Callable[[], None], lost: Callable[[], None]) -> None:
        self.transport: Any = None
        self._piece = piece
        self._made = made
        self._lost = lost

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._made()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        # What still comes while TLS is ended is for nobody.
        if not self.other.transport.is_closing():
            # A copy, because a transport may keep what it is given.
            self.other.transport.write(bytes(self._piece[:nbytes]))

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()

    def eof_received(self) -> None:
        # Nobody waits for an answer after the last byte, so both ends close, after what has been read for them.
        self.other.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.other.close()
        self._lost()

    def close(self) -> None:
        """Closes this end when what was written to it is taken."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Closes this end at once."""
        if self.transport is not None:
            self.transport.abort()


class _ClientEnd(_End):
    """The end at the client, which notes on the connection what the client does."""

    connection: Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Until there is another end.
        self.transport.pause_reading()

    def buffer_updated(self, nbytes: int) -> None:
        self.connection.moved_at, self.connection.has_sent = time.monotonic(), True
        super().buffer_updated(nbytes)

    def pause_writing(self) -> None:
        self.connection.taking_due = time.monotonic() + _STALLED_SECONDS
        super().pause_writing()

    def resume_writing(self) -> None:
        self.connection.taking_due = math.inf
        super().resume_writing()

    def eof_received(self) -> None:
        self.connection.ended = True
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.ended = True
        super().connection_lost(exc)

    def close(self) -> None:
        self.connection.ended = True
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.connection.taking_due = time.monotonic() + _STALLED_SECONDS
        super().close()


class _Passage:
    """A client's connection and the one to granian on which it is passed on."""

    def __init__(self, connection: Connection, piece: memoryview, on_over: Callable[[], None]) -> None:
        """`piece` is where bytes are read to; `on_over()` is called when nothing of the passage is left."""
        self.connection = connection
        self.client = _ClientEnd(piece, self._begin_part, self._end_part)
        self.edge = _End(piece, self._begin_part, self._end_part)
        self.client.connection = connection
        self.client.other, self.edge.other = self.edge, self.client
        self._on_over = on_over
        # The opening, and the two ends.
        self._parts = 0

    def open(self, opening: Coroutine[Any, Any, None]) -> None:
        """Starts to open the passage."""
        self._begin_part()
        self._opening = asyncio.ensure_future(opening)
        self._opening.add_done_callback(lambda _: self._end_part())

    def begin(self) -> None:
        """Lets bytes pass, now that both ends are there."""
        if self.client.transport.is_closing():
            self.edge.close()
        else:
            self.client.transport.resume_reading()

    def hang_up(self) -> None:
        """Ends the connection; nobody is waited for."""
        self.connection.ended = True
        self._opening.cancel()
        self.client.abort()
        self.edge.abort()

    def _begin_part(self) -> None:
        self._parts += 1

    def _end_part(self) -> None:
        self._parts -= 1
        if not self._parts:
            self._on_over()


async def _attach(end: _End, connection: socket.socket, context: ssl.SSLContext | None) -> None:
    """Makes a connected socket one end, after the handshake where there is TLS."""
    seconds = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS, "ssl_shutdown_timeout": _CLOSE_SECONDS} if context else {}
    await asyncio.get_running_loop().connect_accepted_socket(lambda: end, connection, ssl=context, **seconds)


def _connect(inner: str, name: str) -> socket.socket:
    """Connects to the Unix socket `inner` under a name."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        connection.bind(name)
        # This waits for nothing: it is connected as soon as it is in the other end's queue.
        connection.connect(inner)
    except BaseException:
        connection.close()
        raise
    finally:
        # The other end already knows the name.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return connection


def _read_thumbprint(client: _ClientEnd) -> str:
    """Returns the thumbprint of the client's certificate; empty without one."""
    tls = client.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls else None
    return certificate_thumbprint(ssl.DER_cert_to_PEM_cert(certificate).encode()) if certificate else ""
