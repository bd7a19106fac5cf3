"""Files from outside are read in a process that may die: its limits, its end, and that nothing else comes to harm."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from chengxin.concurrency.shares import Shares
from chengxin.errors import Problem
from chengxin.tabular import reading
from chengxin.tabular.columns import Columns, ItemName
from chengxin.tabular.reading import QUEUE, READERS, Readers
from tests.chengxin.tabular.files import CALLER, given, opened, refused
from tests.hostile import WORKBOOKS, long_text
from tests.support import until
from tests.tools.loading import ROOT

NUMBER = "441702199003071234"


def readers() -> list[psutil.Process]:
    """The readers of this process."""
    mine = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if reading._READER in child.cmdline():
                mine.append(child)
    return mine


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets limits of readers."""
    return lambda **limits: monkeypatch.setattr(READERS, "limits", replace(READERS.limits, **limits))


@pytest.fixture
def held() -> Iterator[psutil.Process]:
    """A reader at work on a large file, stopped in it."""
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(refused, b"a,b\n" + b"1,2\n" * 8_000_000, "a.csv")
        reader = until(lambda: [r for r in readers() if r.cpu_times().user > 0.3], "it reads")[0]
        reader.suspend()
        reader.work = work
        yield reader
        with contextlib.suppress(psutil.Error):
            reader.kill()


@pytest.mark.parametrize("name", WORKBOOKS)
def test_a_workbook_that_stops_its_reader_is_refused_and_that_is_all(name: str) -> None:
    problem = refused(WORKBOOKS[name](), "a.xlsx")
    assert (problem.code, problem.type.status) == ("FILE_WORKBOOK_BROKEN", 400)
    assert problem.params["reason"]
    assert readers() == []


@pytest.mark.parametrize(
    ("limits", "content", "name", "code", "reason"),
    [
        ({"memory": 96 << 20}, b"a" + b"," * 20_000_000, "a.csv", "FILE_UNREADABLE", "memory"),
        ({"memory": 160 << 20}, long_text(), "a.xlsx", "FILE_WORKBOOK_BROKEN", "memory"),
        ({"seconds": 1}, b"a,b\n" + b"1,2\n" * 12_000_000, "a.csv", "FILE_UNREADABLE", "processor time"),
        ({"disk": 1 << 18}, b"a,b\n" + b"1,2\n" * 1_000_000, "a.csv", "FILE_UNREADABLE", "unpacked"),
    ],
    ids=["memory", "memory of a workbook", "time", "disk"],
)
def test_each_limit_ends_the_reader_with_an_answer(
    limited: Callable[..., None], limits: dict[str, int], content: bytes, name: str, code: str, reason: str
) -> None:
    limited(**limits)
    problem = refused(content, name)
    assert (problem.code, problem.type.status, problem.retry_after) == (code, 400, None)
    assert reason in problem.text("en")
    assert readers() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_reader_that_the_system_ends_says_nothing_of_the_file(held: Any, number: signal.Signals) -> None:
    held.send_signal(number)
    # A reader that stands still is killed at once, but ended only when it goes on.
    with contextlib.suppress(psutil.NoSuchProcess):
        held.resume()
    problem = told(held)
    assert (problem.code, problem.type.status, problem.retry_after) == ("FILE_NOT_READ_NOW", 503, 5)


def told(reader: Any) -> Problem:
    """The problem that the waiting caller gets; fails, as `refused` does, when there is none."""
    found: Problem = reader.work.result(30)
    return found


def test_a_reader_that_comes_no_further_is_given_up(limited: Callable[..., None]) -> None:
    limited(still_seconds=1)
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(refused, b"a,b\n" + b"1,2\n" * 8_000_000, "a.csv")
        until(lambda: [r for r in readers() if r.cpu_times().user > 0.3], "it reads")[0].suspend()
        assert work.result(30).code == "FILE_NOT_READ_NOW"
    assert readers() == []


