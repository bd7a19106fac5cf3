"""The gateway says whether the suite is ready within its own deadline, whichever service hangs, and names it."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chengxin.process.readiness import Readiness
from gateway.usecases import readiness
from gateway.usecases.readiness import SuiteReadiness
from tests.support import free_port, until


class ReadyService(socketserver.ThreadingTCPServer):
    """A service whose answer to `/readyz` a test writes; it counts how often it is asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[Any], None]) -> None:
        self.asked = 0
        service = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                service.asked += 1
                answer(self.wfile)

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


def answer_ready(wfile: Any) -> None:
    body = json.dumps({"store": True}).encode()
    wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))


@pytest.fixture
def going_on() -> Iterator[threading.Event]:
    """Set when services that hang go on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def start(going_on: threading.Event) -> Iterator[Callable[[Callable[[Any], None]], ReadyService]]:
    """Starts services that end with the test."""
    with ExitStack() as running:

        def start_one(answer: Callable[[Any], None]) -> ReadyService:
            service = running.enter_context(ReadyService(answer))
            threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
            running.callback(service.shutdown)
            return service

        yield start_one
        going_on.set()


@pytest.fixture
def suite_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SuiteReadiness]]:
    """Makes the readiness of a suite whose gateway has all it needs, with a short deadline."""
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(readiness, "_FRESH_SECONDS", 0.0)
    with ExitStack() as made:

        def make(**addresses: str) -> SuiteReadiness:
            found = SuiteReadiness(Readiness({"store": lambda: None}), addresses)
            made.callback(found.close)
            return found

        yield make


def test_a_service_that_does_not_answer_in_time_is_named_and_the_others_are_reported(
    start: Callable[..., ReadyService], suite_of: Callable[..., SuiteReadiness], going_on: threading.Event
) -> None:
    def drip(wfile: Any) -> None:
        # Each byte comes in time, the answer does not.
        wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not going_on.wait(0.05):
            wfile.write(b"x")
            wfile.flush()

    suite = suite_of(
        catalog=start(answer_ready).address,
        ingest=start(lambda _: going_on.wait(20) and None).address,
        audit=start(drip).address,
        disclosure=f"127.0.0.1:{free_port()}",
    )
    for _ in range(3):
        assert suite() == {
            "gateway": {"store": True, "lag": {}},
            "catalog": {"reachable": True, "store": True},
            "ingest": {"reachable": False},
            "audit": {"reachable": False},
            "disclosure": {"reachable": False},
        }


def test_a_service_that_hangs_is_asked_once_however_many_ask_and_again_when_it_answers(
    start: Callable[..., ReadyService], suite_of: Callable[..., SuiteReadiness], going_on: threading.Event
) -> None:
    def hang(wfile: Any) -> None:
        going_on.wait(20)
        answer_ready(wfile)

    service = start(hang)
    suite = suite_of(ingest=service.address)
    for _ in range(3):
        assert suite()["ingest"] == {"reachable": False}
    assert service.asked == 1
    going_on.set()
    until(lambda: suite()["ingest"] == {"reachable": True, "store": True}, "it is reachable again")
