"""Files that are made to stop their reader: each is answered, and ingest stays as it was."""

import gc
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from werkzeug.test import TestResponse

from chengxin.concurrency.shares import Claimant
from chengxin.tabular.problems import READER_PROBLEMS
from chengxin.tabular.reading import READERS
from chengxin_cli import main
from chengxin_cli.commands import submit
from chengxin_cli.suite.home import make_private_key
from tests.hostile import WORKBOOKS, mutant, plain_book
from tests.ingest.files import all_threads_taken, refusal, registration, table
from tests.ingest.running_ingest import IngestCaller, RunningIngest, demo_entry
from tests.support import figure, until

# Memory that a thousand requests may leave behind in caches and arenas.
_GROWTH = 48 << 20
# What is wrong with a file whose content can be read.
_OF_CONTENT = {
    "FILE_NO_RECORDS",
    "FILE_COLUMN_UNNAMED",
    "FILE_COLUMN_TWICE",
    "FILE_COLUMN_UNKNOWN",
    "FILE_COLUMN_MISSING",
}


def looks_at(caller: IngestCaller, content: bytes, name: str) -> TestResponse:
    """A preview of a file."""
    data = {"catalog": "QYDJ", "file": (io.BytesIO(content), name)}
    found: TestResponse = caller.client.post("/v1/submissions/preview", data=data, headers=caller.headers)
    return found


