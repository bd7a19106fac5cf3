"""Every answered event is on the log exactly once, whatever stops: the service, its store, a write half done."""

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from bson.binary import Binary

from chengxin.errors import Problem
from chengxin.tlog import merkle
from chengxin.values.ids import new_id
from chengxin_api.audit.v1 import audit_pb2
from services.audit.log.appender import load
from services.audit.store.rows import LogGroup
from tests.audit.conftest import NOW, Run, RunningAudit, an_event
from tests.support import StoreDaemon, until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StoreDaemon]:
    found = StoreDaemon(tmp_path / "store")
    found.start()
    yield found
    found.kill()


def appended(audit: RunningAudit, entries: list[bytes], positions: tuple[int, ...] = ()) -> bool:
    """Whether a call was answered with success."""
    try:
        audit.append(entries, positions)
    except grpc.RpcError as e:
        if (problem := Problem.from_rpc(e)).code not in ("AUDIT_UNAVAILABLE", "UPSTREAM_UNAVAILABLE"):
            raise problem from None
        return False
    return True


def ready(audit: RunningAudit) -> bool:
    return audit.get("/readyz").status_code == 200


def collection(audit: RunningAudit, name: str) -> Any:
    return audit.ctx.store.store.db[name]


def test_a_restart_goes_on_where_it_was(stores: Callable[[str], str], run: Run) -> None:
    uri = stores(new_id("audit"))
    events: list[bytes] = []
    sizes = (1, 255, 300, 1, 700)
    for size in sizes:
        audit = run(uri)
        more = [an_event(details={"n": len(events) + n}) for n in range(size)]
        # The last call before the restart is repeated, as when a crash lost its answer.
        if events:
            assert audit.append(events[-1:], (len(events),)).appended == 0
        assert audit.append(more, range(len(events) + 1, len(events) + size + 1)).first_index == len(events)
        events += more
        audit.published(len(events))
        audit.close()
    audit = run(uri)
    assert [logged.entry for logged in audit.entries()] == events
    root = merkle.Frontier()
    for event in events:
        root.append(merkle.leaf_hash(event))
    assert audit.ctx.condition.sound
    proof = audit.get(f"/v1/audit/proofs/inclusion?index=0&tree_size={len(events)}", "public").json
    assert proof["root_hash"] == root.root().hex()


def test_a_restart_before_anything_was_derived(stores: Callable[[str], str], run: Run) -> None:
    """Tiles, index and checkpoint can all be made again from the groups."""
    uri = stores(new_id("audit"))
    audit = run(uri)
    events = [an_event(details={"n": n}) for n in range(600)]
    for start in range(0, 600, 50):
        audit.append(events[start : start + 50])
    audit.published(600)
    before = audit.get("/tlog/checkpoint").text
    for name in ("tiles", "progress", "segments", "buckets", "checkpoints"):
        collection(audit, name).delete_many({})
    audit.close()
    audit = run(uri)
    audit.published(600)
    assert audit.get("/tlog/checkpoint").text == before
    assert [logged.entry for logged in audit.entries()] == events


@pytest.mark.parametrize("round_", range(2))
def test_killing_the_store_loses_and_repeats_nothing(daemon: StoreDaemon, run: Run, round_: int) -> None:
    """kill -9 of the store while eight callers append and a relay delivers; then it comes back."""
    audit = run(daemon.uri("audit"))
    until(lambda: ready(audit), "ready")
    acknowledged: list[bytes] = []
    tried: list[bytes] = []
    ended = threading.Event()

    def caller(number: int) -> None:
        n = 0
        while not ended.is_set():
            entry = an_event(details={"caller": number, "n": n})
            tried.append(entry)
            if appended(audit, [entry]):
                acknowledged.append(entry)
            n += 1

    relayed: list[bytes] = []

    def relay() -> None:
        position = 0
        while not ended.is_set():
            position += 1
            row = [an_event(details={"row": position, "n": n}) for n in range(3)]
            while not appended(audit, row, (position,) * 3):
                pass
            relayed.extend(row)

    threads = [threading.Thread(target=caller, args=(n,)) for n in range(8)] + [threading.Thread(target=relay)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 60 * (round_ + 1), "events are appended")
    daemon.kill()
    until(lambda: not ready(audit), "not ready without its store")
    daemon.start()
    until(lambda: ready(audit), "ready again")
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before + 40, "events are appended again")
    ended.set()
    for thread in threads:
        thread.join()
    kept = [logged.entry for logged in audit.entries()]
    assert len(kept) == len(set(kept)), "an event is on the log twice"
    assert set(acknowledged) <= set(kept), "an acknowledged event is lost"
    assert set(kept) <= set(tried) | set(relayed)
    of_relay = [e for e in kept if e in set(relayed)]
    assert of_relay == relayed, "the relay's events are not each there once and in order"
    # What is in memory is what is in the store.
    tree = load(audit.ctx.store, audit.ctx.signer.seals)
    assert audit.ctx.appender.size() == tree.frontier.size == len(kept)
    audit.published(len(kept))
    assert audit.ctx.condition.sound


