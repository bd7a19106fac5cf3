"""A start waits as long as something progresses, tells what it waits for, and gives up when nothing does."""

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

from chengxin_cli.suite import stores
from chengxin_cli.suite.home import PROCESSES, Home
from chengxin_cli.suite.waiting import Awaited, Progress, Standstill, Stopped, processor_seconds, wait_for
from tests.support import StoreDaemon, until

NEVER = threading.Event()


class Steered:
    """A progress whose time and processes a test controls."""

    def __init__(self) -> None:
        self.now = 100.0
        self.work = {1: 0.0, 2: 0.0}
        self.progress = Progress(lambda: self.now, lambda pid: self.work[pid])

    def after(self, seconds: float, *awaited: Awaited) -> float:
        self.now += seconds
        return self.progress.standstill(awaited)


def awaited(program: str, missing: str = "its answer", pid: int = 0) -> Awaited:
    return Awaited(program, missing, Path(f"/logs/{program}.log"), pid=pid)


def test_as_long_as_something_comes_there_is_progress() -> None:
    steered = Steered()
    assert steered.after(50, awaited("a"), awaited("b")) == 50
    assert steered.after(5, awaited("b")) == 0
    # What comes and goes again and again is no progress.
    assert steered.after(5, awaited("a"), awaited("b")) == 5
    assert steered.after(5, awaited("b")) == 10


def test_a_service_that_answers_at_last_has_progressed_also_when_it_then_names_more_that_is_missing() -> None:
    steered = Steered()
    steered.after(50, awaited("a", "reachable"))
    assert steered.after(5, awaited("a", "store"), awaited("a", "token")) == 0


def test_as_long_as_a_process_works_there_is_progress_but_not_when_it_only_asks_again_and_again() -> None:
    steered = Steered()
    steered.after(0, awaited("a", pid=1))
    for _ in range(100):
        steered.work[1] += 1
        assert steered.after(50, awaited("a", pid=1)) == 0
    for seconds in range(1, 10):
        steered.work[1] += 0.01
        assert steered.after(1, awaited("a", pid=1)) == seconds


def test_a_program_that_ends_again_and_again_does_not_progress() -> None:
    steered = Steered()
    steered.work[1] = 2.0
    steered.after(1, awaited("a", pid=1))
    for _ in range(10):
        for work in (0.5, 1.0, 2.0):
            steered.work[2] = work
            still = steered.after(1, awaited("a", pid=2))
    assert still == 30


def test_what_is_waited_for_is_named_at_the_end_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("first\nthe disk is full\n\n")
    with pytest.raises(Standstill) as gave_up:
        wait_for(lambda: [Awaited("a", "its answer", log, "RUNNING")], NEVER, 0.15)
    assert "nothing has progressed" in gave_up.value.message
    assert f"a (RUNNING): its answer; its log ends with: the disk is full (see {log})" in gave_up.value.message


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    looks = itertools.count()

    def look() -> list[Awaited]:
        if next(looks) == 2:
            stop.set()
        return [awaited("a")]

    with pytest.raises(Stopped):
        wait_for(look, stop)


def test_the_work_of_a_process_counts_that_of_its_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert processor_seconds(process.pid) >= 0.25
        process.communicate(b"\n")
    assert processor_seconds(process.pid) == 0


def test_a_store_that_ends_at_its_first_start_is_told_at_once_with_its_log(tmp_path: Path) -> None:
    """Nothing is waited for that cannot come, and nothing is a traceback."""
    home = Home(tmp_path / "home")
    home.make()
    other = StoreDaemon(home.store("catalog"))
    other.start()
    try:
        with pytest.raises(
            click.ClickException, match=r"(?s)the store of catalog ended \(exit \d+\).*catalog-store.log"
        ):
            stores._create_account(home, "catalog", stores.free_ports(1)[0], NEVER)
    finally:
        other.kill()


def test_a_stop_during_the_first_start_of_the_stores_leaves_no_process_and_no_account(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    for process in PROCESSES[1:]:
        home.store(process).mkdir()
        (home.store(process) / "account-created").touch()
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        stores.create_accounts(home, stop)
    assert not (home.store("catalog") / "account-created").exists()
    # The next start makes them.
    stores.create_accounts(home, NEVER)
    assert (home.store("catalog") / "account-created").exists()
    until(lambda: not _mentions(home.path), "no store is left")


def _mentions(home: Path) -> list[str]:
    return [f.parent.name for f in Path("/proc").glob("[0-9]*/cmdline") if str(home) in _read(f)]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
