"""The store is killed in the middle of deliveries: what was acknowledged is there, everything is there exactly once."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pymongo
import pytest

from chengxin.errors import Problem
from chengxin.values.provider_statement import content_sha256
from tests.ingest.deliveries import REGULATOR, licences
from tests.ingest.running_ingest import RunningIngest, make_collections, running_ingest, stream
from tests.support import Issuer, StoreDaemon, until

RECORDS = 4000
BATCH = 100


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StoreDaemon]:
    """A store of this test's own."""
    found = StoreDaemon(tmp_path / "store")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def ingest(daemon: StoreDaemon, issuer: Issuer) -> Iterator[RunningIngest]:
    """Ingest on that store."""
    make_collections(daemon.uri("ingest"))
    yield from running_ingest(daemon.uri("ingest"), issuer)


def deliver(ingest: RunningIngest, records: list[dict[str, str]], name: str, receipts: list[Any]) -> None:
    """Resumes from the last committed batch, as a client does, until there is a receipt."""
    while True:
        try:
            found = ingest.regulator.submission(name).batches_committed
        except Problem as e:
            found = 0
            if e.code != "NOT_FOUND":
                continue
        try:
            parts = stream(records, BATCH, found + 1, submission_id=name, record_count=len(records))
            receipts.append(ingest.regulator.rpc("Submit", parts))
            return
        except (Problem, grpc.RpcError):
            continue


def test_a_killed_store_loses_and_doubles_nothing(ingest: RunningIngest, daemon: StoreDaemon) -> None:
    records, receipts = licences(RECORDS), []
    client = threading.Thread(target=deliver, args=(ingest, records, "through-crashes", receipts))
    client.start()
    store = ingest.ctx.store
    for committed in (5, 15, 25):

        def far_enough(n: int = committed) -> bool:
            return bool(
                store.submissions.find_one({"_id": f"{REGULATOR}/through-crashes", "batches_committed": {"$gt": n}})
            )

        until(far_enough, f"{committed} batches", 60)
        daemon.kill()
        daemon.start()
    client.join(120)
    [receipt] = receipts
    assert receipt.counts.accepted == receipt.counts.total == RECORDS
    assert store.records.count_documents({}) == RECORDS
    assert store.versions.count_documents({}) == 0
    assert store.records.count_documents({"version": {"$ne": 1}}) == 0
    batches = sorted(store.batches.find(), key=lambda b: b["number"])
    assert [b["number"] for b in batches] == list(range(1, RECORDS // BATCH + 1))
    assert receipt.content_sha256 == content_sha256([b["digest"] for b in batches])
    told = [(r.record_id, r.version) for c in ingest.watched(RECORDS) for r in c.records]
    assert len(told) == len(set(told)) == RECORDS
    until(lambda: ingest.audit.of("submission.closed"), "the relay goes on", 60)
    numbers = [e["details"]["batch"] for e in ingest.audit.of("submission.delivered")]
    assert numbers == list(range(1, RECORDS // BATCH + 1))


def test_a_commit_of_unknown_outcome_is_found_again(ingest: RunningIngest) -> None:
    """The commit is done and its answer lost: the next attempt recognises the batch."""
    transact = ingest.ctx.store.transact
    lost = [pymongo.errors.AutoReconnect("the answer is lost")]

    def losing(work: Any) -> Any:
        result = transact(work)
        if lost:
            raise lost.pop()
        return result

    object.__setattr__(ingest.ctx.store, "transact", losing)
    receipt = ingest.regulator.submits(licences(300), 100)
    assert not lost
    assert receipt.counts.accepted == 300
    assert ingest.ctx.store.records.count_documents({}) == 300
