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
from collections.abc import Iterable
from functools import partial
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
_PIECE_BYTES: Final = 64 * 1024
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
        # By the names at which granian sees them; and with the tasks that serve them.
        self._connections: dict[str, Connection] = {}
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
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
        # The loop keeps no reference to its tasks.
        beside = [asyncio.ensure_future(self._accept()), asyncio.ensure_future(self._end_overdue())]
        await self._stopped.wait()
        self._socket.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in [*beside, *running]:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _accept(self) -> None:
        """Accepts connections one by one, and gives each a place before anything is done for it, TLS above all."""
        while True:
            try:
                client, peer = await self._loop.sock_accept(self._socket)
            except OSError as e:
                log.warning("no connection can be accepted", reason=repr(e)[:200])
                await asyncio.sleep(_SCARCE_SECONDS)
                continue
            name = str(self._inner.with_name(f"{next(self._numbers):x}"))
            # Each connection of a trusted proxy is for itself.
            claimant = Claimant(name if self._origins.is_trusted(peer[0]) else address_of(peer[0]))
            held = self._shares.take(claimant)
            if held is None:
                client.close()
                continue
            connection = Connection(peer[0])
            task = self._loop.create_task(self._serve_client(client, name, connection))
            self._tasks[connection] = task
            task.add_done_callback(partial(self._forget, connection, held))

    def _forget(self, connection: Connection, held: Held, _task: "asyncio.Task[None]") -> None:
        del self._tasks[connection]
        held.release()

    async def _end_overdue(self) -> None:
        """Ends the connections whose clients have had all their time."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            for connection, task in self._tasks.items():
                if connection.is_overdue(now):
                    task.cancel()

    async def _serve_client(self, client: socket.socket, name: str, connection: Connection) -> None:
        """Forwards one connection until either end closes it."""
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader, writer = await _open(client, self._context)
        except (OSError, TimeoutError):
            # A client that shakes no hands.
            client.close()
            return
        try:
            connection.certificate = _read_thumbprint(writer)
            inner_reader, inner_writer = await _connect(str(self._inner), name)
            self._connections[name] = connection
            try:
                await _run_until_one_ends(
                    _copy_to_edge(connection, reader, inner_writer),
                    _copy_to_client(connection, inner_reader, writer),
                )
            finally:
                connection.ended = True
                inner_writer.close()
        except OSError as e:
            log.warning("a connection was not passed on", reason=repr(e)[:200])
        except asyncio.CancelledError:
            # The front stops, or the client's time is over: it is not waited for. The cancellation goes no further,
            # because nobody waits for this task.
            writer.transport.abort()
        finally:
            self._connections.pop(name, None)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _open(
    client: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Returns the streams of an accepted connection, after the handshake where there is TLS."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2 * _PIECE_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    seconds = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS, "ssl_shutdown_timeout": _CLOSE_SECONDS} if context else {}
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=context, **seconds)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _connect(inner: str, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to the Unix socket `inner` under a name."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        connection.bind(name)
        await asyncio.get_running_loop().sock_connect(connection, inner)
    except BaseException:
        connection.close()
        raise
    finally:
        # The other end already knows the name.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return await asyncio.open_unix_connection(sock=connection)


def _read_thumbprint(writer: asyncio.StreamWriter) -> str:
    """Returns the thumbprint of the client's certificate; empty without one."""
    tls = writer.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls else None
    return certificate_thumbprint(ssl.DER_cert_to_PEM_cert(certificate).encode()) if certificate else ""


async def _copy_to_edge(connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            connection.moved_at, connection.has_sent = time.monotonic(), True
            writer.write(piece)
            # The faster end waits for the slower one.
            await writer.drain()
    connection.ended = True


async def _copy_to_client(connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            connection.taking_due = time.monotonic() + _STALLED_SECONDS
            writer.write(piece)
            await writer.drain()
            connection.taking_due = math.inf


async def _run_until_one_ends(*copies: Any) -> None:
    tasks = [asyncio.ensure_future(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
