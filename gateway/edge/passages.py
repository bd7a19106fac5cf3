"""Passes the bytes of connections on, both ways, in one thread: the faster end waits for the slower one.

It works on the system's own events, because a turn of asyncio's loop costs more than passing a request's bytes on does
(decision 36, "What it costs").
"""

import contextlib
import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from chengxin.auth.tls import certificate_thumbprint

if TYPE_CHECKING:
    from gateway.edge.front import Connection

log = structlog.get_logger()

_PIECE_BYTES: Final = 64 * 1024
_CLOSE_SECONDS: Final = 5.0
# What a socket says that would have to wait. A client that makes TLS write before it can read (it asks for new keys, and
# takes nothing) is hung up on, as for any other error.
_NOT_YET: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError)
_NOT_NOW: Final = (BlockingIOError, InterruptedError, ssl.SSLWantWriteError)


class Watched:
    """The descriptors that one thread watches, each with what is called when something happens at it."""

    def __init__(self) -> None:
        # A piece is passed on before the next one is read, whatever connection that one comes by.
        self.piece = memoryview(bytearray(_PIECE_BYTES))
        self._epoll = select.epoll()
        self._watchers: dict[int, tuple[int, Callable[[int], None]]] = {}

    def watch(self, descriptor: int, events: int, on_events: Callable[[int], None]) -> None:
        """Calls `on_events` when one of the events happens, or the other end is gone; with no events, never again."""
        before, _ = self._watchers.get(descriptor, (0, None))
        if not events:
            # One that is registered is told of its other end's going even if it asks for nothing.
            if self._watchers.pop(descriptor, None):
                self._epoll.unregister(descriptor)
            return
        if not before:
            self._epoll.register(descriptor, events)
        elif before != events:
            self._epoll.modify(descriptor, events)
        self._watchers[descriptor] = (events, on_events)

    def wait(self, seconds: float) -> None:
        """Waits for events, and calls what belongs to them."""
        for descriptor, events in self._epoll.poll(seconds):
            # One event may close the descriptor of the next; whatever gets its number has to bear an event too many.
            watcher = self._watchers.get(descriptor)
            if watcher is None:
                continue
            try:
                watcher[1](events)
            except Exception as e:
                # Nothing of one connection ends the others.
                log.exception("unexpected error at a connection", error=repr(e))
                self.watch(descriptor, 0, watcher[1])

    def close(self) -> None:
        """Ends the watch."""
        self._epoll.close()


