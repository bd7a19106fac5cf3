"""The front of an edge: it accepts every connection, bounds it, reads how requests are framed, and passes its bytes on
unchanged.

Behind it granian or gRPC reads them, on a Unix socket in a directory that no other user can enter. Neither gives an
address a share of the connections. granian tells neither which connection a request came by nor which certificate was
shown on it, and it gives a connection all the time there is; so before HTTP the front ends TLS, too. Each connection to
the Unix socket comes from a name of its own in the directory, by which the edge finds its caller (decisions 15, 36).
"""

import contextlib
import itertools
import math
import os
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIApplication

import structlog
from werkzeug.wsgi import ClosingIterator

from chengxin.bounds import bound, own
from chengxin.concurrency.shares import Claimant, Held, Shares
from gateway.edge.origins import Origins, address_of
from gateway.edge.passages import Passage, Watched
from gateway.edge.request_framing import RequestFraming

log = structlog.get_logger()

# Under these WSGI keys the edge finds the connection of a request, the thumbprint of the certificate shown on it, and the
# request as it was sent (None when the front could not read it); no header can have these names.
CONNECTION: Final = "chengxin.connection"
HEAD: Final = "chengxin.head"
CERTIFICATE: Final = "chengxin.certificate"

# The name of a connection behind the front: that of the Unix socket, a number, and the client's address.
_NAME: Final = re.compile(r"-[0-9a-f]+-([^/]+)$")

_CLOSE_SECONDS: Final = 5.0
# What is already answered when the front stops has so long to reach the clients.
_LAST_SECONDS: Final = 2.0
_BACKLOG: Final = 1024
# How often the front looks for connections whose time is over.
_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Times:
    """The seconds that a front gives to a client."""

    # For its first byte, its TLS handshake with the front included.
    first_byte: float
    # Between two requests.
    idle: float
    # For taking what waits for it in the front, 64 KiB at most.
    stalled: float


HTTP_TIMES: Final = Times(first_byte=10.0, idle=75.0, stalled=30.0)

CONNECTIONS: Final = bound(
    __name__,
    "create_server",
    resource="Connections to the HTTP edge",
    total=2048,
    share=512,
    seconds=HTTP_TIMES.idle,
    why="Without a request; 10 s before the first byte, 30 s while the client takes none of its answer. A connection "
    "takes no thread. A trusted proxy has no share, because it has everybody's connections",
    test="tests/gateway/test_front.py::test_one_address_does_not_take_all_connections",
)
own(__name__, "Thread", resource="Threads of the fronts", total=2, why="One before each edge")


