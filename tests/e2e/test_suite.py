"""`chengxin up`: starts, stays, reports, stops, and leaves nothing behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.city import City, running_city
from tests.support import free_port, until

MEMORY_LIMIT = 1.5 * 1024**3


def test_every_process_runs_and_the_suite_is_ready(city: City) -> None:
    done = city.chengxin("status", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert {p["state"] for p in report["processes"]} == {"RUNNING"}
    assert len(report["processes"]) == 12
    assert report["ready"]["status"] == 200
    assert report["checkpoint"]["status"] == 200


def test_the_tour_is_walked_to_its_end(city: City) -> None:
    done = city.chengxin("tour", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, [step for step in report["steps"] if not step["ok"]]
    assert report["ok"]
    assert len(report["steps"]) == report["of"] >= 15


def test_the_idle_suite_takes_less_memory_than_allowed(city: City) -> None:
    ours = [psutil.Process(city.process.pid), *psutil.Process(city.process.pid).children(recursive=True)]
    # Proportional: pages that processes share are counted once.
    total = sum(p.memory_full_info().pss for p in ours)
    assert total < MEMORY_LIMIT, f"{total / 1024**2:.0f} MiB"


def test_a_busy_port_and_a_home_in_use_are_clear_messages(city: City, tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        refused = _up(tmp_path / "other", port, free_port())
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "--http-port" in refused.stderr
    assert "Traceback" not in refused.stderr
    same = _up(city.home, free_port(), free_port())
    assert same.returncode == 1
    assert "already runs" in same.stderr
    assert "Traceback" not in same.stderr


def test_commands_without_a_suite_say_so(tmp_path: Path) -> None:
    for command in (["status"], ["tour"]):
        done = _chengxin(tmp_path, *command)
        assert done.returncode == 1
        assert "no suite runs" in done.stderr or "no demonstration people" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def another() -> Iterator[City]:
    """A second suite, beside the one that all tests share; these tests may break it."""
    with running_city() as found:
        yield found


def test_two_suites_run_side_by_side(city: City, another: City) -> None:
    assert another.edge.http != city.edge.http
    for one in (city, another):
        assert one.edge.call("GET", "/readyz").status == 200
    # Each suite has its own keys: one does not accept the other's tokens.
    refused = city.edge.call("GET", "/v1/me/records", token=another.li_na.token())
    assert refused.status == 401


def test_a_keeper_that_is_killed_while_its_service_starts_is_replaced(another: City) -> None:
    before = another.pids()["catalog"]
    os.kill(before, signal.SIGKILL)
    again = until(lambda: another.pids()["catalog"] not in (0, before) and another.pids()["catalog"], "a new one", 30)
    # Its worker is starting now, and must not stay behind with the port.
    until(lambda: psutil.Process(again).children(), "the worker is started")
    os.kill(again, signal.SIGKILL)
    until(lambda: another.pids()["catalog"] not in (0, again), "another one", 30)
    until(lambda: another.edge.call("GET", "/readyz").status == 200, "the suite is ready again", 60)
    assert another.edge.anonymous().get("/v1/catalog/entries?page_size=1")["entries"]


def test_a_killed_process_is_reported_and_started_again(another: City) -> None:
    before = another.pids()
    os.kill(before["disclosure"], signal.SIGKILL)
    until(lambda: another.pids()["disclosure"] not in (0, before["disclosure"]), "disclosure is started again")
    until(lambda: another.edge.call("GET", "/readyz").status == 200, "the suite is ready again", 30)
    until(lambda: f"disclosure (pid {before['disclosure']}) died" in (another.home / "up.log").read_text(), "a report")
    assert another.li_na.get("/v1/me/records")["records"]


@pytest.mark.long
def test_a_stopped_suite_leaves_nothing_behind_and_starts_again_with_its_data(another: City) -> None:
    before = another.li_na.get("/v1/me/records")["records"]
    children = psutil.Process(another.process.pid).children(recursive=True)
    another.process.send_signal(signal.SIGTERM)
    assert another.process.wait(60) == 0
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not (another.home / "suite.json").exists()
    with running_city(another.home) as again:
        assert again.li_na.get("/v1/me/records")["records"] == before
        assert "loading the demonstration world" not in (another.home / "up.log").read_text().rpartition("stopping")[2]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("program", ["chengxin_cli.suite.store_process", "services.catalog"])
def test_ended_while_it_starts_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, program: str) -> None:
    home = tmp_path / "home"
    with contextlib.ExitStack() as running:
        log = running.enter_context((tmp_path / "log").open("wb"))
        process = subprocess.Popen(
            [*_command(), "up", "--home", str(home), *_ports(free_port(), free_port())], stdout=log, stderr=log
        )
        running.callback(process.kill)
        until(lambda: _runs(process, program), f"{program} is being started", 60)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        process.wait(60)
        assert not psutil.wait_procs(children, timeout=30)[1]
    assert "Traceback" not in (tmp_path / "log").read_text()
    done = _chengxin(home, "status")
    assert done.returncode == 1
    assert "no suite runs" in done.stderr


def _runs(process: subprocess.Popen[bytes], program: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(program in p.cmdline() or program in p.name() for p in psutil.Process(process.pid).children(True))
    return False


def _command() -> list[str]:
    return [str(Path(sys.executable).with_name("chengxin"))]


def _ports(http: int, grpc: int) -> list[str]:
    return ["--http-port", str(http), "--grpc-port", str(grpc)]


def _up(home: Path, http: int, grpc: int) -> subprocess.CompletedProcess[str]:
    return _chengxin(home, "up", "--demo", "--home", str(home), *_ports(http, grpc))


def _chengxin(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CHENGXIN_HOME": str(home)}
    return subprocess.run(
        [*_command(), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
