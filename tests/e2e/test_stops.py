"""The suite is stopped again and again, by bursts of signals at drawn moments of start, loading and rest: it leaves
nothing behind and nothing half done, and starts again. 200 stops of one small service are in
`tests/chengxin/process/test_stop_signals.py`."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.city import City, running_city
from tests.support import free_port, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REST = "rest"
# The program during which the suite is stopped, in the order of a first start; several of each, on one home.
MOMENTS = [
    *["chengxin_cli.suite.store_process"] * 2,
    *["demo people"] * 1,
    *["gateway bootstrap"] * 2,
    *["services.catalog"] * 2,
    *["demo load"] * 3,
    *[REST] * 2,
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stops") / "home"


@contextlib.contextmanager
def starting(home: Path, log: Path, temporary: str) -> Iterator[psutil.Popen]:
    """`chengxin up`, as it starts; what is temporary it and its programs put into a directory of their own."""
    ports = ["--http-port", str(free_port()), "--grpc-port", str(free_port())]
    program = [str(Path(sys.executable).with_name("chengxin")), "up", "--demo", "--home", str(home), *ports]
    with log.open("wb") as file:
        process = psutil.Popen(program, env=os.environ | {"TMPDIR": temporary}, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()


def has_come(process: psutil.Popen, moment: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    if moment == REST:
        return "Ctrl-C stops everything" in log.read_text()
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(moment in " ".join(_command(p)) for p in process.children(recursive=True))
    return False


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.mark.parametrize("number", range(len(MOMENTS)))
def test_a_stop_leaves_nothing_behind(number: int, home: Path, tmp_path: Path) -> None:
    chance, log = random.Random(f"41 {number}"), tmp_path / "log"
    with tempfile.TemporaryDirectory(prefix="chengxin-stop-") as sockets, starting(home, log, sockets) as process:
        until(lambda: has_come(process, MOMENTS[number], log), MOMENTS[number], 200)
        time.sleep(chance.uniform(0, 1.5))
        started = process.children(recursive=True)
        for _ in range(chance.choice((1, 2, 20))):
            process.send_signal(chance.choice(SIGNALS))
            time.sleep(chance.choice((0, 0, 0.001, 0.1)))
        assert process.wait(100) == 0, log.read_text()
        assert not psutil.wait_procs(started, timeout=10)[1]
        assert not list(Path(sockets).iterdir())
    assert not (home / "suite.json").exists()
    assert "Traceback" not in log.read_text()


def test_after_all_of_them_the_suite_starts_with_its_world(home: Path) -> None:
    with running_city(home) as city:
        assert city.li_na.get("/v1/me/records")["records"]
        assert city.chengxin("status").returncode == 0
        assert _tour(city).returncode == 0


def _tour(city: City) -> subprocess.CompletedProcess[str]:
    return city.chengxin("tour")