class Connection:
    """A client's connection. The edge's threads and the front's loop both use it; each field has one writer."""

    def __init__(self, address: str, times: Times = HTTP_TIMES, framing: RequestFraming | None = None) -> None:
        self.address = address
        self._times = times
        self.certificate = ""
        # What of the requests on it granian does not tell; None where they are not HTTP.
        self.framing = framing
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

    def note_sent(self, piece: memoryview) -> None:
        """Notes what came from the client."""
        self.moved_at, self.has_sent = time.monotonic(), True
        if self.framing is not None:
            self.framing.read(piece)

    def await_taking(self) -> None:
        """Gives the client a time to take what is sent to it."""
        self.taking_due = time.monotonic() + self._times.stalled

    def is_overdue(self, now: float) -> bool:
        """Returns whether the client has had all its time."""
        if self.requests == 0 and self.taking_due == math.inf:
            idle_seconds = self._times.idle if self.has_sent else self._times.first_byte
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
    """Listens on `listen` (host:port), and passes bytes to the edge at the Unix socket `inner`.

    With a `context` it ends TLS, otherwise it passes that on, too.
    """

    def __init__(
        self,
        listen: str,
        inner: Path,
        context: ssl.SSLContext | None,
        origins: Origins,
        shares: Shares,
        times: Times = HTTP_TIMES,
    ) -> None:
        self._listen = listen
        self._inner = inner
        self._context = context
        self._origins = origins
        self._shares = shares
        self._times = times
        # By the names at which the edge sees them; and what passes their bytes on.
        self._connections: dict[str, Connection] = {}
        self._passages: set[Passage] = set()
        # Each number is used once: a request that outlasts its connection must not be taken for another client's.
        self._numbers = itertools.count()
        self._watched = Watched()
        self._stopping = False
        # Before an app, requests are read on their way to it.
        self._make_framing: Callable[[], RequestFraming | None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="front", daemon=True)

    def before(self, app: WSGIApplication) -> WSGIApplication:
        """Wraps `app`: adds the connection and what is known of it; answers 403 to what bypassed this listener."""
        secure = {"wsgi.url_scheme": "https"} if self._context else {}
        self._make_framing = RequestFraming

        def identify_caller(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            connection = self._connections.get(environ.get("REMOTE_ADDR", ""))
            if connection is None:
                start_response("403 -", [("Content-Length", "0")])
                return []
            environ |= secure
            environ[CONNECTION], environ[CERTIFICATE] = connection, connection.certificate
            environ[HEAD] = connection.framing.take_head() if connection.framing else None
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
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server(
            (host, int(port)), family=family, backlog=_BACKLOG, dualstack_ipv6=host == "::"
        )
        self._socket.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        """Accepts no more connections, and ends the open ones, when the clients have what the edge has answered."""
        self._stopping = True
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        look_at = 0.0
        while not self._stopping:
            try:
                now = time.monotonic()
                if now > look_at:
                    look_at = now + _LOOK_SECONDS
                    self._end_overdue(now)
                self._watched.wait(_LOOK_SECONDS)
            except Exception as e:
                # Without this thread nobody is served, so it ends for nothing that one connection meets.
                log.exception("unexpected error at the connections", error=repr(e))
        self._watched.watch(self._socket.fileno(), 0, self._accept)
        self._socket.close()
        self._end_all()
        self._watched.close()

    def _end_all(self) -> None:
        """Ends the connections. The last answers may not have been read yet from behind: the edge ended first."""
        deadline = time.monotonic() + _LAST_SECONDS
        while any(passage.owes_answer() for passage in self._passages) and time.monotonic() < deadline:
            self._watched.wait(_LOOK_SECONDS)
        for passage in list(self._passages):
            passage.end_from_edge()
        while self._passages and time.monotonic() < deadline:
            self._watched.wait(_LOOK_SECONDS)
        for passage in list(self._passages):
            passage.hang_up()

    def _accept(self, _events: int) -> None:
        """Accepts one connection, and gives it a place before anything is done for it, TLS above all."""
        try:
            client, peer = self._socket.accept()
        except BlockingIOError:
            # It is gone again.
            return
        except OSError as e:
            log.warning("no connection can be accepted", reason=repr(e)[:200])
            self._watched.watch(self._socket.fileno(), 0, self._accept)
            return
        name = f"{self._inner}-{next(self._numbers):x}-{peer[0]}"
        # Each connection of a trusted proxy is for itself.
        claimant = Claimant(name if self._origins.is_trusted(peer[0]) else address_of(peer[0]))
        held = self._shares.take(claimant)
        if held is None:
            client.close()
            return
        connection = Connection(peer[0], self._times, self._make_framing())
        passage = Passage(self._watched, connection, partial(self._connect, name), partial(self._forget, name, held))
        self._passages.add(passage)
        passage.open(client, self._context)

    def _connect(self, name: str, passage: Passage) -> socket.socket:
        self._connections[name] = passage.connection
        return _connect(str(self._inner), name)

    def _forget(self, name: str, held: Held, passage: Passage) -> None:
        self._connections.pop(name, None)
        self._passages.discard(passage)
        held.release()

    def _end_overdue(self, now: float) -> None:
        """Ends the connections whose clients have had all their time."""
        for passage in [p for p in self._passages if p.connection.is_overdue(now)]:
            passage.hang_up()
        # When the system had no descriptors for a connection, it may have some now.
        self._watched.watch(self._socket.fileno(), select.EPOLLIN, self._accept)


def address_behind(peer: str) -> str:
    """Returns the address of the client whose connection gRPC calls `peer`; empty when it came past the front.

    It is read from the name: a call can outlast its connection, of which the front knows nothing any more.
    """
    name = _NAME.search(unquote(peer))
    return name[1] if name else ""


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