def test_one_too_many_is_told_to_try_again() -> None:
    two = replace(QUEUE, total=2, share=2)
    few = Readers(patience=0, queue=Shares(two), free=threading.BoundedSemaphore(1))
    with given(b"a\n1\n") as file:
        with few._place(CALLER):
            with pytest.raises(Problem) as busy:
                few.read(file, "csv", CALLER)
            assert (busy.value.code, busy.value.type.status, busy.value.retry_after) == ("FILE_READERS_BUSY", 503, 5)
            few.patience = 60
            waits = threading.Thread(target=lambda: few.read(file, "csv", CALLER).close())
            waits.start()
            until(lambda: few.queue._held_in_total == 2, "one waits")
            with pytest.raises(Problem) as full:
                few.read(file, "csv", CALLER)
            assert full.value.code == "FILE_READERS_BUSY"
        waits.join(30)
        assert not waits.is_alive()


def test_a_reader_knows_nothing_of_the_service(monkeypatch: pytest.MonkeyPatch, held: Any) -> None:
    monkeypatch.setenv("CHENGXIN_MONGO_URI", "mongodb://secret")
    assert set(held.environ()) <= {"LD_LIBRARY_PATH", "LC_CTYPE"}
    assert NUMBER not in " ".join(held.cmdline())
    # The file, what it writes, and the sign that it lives.
    links = {os.readlink(f"/proc/{held.pid}/fd/{n}") for n in os.listdir(f"/proc/{held.pid}/fd")}
    assert len(links) == 3
    assert not [link for link in links if link.startswith("socket:")]
    assert held.rlimit(psutil.RLIMIT_AS) == (READERS.limits.memory,) * 2
    assert held.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert Path(f"/proc/{held.pid}/oom_score_adj").read_text().strip() == "1000"
    modules = Path(f"/proc/{held.pid}/maps").read_text()
    assert "grpc" not in modules


_HOLDER = """
import sys, tempfile
from chengxin.concurrency.shares import Claimant
from chengxin.tabular.columns import Columns, ItemName
from chengxin.tabular.source import open_source
from services.ingest.http.uploads import UploadRequest, kept

class Uploaded:
    stream = UploadRequest({})._get_file_stream()

tempfile.tempdir = sys.argv[1]
Uploaded.stream = UploadRequest({})._get_file_stream()
Uploaded.stream.write(b"a,b\\n" + b"1,2\\n" * 20_000_000)
open_source(kept(Uploaded), "a.csv", Columns([ItemName("a"), ItemName("b")]), Claimant("a"))
"""


def test_nothing_is_left_of_a_service_that_is_killed(tmp_path: Path) -> None:
    service = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)])
    try:
        holder = psutil.Process(service.pid)
        [reader] = until(holder.children, "it reads")
        until(lambda: reader.cpu_times().user > 0.3, "it reads")
    finally:
        service.kill()
        service.wait()
    until(lambda: not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE, "the reader ends with it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "writes",
    [
        "",
        "R",
        "E" * 100,
        "A\\0\\377\\377\\377\\377",
        "A\\0\\0\\0\\0\\1x",
        "A\\1\\0\\0\\0\\1xE\\0\\0\\0\\0\\1\\300",
        "A\\0\\0\\0\\0\\1\\200H\\0\\0\\0\\0\\003\\221\\241aR\\0\\0\\0\\0\\1\\1E\\0\\0\\0\\0\\1\\300",
        "F\\0\\0\\0\\0\\007\\222\\244NONE\\200",
    ],
)
def test_a_reader_that_is_not_itself_any_more_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\nprintf '{writes}'\n")
    other.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(other))
    with pytest.raises(Problem) as told, opened(b"a\n1\n", "a.csv") as source:
        list(source.rows(Columns([ItemName("a")])))
    assert told.value.code == "FILE_UNREADABLE"


def test_no_line_of_the_log_holds_what_is_in_a_file() -> None:
    program = f"""
import sys, tempfile
from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin.process.runtime import configure_logging
from chengxin.tabular.reading import READERS
from tests.hostile import long_text
configure_logging("ingest")
object.__setattr__(READERS.limits, "memory", 160 << 20)
for content, kind in ((long_text(), "xlsx"), (b"{NUMBER}," * 4_000_000, "csv")):
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            READERS.read(file, kind, Claimant("a"))
        except Problem as problem:
            print(problem.code)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["FILE_WORKBOOK_BROKEN", "FILE_UNREADABLE"]
    lines = done.stderr.splitlines()
    assert len([line for line in lines if "did not come to its end" in line]) == len(lines) == 2
    assert NUMBER not in done.stderr
