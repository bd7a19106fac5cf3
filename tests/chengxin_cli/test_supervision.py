"""Of the supervisor's refusals only those are passed over that are expected where they come."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import click
import pytest
from supervisor.xmlrpc import Faults

from chengxin_cli.suite.home import Home
from chengxin_cli.suite.supervision import Supervision

PROGRAMS = {name: {"command": ["true"], "environment": {}, "group": "stores"} for name in ("a-store", "b-store")}


class Requests(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False

    def log_request(self, *_: Any) -> None:
        pass


class Supervisor(socketserver.ThreadingUnixStreamServer, SimpleXMLRPCDispatcher):
    """Answers calls as a test says: the fault of each method, and the pids that a program has one after the other."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        SimpleXMLRPCDispatcher.__init__(self)
        socketserver.ThreadingUnixStreamServer.__init__(self, str(path), Requests)
        self.calls: list[tuple[str, str]] = []
        self.faults: dict[str, int] = {}
        self.pids: list[int] = []
        for method in ("startProcess", "stopProcess", "signalProcess"):
            self.register_function(self._answer(method), f"supervisor.{method}")
        self.register_function(lambda _: {"pid": self.pids.pop(0)}, "supervisor.getProcessInfo")

    def _answer(self, method: str) -> Callable[..., bool]:
        def answer(program: str, *_: Any) -> bool:
            self.calls.append((method, program))
            if method in self.faults:
                raise Fault(self.faults[method], f"{method} {self.faults[method]}")
            return True

        return answer


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def supervision(tmp_path: Path, stop: threading.Event) -> Supervision:
    return Supervision(Home(tmp_path), PROGRAMS, stop)


@pytest.fixture
def supervisor(supervision: Supervision) -> Iterator[Supervisor]:
    server = Supervisor(supervision.socket)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("code", [Faults.ALREADY_STARTED, Faults.SPAWN_ERROR])
def test_what_runs_already_or_is_tried_again_keeps_no_other_from_being_started(
    supervision: Supervision, supervisor: Supervisor, code: int
) -> None:
    supervisor.faults["startProcess"] = code
    supervision.start(PROGRAMS)
    assert supervisor.calls == [("startProcess", "stores:a-store"), ("startProcess", "stores:b-store")]


@pytest.mark.parametrize("code", [Faults.BAD_NAME, Faults.NO_FILE, Faults.FAILED])
def test_what_cannot_be_started_is_told(supervision: Supervision, supervisor: Supervisor, code: int) -> None:
    supervisor.faults["startProcess"] = code
    with pytest.raises(click.ClickException, match=f"a-store cannot be started: startProcess {code}"):
        supervision.start(PROGRAMS)


def test_what_ends_just_before_it_is_killed_is_started_again(
    supervision: Supervision, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chengxin_cli.suite.supervision._ENDING_SECONDS", 0)
    supervisor.pids = [7, 7, 0]
    supervisor.faults["signalProcess"] = Faults.NOT_RUNNING
    supervision.restart("a-store")
    assert [method for method, _ in supervisor.calls] == ["stopProcess", "signalProcess", "startProcess"]


def test_a_store_that_the_watch_ends_during_a_stop_is_not_started_again(
    supervision: Supervision, supervisor: Supervisor, stop: threading.Event
) -> None:
    supervisor.pids = [0, 0, 0]
    stop.set()
    supervision.restart("a-store")
    assert [method for method, _ in supervisor.calls] == ["stopProcess"]


def test_what_is_being_started_again_already_is_left_alone(supervision: Supervision, supervisor: Supervisor) -> None:
    supervisor.faults["stopProcess"] = Faults.NOT_RUNNING
    supervision.restart("a-store")
    assert [method for method, _ in supervisor.calls] == ["stopProcess"]


def test_another_refusal_of_a_restart_is_raised(supervision: Supervision, supervisor: Supervisor) -> None:
    supervisor.faults["stopProcess"] = Faults.BAD_NAME
    with pytest.raises(Fault):
        supervision.restart("a-store")


def test_a_supervisor_that_does_not_run_restarts_nothing(supervision: Supervision) -> None:
    supervision.restart("a-store")
    with pytest.raises(OSError, match="No such file"):
        supervision.states()
