"""Twenty-five deliveries of 20,000 records, each broken off by kill -9 somewhere: nothing lost, nothing twice."""

import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from chengxin_api.ingest.v1 import ingest_pb2, ingest_pb2_grpc
from tests.city import City, running_city
from tests.e2e import licences
from tests.e2e.test_crash import submit
from tests.support import figure, until

pytestmark = [pytest.mark.rounds, pytest.mark.timeout(900)]

RECORDS = 20_000
BATCHES = RECORDS // 1000
ROUNDS = 25
VICTIMS = ("ingest", "ingest-store", "gateway", "client")
# Where a delivery is interrupted is random, but the same in every run.
_DRAWN = random.Random(1)
ROUNDS_DRAWN = [(n, VICTIMS[n % len(VICTIMS)], _DRAWN.randrange(0, BATCHES - 1)) for n in range(ROUNDS)]


@pytest.fixture(scope="module")
def doomed() -> Iterator[City]:
    """A suite of its own."""
    with running_city() as found:
        yield found


@pytest.mark.parametrize(("number", "victim", "after"), ROUNDS_DRAWN)
def test_a_delivery_that_is_broken_off_arrives_once(
    doomed: City, number: int, victim: str, after: int, tmp_path: Path
) -> None:
    file = tmp_path / f"round{number}.csv"
    documents = licences.write(file, doomed.people["licence"], RECORDS)
    store = doomed.store("ingest")
    before = doomed.last_change("ingest")
    # The pid is looked up before, because that takes long enough for the delivery to arrive.
    pids = doomed.pids()
    client = submit(doomed, file, "XZXK")
    try:
        until(lambda: _committed(store, file) > after or client.poll() is not None, "the point is reached", 120)
        os.kill(client.pid if victim == "client" else pids[victim], signal.SIGKILL)
        if victim == "client":
            client.wait()
            client = submit(doomed, file, "XZXK")
        output, _ = client.communicate(timeout=400)
    finally:
        client.kill()
    assert client.returncode == 0, output
    until(lambda: doomed.edge.call("GET", "/readyz").status == 200, "the suite is ready again", 60)

    receipt = json.loads(file.with_name(file.name + ".receipt.json").read_text())["receipt"]
    expected = {"total": RECORDS, "accepted": RECORDS, "amended": 0, "unchanged": 0, "rejected": 0}
    assert receipt["counts"] == expected
    newest = doomed.last_change("ingest")
    seen = until(lambda: _watched(doomed, before, newest), "the feed is read", 120)
    mine = [r for r in seen if r.items["XK_WSH"] in documents]
    # The feed is the store as its consumers see it: each record, once, in its first version.
    assert len(mine) == RECORDS
    assert {r.items["XK_WSH"] for r in mine} == documents
    assert len({r.record_id for r in mine}) == RECORDS
    assert {r.version for r in mine} == {1}
    kept = store["submissions"].find_one({"file_name": file.name})
    assert {name: kept["counts"].get(name, 0) for name in expected if name != "total"} == {
        name: n for name, n in expected.items() if name != "total"
    }
    doomed.await_disclosure(newest)
    figure("crash_rounds.rounds", number + 1)
    figure("crash_rounds.lost", RECORDS - len({r.record_id for r in mine}))
    figure("crash_rounds.twice", len(mine) - len({r.record_id for r in mine}))


def _committed(store: Any, file: Path) -> int:
    found = store["submissions"].find_one({"file_name": file.name}, {"batches_committed": 1})
    return int(found["batches_committed"]) if found else -1


def _watched(city: City, after: int, until_position: int) -> list[Any]:
    """The feed's records after a position, up to another; nothing when the stream broke off."""
    stub = ingest_pb2_grpc.IngestServiceStub(city.inside("ingest"))
    seen: list[Any] = []
    with contextlib.suppress(grpc.RpcError):
        stream = stub.Watch(
            ingest_pb2.WatchRequest(after=after), metadata=city.service("disclosure").metadata(), timeout=120
        )
        for change in stream:
            seen.extend(change.records)
            if change.last and change.position >= until_position:
                stream.cancel()
                return seen
    return []