def test_without_its_store_nothing_is_answered(daemon: StoreDaemon, run: Run) -> None:
    audit = run(daemon.uri("audit"))
    audit.append([an_event(subject_refs=["s_1"])])
    audit.published(1)
    daemon.kill()
    assert not appended(audit, [an_event()])
    answer = audit.get("/v1/me/accesses", "subject", sub="s_1")
    assert answer.status_code == 503
    assert answer.json["code"] in ("AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE")
    assert "Retry-After" in answer.headers
    assert audit.get("/tlog/tile/entries/000.p/1", "supervisor").status_code == 503
    assert audit.get("/readyz").status_code == 503


def test_a_write_of_unknown_outcome(daemon: StoreDaemon, run: Run) -> None:
    """The store stops in the middle of a write and resumes after the service gave up: the write arrives late."""
    audit = run(daemon.uri("audit"))
    audit.append([an_event()], (1,))
    daemon.signal(signal.SIGSTOP)
    late = [an_event(details={"late": True})]
    assert not appended(audit, late, (2,))
    daemon.signal(signal.SIGCONT)
    until(lambda: appended(audit, late, (2,)), "the relay delivers it again")
    until(lambda: appended(audit, [an_event()]), "others append")
    kept = [logged.entry for logged in audit.entries()]
    assert kept.count(late[0]) == 1
    assert load(audit.ctx.store, audit.ctx.signer.seals).frontier.size == audit.ctx.appender.size() == 3


def test_a_second_service_on_the_same_store_cannot_fork_the_log(stores: Callable[[str], str], run: Run) -> None:
    audit = run(stores(new_id("audit")))
    audit.append([an_event()])
    tree = load(audit.ctx.store, audit.ctx.signer.seals)
    # The other service appends events that this one does not know of.
    entry = an_event(details={"by": "another"})
    tree.frontier.append(merkle.leaf_hash(entry))
    leaves = [merkle.leaf_hash(entry)]
    group = LogGroup(tree.groups + 1, 1, [entry], leaves, tree.frontier.pack(), tree.delivered)
    audit.ctx.store.append(replace(group, seal=audit.ctx.signer.seals.seal(group.sealed_text())))
    assert not appended(audit, [an_event()])
    assert appended(audit, [an_event()])
    assert audit.entries()[1].entry == entry
    assert len(audit.entries()) == 3


@pytest.mark.parametrize("removed", [(3,), (2, 3), (2,)])
def test_a_log_is_continued_neither_behind_what_was_signed_nor_in_a_gap(
    stores: Callable[[str], str], run: Run, removed: tuple[int, ...]
) -> None:
    """Its history would be forked, or written over."""
    uri = stores(new_id("audit"))
    audit = run(uri)
    for n in range(3):
        audit.append([an_event(details={"n": n})])
    audit.published(3)
    groups = {row["_id"]: row for row in collection(audit, "groups").find()}
    audit.close()
    collection(audit := run(uri), "groups").delete_many({"_id": {"$in": [*removed]}})
    collection(audit, "progress").delete_many({})
    audit.close()
    audit = run(uri)
    assert not appended(audit, [an_event()])
    assert not ready(audit)
    collection(audit, "groups").insert_many([groups[number] for number in removed])
    until(lambda: appended(audit, [an_event()]), "the log is continued")


def test_checkpoints_do_not_become_older_when_the_clock_is_set_back(audit: RunningAudit) -> None:
    audit.append([an_event()])
    audit.published(1)
    audit.ctx.clock.instant -= timedelta(hours=1)  # type: ignore[attr-defined]
    audit.append([an_event()])
    audit.published(2)
    request = audit_pb2.GetCheckpointRequest()
    checkpoint = audit.stub.GetCheckpoint(request, metadata=audit.metadata("public"))
    assert checkpoint.published_at.ToDatetime(UTC) == NOW


def test_hashes_altered_in_the_store_stop_the_checkpoints(stores: Callable[[str], str], run: Run) -> None:
    uri = stores(new_id("audit"))
    audit = run(uri)
    audit.append([an_event(details={"n": n}) for n in range(300)])
    audit.published(300)
    checkpoint = audit.get("/tlog/checkpoint").text
    audit.close()
    audit = run(uri)
    audit.published(300)
    tile = collection(audit, "tiles").find_one({"_id": "0/0"})
    collection(audit, "tiles").update_one({"_id": "0/0"}, {"$set": {"root": Binary(bytes(32))}})
    audit.close()
    audit = run(uri)
    until(lambda: not audit.ctx.condition.sound, "the alteration is noticed")
    ready_state = audit.get("/readyz").json
    assert (ready_state["log"], ready_state["sound"]) == (True, False)
    assert ready_state["altered"][0].startswith("tiles ")
    assert audit.get("/v1/audit/events", "supervisor").json["code"] == "LOG_ALTERED"
    # Events are still put on record.
    assert appended(audit, [an_event()])
    collection(audit, "tiles").replace_one({"_id": "0/0"}, tile)
    audit.published(301)
    until(lambda: audit.ctx.condition.sound, "it is inspected again")
    assert checkpoint != audit.get("/tlog/checkpoint").text
