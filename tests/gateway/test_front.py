"""The front gives each address a share of connections and each connection a time; and it ends none that is used."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from chengxin.concurrency.shares import Claimant, Shares
from gateway.edge.front import CONNECTION, CONNECTIONS, HTTP_TIMES, Connection, Front, Times
from gateway.edge.origins import Origins
from tests.support import free_port, until

BOUND = replace(CONNECTIONS, total=6, share=4)
HASTY = Times(first_byte=0.5, idle=75.0, stalled=0.5)


class FrontBeforeAServer:
    """A front with a small bound, and a server that answers each byte with the same one."""

    def __init__(self, directory: Path, times: Times, shares: Shares) -> None:
        self.inner = socket.socket(socket.AF_UNIX)
        self.inner.bind(str(directory / "http"))
        self.inner.listen(64)
        self.port = free_port()
        self.front = Front(f"0.0.0.0:{self.port}", directory / "http", None, Origins(()), shares, times)
        threading.Thread(target=self._serve, daemon=True).start()
        self.front.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.inner.accept()
                threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    def _echo(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while piece := client.recv(100):
                client.sendall(piece)

    def connect(self, host: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10, (host, 0))

    def serves(self, connection: socket.socket) -> bool:
        """Whether a connection is passed on."""
        try:
            connection.sendall(b"x")
            return connection.recv(1) == b"x"
        except OSError:
            return False


@contextlib.contextmanager
def front_before_a_server(
    directory: Path, times: Times = HTTP_TIMES, shares: Shares | None = None
) -> Iterator[FrontBeforeAServer]:
    running = FrontBeforeAServer(directory, times, shares or Shares(BOUND))
    try:
        yield running
    finally:
        running.front.stop()
        running.inner.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[FrontBeforeAServer]:
    with front_before_a_server(tmp_path) as running:
        yield running


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[FrontBeforeAServer]:
    with front_before_a_server(tmp_path, HASTY) as running:
        yield running


def test_one_address_does_not_take_all_connections(served: FrontBeforeAServer) -> None:
    with contextlib.ExitStack() as opened:
        held = [opened.enter_context(served.connect()) for _ in range(4)]
        assert all(served.serves(connection) for connection in held)
        assert not served.serves(opened.enter_context(served.connect()))
        assert served.serves(opened.enter_context(served.connect("127.0.0.2")))
        held[0].close()
        until(lambda: served.serves(opened.enter_context(served.connect())), "its place is free again")


def test_who_says_nothing_is_hung_up_on(hasty: FrontBeforeAServer) -> None:
    with hasty.connect() as silent, hasty.connect() as talking:
        assert hasty.serves(talking)
        assert silent.recv(1) == b""
        assert hasty.serves(talking)


def test_who_takes_nothing_is_hung_up_on(hasty: FrontBeforeAServer) -> None:
    with hasty.connect() as greedy, pytest.raises((ConnectionResetError, BrokenPipeError)):
        greedy.sendall(b"x" * 100_000_000)
    with hasty.connect() as other:
        assert hasty.serves(other)


def test_an_error_at_one_connection_does_not_end_the_front(tmp_path: Path) -> None:
    class Unsound(Shares):
        """Shares that fail whenever a place is given back."""

        def give_back(self, claimant: Claimant, amount: int) -> None:
            raise ArithmeticError

    with front_before_a_server(tmp_path, HASTY, Unsound(BOUND)) as running, running.connect() as silent:
        assert silent.recv(1) == b""
        with running.connect() as other:
            assert running.serves(other)


def test_what_is_taken_slowly_arrives_whole(served: FrontBeforeAServer) -> None:
    sent = random.Random(1).randbytes(12_000_000)
    with served.connect() as connection:
        # Both ways are full before the first byte is taken.
        connection.settimeout(0.3)
        written = 0
        with contextlib.suppress(TimeoutError):
            while written < len(sent):
                written += connection.send(sent[written : written + 1_000_000])
        connection.settimeout(10)
        writing = threading.Thread(target=connection.sendall, args=(sent[written:],), daemon=True)
        writing.start()
        received = bytearray()
        while len(received) < len(sent) and (piece := connection.recv(50_000)):
            received += piece
        writing.join()
    assert received == sent


def test_an_answer_given_before_all_was_read_reaches_the_client(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as inner:
        inner.bind(str(tmp_path / "http"))
        inner.listen()
        port = free_port()
        front = Front(f"127.0.0.1:{port}", tmp_path / "http", None, Origins(()), Shares(BOUND))
        front.start()
        try:
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(b"x" * 100_000)
                passed, _ = inner.accept()
                with passed:
                    passed.sendall(b"too large")
                # It sends on, until it looks.
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    client.sendall(b"x" * 1_000_000)
                assert client.makefile("rb").read() == b"too large"
        finally:
            front.stop()


def test_what_was_answered_before_a_stop_reaches_the_client(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as inner, ThreadPoolExecutor(1) as others:
        inner.bind(str(tmp_path / "http"))
        inner.listen()
        port = free_port()
        front = Front(f"127.0.0.1:{port}", tmp_path / "http", None, Origins(()), Shares(BOUND))
        front.start()
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"x")
            passed, _ = inner.accept()
            # The client takes nothing yet: the answer fills the connections on both sides of the front.
            passed.settimeout(0.5)
            answered = 0
            with passed, contextlib.suppress(TimeoutError):
                while True:
                    answered += passed.send(b"x" * 1000)
            stop = others.submit(front.stop)
            until(lambda: not _listens(port), "it stops")
            assert len(client.makefile("rb").read()) == answered
        stop.result()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_a_connection_has_the_time_of_what_it_does() -> None:
    now = time.monotonic()
    connection = Connection("192.0.2.1")
    assert not connection.is_overdue(now + 9)
    assert connection.is_overdue(now + 11)
    connection.has_sent = True
    assert not connection.is_overdue(now + 60)
    assert connection.is_overdue(now + 80)
    connection.begin_request()
    # However long the answer takes.
    assert not connection.is_overdue(now + 3600)
    connection.body_due = now + 5
    assert connection.is_overdue(now + 6)
    connection.body_due = float("inf")
    connection.end_request()
    assert connection.is_overdue(now + 3600)


def test_what_came_past_the_front_is_not_answered(served: FrontBeforeAServer) -> None:
    told: list[str] = []
    app = served.front.before(lambda environ, start: [bytes(CONNECTION in environ)])
    assert app({"REMOTE_ADDR": "127.0.0.1"}, lambda status, headers, exc_info=None, /: told.append(status)) == []  # type: ignore[arg-type,return-value]
    assert told == ["403 -"]
