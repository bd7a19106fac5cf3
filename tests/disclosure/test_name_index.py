"""The index of names follows the store and survives damage, kills and new versions."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.disclosure.projections import name_index, public_search_file
from services.disclosure.store.disclosure_store import DisclosureStore
from tests.disclosure.name_searches import TODAY, directory, found, refs
from tests.disclosure.names_store import MemoryNames, fill, row, scan
from tests.support import until


def test_a_search_sees_what_was_committed_before_it() -> None:
    names = MemoryNames()
    here = directory(names)
    for n in range(120):
        names.change(row("sub", f"海陵{n}号"))
        assert refs(here, f"海陵{n}号") == ["sub"]
        assert refs(here, f"海陵{n - 1}号") == []
    here.close()


def test_a_large_backlog_is_taken_in_beside_and_no_search_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_index, "_SHORT", 10)
    names = MemoryNames()
    names.change(row("first", "海陵一号"))
    here = directory(names)
    assert refs(here, "海陵") == ["first"]
    assert here.ready
    for n in range(name_index._AT_ONCE + 1):
        names.change(row(f"sub_{n}", f"海陵{n}"))
    names.gate.clear()
    here.start()
    try:
        assert refs(here, "海陵") == ["first"]
        assert not here.ready
        until(lambda: metric("lag_changes") == name_index._AT_ONCE + 1, "the lag is told")
        assert 0 < metric("cache_bytes") < 64 << 20
        names.gate.set()
        until(lambda: here.ready, "the search has caught up")
        assert refs(here, "海陵1000") == ["sub_1000"]
        until(lambda: metric("lag_changes") == 0, "the lag is gone")
        assert metric("index_bytes") > 0
    finally:
        names.gate.set()
        here.close()


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(f"chengxin_search_{name}") or 0


def test_without_a_folder_of_its_own_nothing_is_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = MemoryNames()
    names.change(row("sub", "海陵"))
    here = directory(names)
    assert refs(here, "海陵") == ["sub"]
    assert list(tmp_path.iterdir())
    here.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_is_read_by_the_process_alone(tmp_path: Path) -> None:
    names = MemoryNames()
    names.change(row("sub", "海陵"))
    here = directory(names, tmp_path / "search")
    assert refs(here, "海陵") == ["sub"]
    assert {(tmp_path / "search").stat().st_mode & 0o77, *(p.stat().st_mode & 0o77 for p in places(tmp_path))} == {0}
    here.close()


def places(folder: Path) -> list[Path]:
    return list((folder / "search").iterdir())


def test_an_index_is_found_again_and_takes_in_only_what_is_new(tmp_path: Path) -> None:
    names = MemoryNames()
    names.change(row("old", "海陵"))
    here = directory(names, tmp_path)
    assert refs(here, "海陵") == ["old"]
    here.close()
    # The row is not read again; otherwise it would be found under the other name.
    names.rows["old"]["names"][0][0] = "闸坡"
    names.change(row("new", "海陵"))
    here = directory(names, tmp_path)
    assert sorted(refs(here, "海陵")) == ["new", "old"]
    here.close()


@pytest.mark.parametrize("why", ["another store", "gone back"])
def test_an_index_that_is_not_of_this_store_is_made_anew(why: str, tmp_path: Path) -> None:
    names = MemoryNames()
    for _ in range(3):
        names.change(row("old", "海陵"))
    here = directory(names, tmp_path)
    assert refs(here, "海陵") == ["old"]
    here.close()
    names = MemoryNames(identity="two" if why == "another store" else "one")
    for _ in range(4 if why == "another store" else 2):
        names.change(row("new", "闸坡"))
    here = directory(names, tmp_path)
    assert (refs(here, "海陵"), refs(here, "闸坡")) == ([], ["new"])
    here.close()


def test_a_name_as_another_version_searches_it_is_indexed_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = MemoryNames()
    names.change(row("sub", "海陵"))
    here = directory(names, tmp_path)
    assert refs(here, "海陵") == ["sub"]
    here.close()
    monkeypatch.setattr(public_search_file, "_version", lambda: "2")
    with capture_logs() as told:
        here = directory(names, tmp_path)
        assert refs(here, "海陵") == ["sub"]
    assert "made anew" in told[0]["event"]
    here.close()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "no database": lambda file: b"x" * len(file),
    "cut off": lambda file: file[: len(file) // 2],
    "empty": lambda file: b"",
    "all but the first page": lambda file: file[:4096] + b"\xff" * (len(file) - 4096),
    "every index page": lambda file: file[: 4096 * 4] + b"\x00" * (len(file) - 4096 * 4),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("running", [False, True])
def test_a_damaged_index_is_made_anew(damage: str, running: bool, tmp_path: Path) -> None:
    names = MemoryNames()
    names.change(*(row(f"sub_{n:04}", f"阳江{n}海陵食品有限公司") for n in range(900)))
    here = directory(names, tmp_path)
    assert len(refs(here, "海陵")) == 200
    here.close()
    if running:
        # Damaged after it is opened, before it has read much.
        here = directory(names, tmp_path)
        here._opened()
    [file] = tmp_path.glob("*/*.db")
    file.write_bytes(DAMAGE[damage](file.read_bytes()))
    if not running:
        here = directory(names, tmp_path)
    with capture_logs() as told:
        names.change(row("sub_0001", "改了名的闸坡店"))
        assert found(here, "海陵") == scan(names.rows.values(), "海陵", TODAY)[:200]
        assert found(here, "gmdzpd") == scan(names.rows.values(), "gmdzpd", TODAY)
        assert refs(here, "改了名") == ["sub_0001"]
    assert any("anew" in line["event"] for line in told)
    here.close()


DYING = """
import json, os, signal, sys
from pathlib import Path
from services.disclosure.projections.public_search_file import SearchFile
from services.disclosure.projections.name_index import _entry
folder, statements = Path(sys.argv[1]), int(sys.argv[2])
index = SearchFile(folder, "one")
left = statements
def die(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
for line in sys.stdin:
    change = json.loads(line)
    if change["seq"] == 3:
        index._writer.set_trace_callback(die)
    index.take_in([_entry(row) for row in change["rows"]], change["seq"])
print("lived")
"""


def test_an_index_whose_process_is_killed_at_any_statement_goes_on_where_it_was(tmp_path: Path) -> None:
    names = MemoryNames()
    changes = []
    for n in range(1, 6):
        names.change(row("a", f"海陵{n}", f"旧{n}"), row(f"b{n}", f"闸坡{n}"), row("c", f"丙{n}" if n % 2 else ""))
        changes.append(json.dumps({"seq": n, "rows": [r for r in names.rows.values() if r["seq"] == n]}))
    lived, statements = False, 1
    while not lived:
        folder = tmp_path / str(statements)
        done = subprocess.run(
            [sys.executable, "-c", DYING, str(folder), str(statements)],
            input="\n".join(changes),
            capture_output=True,
            text=True,
            check=False,
        )
        lived = done.returncode == 0
        assert lived or done.returncode == -signal.SIGKILL, done.stderr
        here = directory(names, folder)
        # The rows that it had are not read again.
        assert here._opened().position >= 2
        for query in ("海陵", "旧", "闸坡", "丙", "hl", "zp"):
            assert found(here, query) == scan(names.rows.values(), query, TODAY), (statements, query)
        here.close()
        statements += 7
    assert statements > 30


SEARCHING = """
import sys
from pathlib import Path
from chengxin.values.clock import SystemClock
from chengxin.store.deadlines import within
from chengxin.errors import STORE_UNAVAILABLE, Problem
from chengxin.store.database import Store
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore
here = NameIndex(DisclosureStore(Store(sys.argv[1], "disclosure", SystemClock())), Path(sys.argv[2]))
for line in sys.stdin:
    page, total = here.found(line.strip(), "", "2026-11-29", 0, 50)
    print(total, *(listed.ref for listed in page), flush=True)
"""


def test_two_processes_search_at_once_and_one_that_is_killed_leaves_its_place(
    names: tuple[str, DisclosureStore], tmp_path: Path
) -> None:
    uri, store = names
    db = pymongo.MongoClient[Any](uri).get_default_database()
    fill(db, *(row(f"sub_{n:03}", f"海陵{n}号") for n in range(30)))
    here = directory(store, tmp_path)

    def other() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", SEARCHING, uri, str(tmp_path)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def asked(process: "subprocess.Popen[str]", query: str) -> list[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(query + "\n")
        process.stdin.flush()
        total, *there = process.stdout.readline().split()
        assert int(total) == len(there)
        return there

    for round_ in range(2):
        process = other()
        try:
            for n in range(10):
                fill(db, row(f"new_{round_}_{n}", f"闸坡{n}号"), row("sub_000", f"改{round_}{n}"))
                assert refs(here, "闸坡") == asked(process, "闸坡")
                assert refs(here, "海陵") == asked(process, "海陵")
                assert refs(here, f"改{round_}{n}") == asked(process, f"改{round_}{n}") == ["sub_000"]
            assert len(asked(process, "闸坡")) == 10 * (round_ + 1)
        finally:
            process.kill()
            process.wait()
    assert sorted(place.name for place in tmp_path.iterdir()) == ["search-0", "search-1"]
    here.close()


def test_a_whole_city_is_taken_in_by_parts(names: tuple[str, DisclosureStore]) -> None:
    uri, store = names
    # The service's own client would not wait for 6,000 rows on a busy machine.
    db = pymongo.MongoClient[Any](uri).get_default_database()
    rows = [row(f"sub_{n:05}", f"阳江{n}海陵店", uscc=f"9144{n:014}", seq=n // 20 + 1) for n in range(6000)]
    db["names.2"].insert_many(rows)
    db["counters"].insert_one({"_id": "names.2", "n": 300})
    here = directory(store)
    here.start()
    until(lambda: here.ready, "all is taken in")
    assert refs(here, "江5999海") == ["sub_05999"]
    assert refs(here, "91440000000000") == [f"sub_{n:05}" for n in range(200)]
    assert here.found("海陵店", "", TODAY, 0, 1)[1] == name_index.MOST_FOUND
    here.close()
