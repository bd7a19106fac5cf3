"""The TLS terminator in front of the HTTP edge, for deployments that ask for clients' certificates.

It exists because granian does not report which client showed which certificate (ADR 15). It passes bytes on unchanged;
only granian reads HTTP, on a Unix socket in a directory that no other user can enter. Each connection to that socket
comes from a name of its own in the directory, and the edge identifies the client by this name.
"""

import asyncio
import contextlib
import itertools
import os
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication

import structlog

from chengxin.auth.tls import certificate_thumbprint
from chengxin.bounds import bound, own

log = structlog.get_logger()

# The edge finds the thumbprint of its caller's certificate under this WSGI key; no header can have this name.
CERTIFICATE: Final = "chengxin.certificate"

_HANDSHAKE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
_PIECE_BYTES: Final = 64 * 1024
_BACKLOG: Final = 1024

own(
    __name__,
    "Thread",
    resource="Threads of the TLS terminator",
    total=1,
    why="Started once",
)
bound(
    __name__,
    "create_server",
    "start_server",
    resource="Connections that wait to be accepted",
    total=_BACKLOG,
    share="none yet",
    seconds=_HANDSHAKE_SECONDS,
    why="A connection takes no thread",
    test="tests/gateway/test_tls.py::test_who_says_nothing_keeps_nobody_else_waiting",
)


@dataclass(frozen=True)
class _Peer:
    """The client of a connection: its address, and the thumbprint of its certificate (empty without one)."""

    address: str
    certificate: str


def server_context(certificate: Path, key: Path, clients: Path, required: bool) -> ssl.SSLContext:
    """Returns a TLS 1.3 context that asks for certificates of the CA `clients`, and insists on one if `required`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # Without session tickets, a client shows its certificate on every connection: none is remembered from another one.
    context.num_tickets = 0
    return context


class TlsTerminator:
    """Listens on `listen` (host:port), and passes the decrypted bytes to the edge at the Unix socket `inner`."""

    def __init__(self, listen: str, inner: Path, context: ssl.SSLContext) -> None:
        self._listen = listen
        self._inner = inner
        self._context = context
        self._peers: dict[str, _Peer] = {}
        # Each number is used once: a request that outlasts its connection must not be taken for another client's.
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)
        self._stopped = asyncio.Event()

    def before(self, app: WSGIApplication) -> WSGIApplication:
        """Wraps `app`: adds the caller's address and certificate; answers 403 to what bypassed this listener."""

        def identify_caller(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            peer = self._peers.get(environ.get("REMOTE_ADDR", ""))
            if peer is None:
                start_response("403 -", [("Content-Length", "0")])
                return []
            environ |= {"REMOTE_ADDR": peer.address, CERTIFICATE: peer.certificate, "wsgi.url_scheme": "https"}
            return app(environ, start_response)

        return identify_caller

    def start(self) -> None:
        """Starts to listen. Raises `OSError` when the address cannot be bound."""
        host, _, port = self._listen.rpartition(":")
        self._socket = socket.create_server((host, int(port)), backlog=_BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Accepts no more connections, and ends the open ones."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._forward,
            sock=self._socket,
            ssl=self._context,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_CLOSE_SECONDS,
        )
        await self._stopped.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards one connection until either end closes it."""
        name = str(self._inner.with_name(f"{next(self._numbers):x}"))
        try:
            inner_reader, inner_writer = await _connect(str(self._inner), name)
            self._peers[name] = _read_peer(writer)
            try:
                await _run_until_one_ends(_copy(reader, inner_writer), _copy(inner_reader, writer))
            finally:
                inner_writer.close()
        except OSError as e:
            log.warning("a connection was not passed on", reason=repr(e)[:200])
        except asyncio.CancelledError:
            # The terminator stops and does not wait for the client. It does not raise the cancellation again, because
            # asyncio of Python 3.11 would report an error.
            writer.transport.abort()
        finally:
            self._peers.pop(name, None)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


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


def _read_peer(writer: asyncio.StreamWriter) -> _Peer:
    address, port, *_ = writer.get_extra_info("peername")
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    thumbprint = certificate_thumbprint(ssl.DER_cert_to_PEM_cert(certificate).encode()) if certificate else ""
    return _Peer(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", thumbprint)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            writer.write(piece)
            # The faster end waits for the slower one.
            await writer.drain()


async def _run_until_one_ends(*copies: Any) -> None:
    tasks = [asyncio.ensure_future(copy) for copy in copies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
