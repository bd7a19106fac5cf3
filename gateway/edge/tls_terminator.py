"""TLS in front of the HTTP edge where clients' certificates are asked for: granian does not tell who showed which (ADR 15).

Bytes go through as they are; HTTP is granian's alone, on a Unix socket in a directory that nobody else can enter. Each
connection comes to it from a name of its own there, by which the edge knows whose it is.
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

log = structlog.get_logger()

# Where the edge finds the thumbprint of the certificate that its caller showed; no header can have this name.
CERTIFICATE: Final = "chengxin.certificate"

_HANDSHAKE_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 5.0
_PIECE: Final = 64 * 1024
_BACKLOG: Final = 1024


@dataclass(frozen=True)
class _Peer:
    """Who is at the other end of a connection: the address, and the thumbprint of the certificate, if it showed one."""

    address: str
    certificate: str


def server_context(certificate: Path, key: Path, clients: Path, required: bool) -> ssl.SSLContext:
    """TLS 1.3 that asks for certificates of the CA `clients`, and goes on without one unless it is `required`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    # A certificate is shown on every connection, not remembered from another one.
    context.num_tickets = 0
    return context


class TlsFront:
    """Listens on `listen` (host:port), and passes what is in the TLS to the edge at the Unix socket `inner`."""

    def __init__(self, listen: str, inner: Path, context: ssl.SSLContext) -> None:
        self._listen = listen
        self._inner = inner
        self._context = context
        self._peers: dict[str, _Peer] = {}
        # Never one twice: a request that waits while its connection ends must not be taken for another's.
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)
        self._stopped = asyncio.Event()

    def before(self, app: WSGIApplication) -> WSGIApplication:
        """The application, which is told who calls; what did not come through here is not let in."""

        def told(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            peer = self._peers.get(environ.get("REMOTE_ADDR", ""))
            if peer is None:
                start_response("403 -", [("Content-Length", "0")])
                return []
            environ |= {"REMOTE_ADDR": peer.address, CERTIFICATE: peer.certificate, "wsgi.url_scheme": "https"}
            return app(environ, start_response)

        return told

    def start(self) -> None:
        """Begins to listen. Raises `OSError` when the address cannot be bound."""
        host, _, port = self._listen.rpartition(":")
        self._socket = socket.create_server((host, int(port)), backlog=_BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Takes no more connections, and ends those there are."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._pass,
            sock=self._socket,
            ssl=self._context,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=_CLOSE_SECONDS,
        )
        await self._stopped.wait()
        server.close()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end has had enough."""
        name = str(self._inner.with_name(f"{next(self._numbers):x}"))
        try:
            inner_reader, inner_writer = await _reached(str(self._inner), name)
            self._peers[name] = _peer(writer)
            try:
                await _either(_copy(reader, inner_writer), _copy(inner_reader, writer))
            finally:
                inner_writer.close()
        except OSError as e:
            log.warning("a connection was not passed on", reason=repr(e)[:200])
        except asyncio.CancelledError:
            # The front stops, and waits for no farewell. (Not raised: asyncio of Python 3.11 would tell it as an error.)
            writer.transport.abort()
        finally:
            self._peers.pop(name, None)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _reached(inner: str, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a Unix socket, under a name."""
    one = socket.socket(socket.AF_UNIX)
    one.setblocking(False)
    try:
        one.bind(name)
        await asyncio.get_running_loop().sock_connect(one, inner)
    except BaseException:
        one.close()
        raise
    finally:
        # The other end has learned it.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return await asyncio.open_unix_connection(sock=one)


def _peer(writer: asyncio.StreamWriter) -> _Peer:
    address, number, *_ = writer.get_extra_info("peername")
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    thumbprint = certificate_thumbprint(ssl.DER_cert_to_PEM_cert(shown).encode()) if shown else ""
    return _Peer(f"[{address}]:{number}" if ":" in address else f"{address}:{number}", thumbprint)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            # The faster end waits for the slower one.
            await writer.drain()


async def _either(*ways: Any) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
