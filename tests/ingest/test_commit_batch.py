"""Batches that share a transaction: each is still recorded exactly once, in its order, and answered for itself."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from services.ingest.domain.submission import Batch, DeliveredRecord, Header
from services.ingest.usecases.commit_batch import DELIVERED
from services.ingest.usecases.submit import submit
from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.running_ingest import RunningIngest

CALLER = Principal(f"client:{REGULATOR}", frozenset({Role.PROVIDER}), client_id=f"client:{REGULATOR}", org=REGULATOR)
HEADER = Header("together", "XZXK", record_count=30)
SIZE = 10

Held = Callable[..., Any]


def batch(number: int, records: list[dict[str, str]]) -> Batch:
    first = (number - 1) * SIZE + 1
    return Batch(number, [DeliveredRecord(row, items) for row, items in enumerate(records, first)])


def batches(count: int) -> list[Batch]:
    every = licences(count * SIZE)
    return [batch(n, every[(n - 1) * SIZE : n * SIZE]) for n in range(1, count + 1)]


@pytest.fixture
def held(ingest: RunningIngest, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Delivers batches; the first is committed only when the third is asked for, so that two are ready then."""
    go, store = threading.Event(), ingest.ctx.store
    transact = store.transact

    def waits(work: Any) -> Any:
        monkeypatch.setattr(store, "transact", transact)
        assert go.wait(30)
        return transact(work)

    def parts(delivered: list[Batch], meanwhile: Callable[[], Any]) -> Iterator[Batch]:
        yield from delivered[:2]
        meanwhile()
        go.set()
        yield from delivered[2:]

    def delivers(delivered: list[Batch], meanwhile: Callable[[], Any] = lambda: None) -> Any:
        monkeypatch.setattr(store, "transact", waits)
        return submit(ingest.ctx, CALLER, HEADER, parts(delivered, meanwhile))

    return delivers


def together(ingest: RunningIngest) -> list[list[int]]:
    """Numbers of batches by transaction."""
    rows = [[c["batch"] for c in row.changes if c["kind"] == "batch"] for row in ingest.ctx.store.rows(0)]
    return [[int(name.rpartition(":")[2]) for name in row] for row in rows if row]


def test_what_is_ready_together_shares_a_transaction(ingest: RunningIngest, held: Held) -> None:
    receipt = held(batches(3))
    assert together(ingest) == [[1], [2, 3]]
    assert (receipt.counts["total"], receipt.counts["accepted"]) == (30, 30)
    parts = ingest.watched(30)
    assert [r.record_id for c in parts for r in c.records] == [
        name for n in (1, 2, 3) for name in ingest.ctx.store.batch(f"{REGULATOR}/together", n)["records"]
    ]
    assert [(c.position, c.last) for c in parts][-2:] == [(parts[-1].position, False), (parts[-1].position, True)]
    events = [json.loads(event) for row in ingest.ctx.store.rows(0) for event in row.events]
    assert [e["details"]["batch"] for e in events if e["act"] == DELIVERED] == [1, 2, 3]


def test_a_record_may_come_twice_in_one_transaction(ingest: RunningIngest, held: Held) -> None:
    records = licences(30)
    records[25] = records[15] | {"XK_NR": "餐饮服务"}
    records[26] = records[16]
    receipt = held([batch(n, records[(n - 1) * SIZE : n * SIZE]) for n in (1, 2, 3)])
    counts = receipt.counts
    assert (counts["accepted"], counts["amended"], counts["unchanged"]) == (28, 1, 1)
    assert ingest.ctx.store.records.count_documents({}) == 28
    [old] = ingest.ctx.store.versions.find({})
    assert (old["version"], old["items"]["XK_NR"]) == (1, records[15]["XK_NR"])


def test_the_batch_before_a_wrong_one_is_committed(ingest: RunningIngest, held: Held) -> None:
    one, two, three = batches(3)
    with pytest.raises(Problem) as caught:
        held([one, two, Batch(4, three.records)])
    assert (caught.value.code, caught.value.params["expected"]) == ("BATCH_OUT_OF_ORDER", "3")
    assert ingest.regulator.submission("together").batches_committed == 2
    assert ingest.ctx.store.records.count_documents({}) == 20


def test_the_batch_before_a_broken_one_is_committed(ingest: RunningIngest, held: Held) -> None:
    one, two, _ = batches(3)
    with pytest.raises(Problem, match="BATCH_TOO_LARGE"):
        held([one, two, Batch(3, [DeliveredRecord(n, licence(1)) for n in range(1, 1002)])])
    assert ingest.regulator.submission("together").batches_committed == 2


def test_what_another_delivery_has_committed_of_them_is_recognised(ingest: RunningIngest, held: Held) -> None:
    every = batches(3)

    def overtakes() -> None:
        with pytest.raises(Problem, match="DELIVERY_BROKEN_OFF"):
            submit(ingest.ctx, CALLER, HEADER, every[:2])

    assert held(every, overtakes).counts["accepted"] == 30
    assert ingest.ctx.store.records.count_documents({}) == 30
    assert together(ingest) == [[1], [2], [3]]