class _End:
    """One end of a passage. What comes from it is written to the other end before more is read from it."""

    def __init__(self, passage: "Passage", connection: socket.socket) -> None:
        self.socket = connection
        self.descriptor = connection.fileno()
        self.other: _End | None = None
        self._passage = passage
        self._watched = passage.watched
        # What this end has not taken yet.
        self._rest = b""

    def watch(self) -> None:
        """Waits for what this end can do next; closed, it does no more."""
        if self.descriptor < 0:
            return
        is_read = self.other is None or not self.other._rest
        events = (select.EPOLLIN if is_read else 0) | (select.EPOLLOUT if self._rest else 0)
        self._watched.watch(self.descriptor, events, self.on_events)

    def on_events(self, events: int) -> None:
        """Reads what has come, and writes the rest."""
        try:
            other = self.other
            if other is None:
                self._drop()
                return
            # When the other end of a connection is gone, reading and writing find out how.
            if events & ~select.EPOLLOUT and not other._rest:
                self._pass_on(other)
            if events & ~select.EPOLLIN and self._rest and self.descriptor >= 0:
                self._write_rest(other)
        except Exception as e:
            log.exception("unexpected error at a connection", error=repr(e))
            self._passage.hang_up()

    def _pass_on(self, other: "_End") -> None:
        try:
            length = self.socket.recv_into(self._watched.piece)
        except _NOT_YET:
            return
        except OSError:
            length = 0
        if not length:
            self._passage.end(self)
            return
        self.on_read(self._watched.piece[:length])
        rest = other._write(self._watched.piece[:length])
        if rest:
            other._rest = bytes(rest)
            other.on_rest()
            other.watch()
            self.watch()

    def _write(self, data: memoryview) -> memoryview:
        """Returns what could not be written yet."""
        try:
            return data[self.socket.send(data) :]
        except _NOT_NOW:
            return data
        except OSError:
            self._passage.end(self)
            return data[:0]

    def _write_rest(self, other: "_End") -> None:
        self._rest = bytes(self._write(memoryview(self._rest)))
        if not self._rest:
            self.on_taken()
            self.watch()
            other.watch()

    def _drop(self) -> None:
        try:
            is_open = bool(self.socket.recv_into(self._watched.piece))
        except _NOT_YET:
            return
        except OSError:
            is_open = False
        if not is_open:
            self._passage.hang_up()

    def on_read(self, piece: memoryview) -> None:
        """Is called when something has come, before it is passed on."""

    def on_rest(self) -> None:
        """Is called when something waits to be taken by this end."""

    def on_taken(self) -> None:
        """Is called when nothing waits any more."""

    def has_rest(self) -> bool:
        """Returns whether something waits to be taken by this end."""
        return bool(self._rest)

    def has_come(self) -> bool:
        """Returns whether something has come from this end that was not read yet."""
        with contextlib.suppress(OSError):
            return self.descriptor >= 0 and bool(self.socket.recv(1, socket.MSG_PEEK))
        return False

    def hand_over(self, other: "_End") -> None:
        """Passes on what has already come, as much of it as the other end takes at once."""
        with contextlib.suppress(OSError):
            while length := self.socket.recv_into(self._watched.piece):
                other.socket.sendall(self._watched.piece[:length])

    def say_goodbye(self) -> None:
        """Sends nothing any more."""
        with contextlib.suppress(OSError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.unwrap()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes this end."""
        if self.descriptor >= 0:
            self._watched.watch(self.descriptor, 0, self.on_events)
            self.descriptor = -1
            self.socket.close()


class _ClientEnd(_End):
    """The end at the client, which notes on its connection what the client does."""

    def on_read(self, piece: memoryview) -> None:
        self._passage.connection.note_sent(piece)

    def on_rest(self) -> None:
        self._passage.connection.await_taking()

    def on_taken(self) -> None:
        self._passage.connection.taking_due = math.inf


class Passage:
    """A client's connection, and the one to granian on which it is passed on."""

    def __init__(
        self,
        watched: Watched,
        connection: "Connection",
        connect: Callable[["Passage"], socket.socket],
        on_end: Callable[["Passage"], None],
    ) -> None:
        """`connect(self)` connects to granian, or raises `OSError`; `on_end(self)` is called once, when all is closed."""
        self.watched = watched
        self.connection = connection
        self._connect = connect
        self._on_end = on_end
        self._client: _End | None = None
        self._edge: _End | None = None
        self._is_over = False

    def open(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        """Passes on what comes from `client`, after the handshake where there is TLS."""
        try:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                client = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        except OSError:
            client.close()
            self.hang_up()
            return
        self._client = _ClientEnd(self, client)
        if isinstance(client, ssl.SSLSocket):
            self._shake_hands(client)
        else:
            self._join()

    def _shake_hands(self, client: ssl.SSLSocket) -> None:
        try:
            client.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as e:
            events = select.EPOLLIN if isinstance(e, ssl.SSLWantReadError) else select.EPOLLOUT
            self.watched.watch(client.fileno(), events, lambda _: self._shake_hands(client))
        except OSError:
            # A client that shakes no hands.
            self.hang_up()
        else:
            self.connection.certificate = _read_thumbprint(client)
            self._join()

    def _join(self) -> None:
        assert self._client is not None
        try:
            self._edge = _End(self, self._connect(self))
        except OSError as e:
            log.warning("a connection was not passed on", reason=repr(e)[:200])
            self.hang_up()
            return
        self._client.other, self._edge.other = self._edge, self._client
        self._client.watch()
        self._edge.watch()

    def end(self, end: _End) -> None:
        """Ends the connection after the last byte of one end, or because of its error.

        Whoever has sent its last byte takes no answer. What granian has answered the client gets.
        """
        client, edge = self._client, self._edge
        if client is None or edge is None or end is client or client.has_rest():
            self.hang_up()
            return
        edge.hand_over(client)
        edge.close()
        # What the client still sends would take the answer away again, if it were not read.
        client.other = None
        client.say_goodbye()
        self.connection.taking_due = time.monotonic() + _CLOSE_SECONDS
        client.watch()

    def owes_answer(self) -> bool:
        """Returns whether granian has answered something that has not gone to the client yet."""
        client, edge = self._client, self._edge
        return client is not None and edge is not None and (client.has_rest() or edge.has_come())

    def end_from_edge(self) -> None:
        """Ends the connection as granian's end would."""
        if self._edge is None:
            self.hang_up()
        elif self._edge.descriptor >= 0:
            self.end(self._edge)

    def hang_up(self) -> None:
        """Ends the connection at once."""
        for end in (self._edge, self._client):
            if end is not None:
                end.close()
        if not self._is_over:
            self._is_over = True
            self._on_end(self)


def _read_thumbprint(client: ssl.SSLSocket) -> str:
    """Returns the thumbprint of the client's certificate; empty without one."""
    certificate = client.getpeercert(binary_form=True)
    return certificate_thumbprint(ssl.DER_cert_to_PEM_cert(certificate).encode()) if certificate else ""
