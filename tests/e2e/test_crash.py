"""Any single process is killed, or a store stops answering, during a delivery of 5,000 records: all that was
acknowledged is there exactly once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.store.database import find_among
from chengxin_cli.suite.home import PROCESSES
from tests.city import City, running_city
from tests.e2e.registrations import registrations, write
from tests.support import figure, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

RECORDS = 5_000
STOPPED = " stopped"
VICTIMS = [
    *PROCESSES,
    *(f"{p}-store" for p in PROCESSES),
    "client",
    *(f"{p}-store{STOPPED}" for p in ("ingest", "disclosure", "audit", "gateway")),
]


@pytest.fixture(scope="module")
def doomed() -> Iterator[City]:
    """A suite of its own."""
    with running_city() as found:
        yield found


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_process_is_killed_during_a_delivery(doomed: City, victim: str, tmp_path: Path) -> None:
    rows = registrations(RECORDS, 300_000 + VICTIMS.index(victim) * RECORDS)
    file = write(tmp_path / f"{victim.replace(' ', '-')}.csv", rows)
    pids = doomed.pids()
    client = submit(doomed, file, "QYDJ")
    try:
        until(lambda: _begun(doomed, file), "some of it is committed", 60)
        # The suite restarts stores that are only stopped.
        number = signal.SIGSTOP if victim.endswith(STOPPED) else signal.SIGKILL
        os.kill(client.pid if victim == "client" else pids[victim.removesuffix(STOPPED)], number)
        output, _ = client.communicate(timeout=300)
        if victim == "client":
            client = submit(doomed, file, "QYDJ")
            output, _ = client.communicate(timeout=300)
    finally:
        client.kill()
    assert client.returncode == 0, output
    if victim.endswith(STOPPED):
        stopped = victim.removesuffix(STOPPED)
        until(lambda: doomed.pids()[stopped] not in (0, pids[stopped]), "it was started again", 60)
    until(lambda: doomed.edge.call("GET", "/readyz").status == 200, "the suite is ready again", 60)

    receipt = json.loads(file.with_name(file.name + ".receipt.json").read_text())["receipt"]
    expected = {"total": RECORDS, "accepted": RECORDS, "amended": 0, "unchanged": 0, "rejected": 0}
    assert receipt["counts"] == expected

    codes = [row["统一社会信用代码"] for row in rows]
    ingest, disclosure = doomed.store("ingest"), doomed.store("disclosure")
    kept = list(
        ingest["records"].find({"subject.uscc": {"$gte": min(codes), "$lte": max(codes)}}, {"subject": 1, "version": 1})
    )
    assert sorted(r["subject"]["uscc"] for r in kept) == sorted(codes)
    assert {r["version"] for r in kept} == {1}
    doomed.await_disclosure(doomed.last_change("ingest"))
    # One slot a subject: the feed brought each record once.
    assert _slots(disclosure, codes) == [1] * RECORDS
    done = doomed.verify_log()
    assert done.returncode == 0, done.stdout + done.stderr
    figure("crash.kills", VICTIMS.index(victim) + 1)


def submit(city: City, file: Path, catalog: str) -> subprocess.Popen[str]:
    """`chengxin submit`, under way."""
    command = Path(sys.executable).with_name("chengxin")
    return subprocess.Popen(
        [str(command), "submit", str(file), "--catalog", catalog],
        env=os.environ | {"CHENGXIN_HOME": str(city.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _begun(city: City, file: Path) -> Any:
    found = city.store("ingest")["submissions"].find_one({"file_name": file.name})
    return found and found["batches_committed"] > 0


def _slots(disclosure: Any, codes: list[str]) -> list[int]:
    """How many records each of the organisations with these codes has had."""
    query = {"uscc": {"$gte": min(codes), "$lte": max(codes)}}
    refs = [row["_id"] for row in disclosure["names.2"].find(query, {"_id": 1})]
    return [row["slots"] for row in find_among(disclosure["subjects.2"], "_id", refs, {"slots": 1})]