def open_files() -> Counter[str]:
    """The process's open files and pipes. Sockets come and go with the pools of drivers."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            link = os.readlink(f"/proc/self/fd/{number}")
            found["file" if link.startswith("/") else link.partition(":")[0]] += 1
    del found["socket"], found["anon_inode"]
    return found


@contextmanager
def as_it_was(directory: Path) -> Iterator[None]:
    """Afterwards the process has no more memory, open files, children and temporary files than before."""
    process = psutil.Process()
    gc.collect()
    before, memory = (open_files(), set(process.children())), process.memory_info().rss
    yield

    def is_again() -> bool:
        gc.collect()
        return (open_files(), set(process.children())) == before

    until(is_again, f"open files and children are as before: {before}")
    growth = process.memory_info().rss - memory
    assert growth < _GROWTH
    assert list(directory.iterdir()) == []
    figure("hostile_files_memory_growth_mib", round(growth / (1 << 20), 1))


@pytest.mark.parametrize("name", WORKBOOKS)
@pytest.mark.parametrize("way", ["delivered", "looked at"])
def test_a_workbook_that_stops_its_reader_is_refused(
    ingest: RunningIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    content = WORKBOOKS[name]()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pid = os.getpid()
    if way == "delivered":
        answer = ingest.regulator.uploads(content, "a.xlsx", "QYDJ")
    else:
        answer = looks_at(ingest.regulator, content, "a.xlsx")
    problem = refusal(answer, ingest)
    assert (answer.status_code, problem["code"]) == (400, "FILE_WORKBOOK_BROKEN")
    assert "另存为 .xlsx" in problem["detail"]
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert (os.getpid(), ingest.regulator.uploads(table([registration()]), catalog="QYDJ").status_code) == (pid, 201)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a" + b"," * 10_000_000, "a.csv"),
        (b"a\n" + b'"' + b"x" * 30_000_000, "a.csv"),
        (b"{" + b'"a":[' * 20_000_000, "a.jsonl"),
        (b'{"a":"' + b"\\ud800" * 4_000_000, "a.jsonl"),
        (b"\n" * 20_000_000, "a.csv"),
        (b"\xff\xfe" + b"\x00\xd8" * 4_000_000, "a.csv"),
    ],
    ids=["commas", "a cell", "a line", "halves", "nothing", "utf-16"],
)
def test_a_text_that_would_take_memory_takes_none_of_the_service(
    ingest: RunningIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, name: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    looks_at(ingest.regulator, content, name)
    Path("/proc/self/clear_refs").write_text("5")
    before = psutil.Process().memory_info().rss
    problem = refusal(ingest.regulator.uploads(content, name, "QYDJ"), ingest)
    assert problem["code"].startswith("FILE_")
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    # The form of the test client is in this process, too: twice its size.
    assert peak - before < 3 * len(content) + _GROWTH
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_too_many_files_at_once_are_told_to_come_again(ingest: RunningIngest) -> None:
    with ExitStack() as others:
        for name in "abcd":
            others.enter_context(READERS._place(Claimant(name)))
        READERS.patience, kept = 0, READERS.patience
        try:
            answer = ingest.regulator.uploads(table([registration()]), catalog="QYDJ")
        finally:
            READERS.patience = kept
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "FILE_READERS_BUSY", "5")
    assert ingest.regulator.uploads(table([registration()]), catalog="QYDJ").status_code == 201


def test_no_more_deliveries_wait_than_there_is_room_for(ingest: RunningIngest) -> None:
    desk = ingest.ctx.desk
    desk.patience = 0
    with all_threads_taken(desk):
        # Four others are taken, so there is room for sixteen; a caller has ten.
        answers = [ingest.regulator.uploads(table([registration(n)]), catalog="QYDJ") for n in range(1, 12)]
        assert [a.status_code for a in answers] == [202] * 10 + [503]
        assert answers[-1].json["code"] == "FILE_READERS_BUSY"
    until(lambda: ingest.ctx.store.records.count_documents({}) == 10, "those that waited are taken")
    desk.patience = 60
    assert ingest.regulator.uploads(table([registration(21)]), catalog="QYDJ").status_code == 201


def test_a_full_temporary_directory_is_told(ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, os.strerror(28))

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("services.ingest.http.uploads.tempfile.TemporaryFile", lambda **_: Full())
    answer = ingest.regulator.uploads(table([registration()]), catalog="QYDJ")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "DISK_FULL", "5")


@pytest.mark.parametrize("name", WORKBOOKS)
def test_the_providers_command_ends_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file, key = tmp_path / "a.xlsx", tmp_path / "key"
    file.write_bytes(WORKBOOKS[name]())
    make_private_key(key)

    class UncalledGateway:
        def anonymous(self) -> "UncalledGateway":
            return self

        def machine(self, *_: Any, **__: Any) -> "UncalledGateway":
            return self

        def get(self, path: str) -> dict[str, Any]:
            return {"columns": {}} if "mappings" in path else demo_entry("QYDJ")

    monkeypatch.setattr(submit, "edge_of", lambda *_: UncalledGateway())
    arguments = [str(file), "--catalog", "QYDJ", "--client-id", "c", "--key", str(key), "--language", "en"]
    done = CliRunner().invoke(main, ["submit", *arguments])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert done.output.startswith("Error: FILE_WORKBOOK_BROKEN: The Excel file cannot be read (")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "1", '{"jws": 1}', "\xff", '{"jws": "a.b.c", "keys": 1}', ""])
def test_what_is_no_receipt_is_told_in_a_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "a.receipt.json"
    file.write_bytes(content.encode("latin-1"))
    done = CliRunner().invoke(main, ["receipt", "verify", str(file)])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert done.output.startswith(("Error: a.receipt.json: ", f"Error: {file} cannot be used: "))
    assert len(done.output.splitlines()) == 1


def _answers(ingest: RunningIngest, numbers: range, directory: Path) -> Counter[str]:
    """The result of a mutated file: its rows, or one of the problems of files."""
    defined = set(READER_PROBLEMS) | _OF_CONTENT
    # Loads what is loaded only once.
    assert looks_at(ingest.regulator, plain_book(), "a.xlsx").status_code == 200

    def one(number: int) -> str:
        answer = looks_at(ingest.regulator, mutant(number), "a.xlsx")
        if answer.status_code == 200:
            return "rows"
        assert answer.json["code"] in defined, (number, answer.json)
        return str(answer.json["code"])

    with as_it_was(directory), ThreadPoolExecutor(2) as pool:
        return Counter(pool.map(one, numbers))


def test_mutated_workbooks_leave_the_service_as_it_was(
    ingest: RunningIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = _answers(ingest, range(200), tmp_path)
    assert found.total() == 200
    assert found["rows"] > 20
    assert found["FILE_WORKBOOK_BROKEN"] > 20
    figure("mutated_workbooks", found.total())


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_two_thousand_mutated_workbooks_leave_the_service_as_it_was(
    ingest: RunningIngest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found = _answers(ingest, range(1000, 3000), tmp_path)
    assert found.total() == 2000
    figure("mutated_workbooks_long", found.total())
    figure("mutated_workbooks_long_read", found["rows"])
