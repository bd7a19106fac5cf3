"""A store accepts connections and does not answer: every caller is told within the call's patience, and no call is half
done or blocks others afterwards."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from chengxin.errors import Problem
from chengxin.grpc.rpc import as_problem
from chengxin.store import deadlines
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.deadlines import patience, within
from tests.chengxin.conftest import Opened
from tests.support import StoreDaemon, until

# Longer than any call here may take, far shorter than what a call without a deadline takes.
FAILURE = 10


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StoreDaemon]:
    found = StoreDaemon(tmp_path / "store")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def store(daemon: StoreDaemon, opened: Opened) -> Store:
    found = opened(daemon.uri("x"))
    for name in ("outbox", "counters", "things"):
        found.db.create_collection(name)
    add(found, "before")
    return found


@contextmanager
def silent(daemon: StoreDaemon) -> Iterator[None]:
    daemon.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.signal(signal.SIGCONT)


def add(store: Store, name: str, then: Any = lambda: None) -> None:
    def work(unit: UnitOfWork) -> None:
        store.db["things"].insert_one({"_id": name}, session=unit.session)
        unit.publish("thing", name=name)
        then()

    store.transact(work)


def told(call: Any) -> str:
    """The code of the error that a caller gets."""
    try:
        call()
    except (Problem, PyMongoError) as e:
        problem = as_problem(e)
    else:
        return ""
    assert problem is not None
    assert problem.retry_after
    return problem.code


def names(store: Store) -> list[str]:
    return sorted(t["_id"] for t in store.db["things"].find())


def in_time(*calls: Any) -> list[str]:
    """The codes that several concurrent callers get; fails when one hangs."""
    with ThreadPoolExecutor(len(calls)) as pool:
        waiting = [pool.submit(told, call) for call in calls]
        return [one.result(FAILURE) for one in waiting]


def test_every_kind_of_call_is_told(daemon: StoreDaemon, store: Store) -> None:
    things = store.db["things"]
    with silent(daemon):
        codes = in_time(
            store.ping,
            lambda: things.find_one({"_id": "before"}),
            lambda: list(things.find({})),
            lambda: things.insert_one({"_id": "alone"}),
            lambda: things.update_one({"_id": "x"}, {"$set": {"a": 1}}, upsert=True),
            lambda: list(things.aggregate([{"$match": {}}])),
            lambda: things.count_documents({}),
            lambda: store.rows(0),
            lambda: next(iter(store.follow(1, lambda: True))),
            # These wait for each other's turn.
            *(lambda n=n: add(store, f"thing {n}") for n in range(3)),
            lambda: store.once("her", "k", b"same", lambda unit: {}, dict),
        )
    assert codes == ["STORE_UNAVAILABLE"] * len(codes)


def test_a_cut_transaction_is_not_half_done_and_does_not_hold_up_the_next(
    daemon: StoreDaemon, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent(daemon):
        assert in_time(lambda: add(store, "never began")) == ["STORE_UNAVAILABLE"]

    def stop() -> None:
        daemon.signal(signal.SIGSTOP)

    # Its insert is in the store, which then no longer answers: neither the counter nor the abort.
    assert in_time(lambda: add(store, "cut", stop)) == ["STORE_UNAVAILABLE"]
    daemon.signal(signal.SIGCONT)
    # This would wait for the counter for a minute, until the store drops the rest of the transaction.
    assert until(lambda: told(lambda: add(store, "after")) in ("", "STORE_UNAVAILABLE") and "after" in names(store))
    assert names(store) == ["after", "before"]
    assert [row.changes[0]["name"] for row in store.rows(0)] == ["before", "after"]


def test_a_transaction_cut_at_its_commit_is_done_or_not_and_is_not_told_as_done(
    daemon: StoreDaemon, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.client_session import ClientSession

    commit = ClientSession.commit_transaction

    def commit_to_nobody(session: ClientSession) -> None:
        daemon.signal(signal.SIGSTOP)
        commit(session)

    monkeypatch.setattr(ClientSession, "commit_transaction", commit_to_nobody)
    seen: list[str] = []

    def work(unit: UnitOfWork) -> dict[str, Any]:
        store.db["things"].insert_one({"_id": "once"}, session=unit.session)
        unit.publish("thing", name="once")
        unit.committed.append(lambda: seen.append("committed"))
        return {"done": True}

    assert in_time(lambda: store.once("her", "k", b"same", work, dict)) == ["STORE_UNAVAILABLE"]
    assert seen == []
    monkeypatch.undo()
    daemon.signal(signal.SIGCONT)

    def again() -> bool:
        return not told(lambda: store.once("her", "k", b"same", work, dict))

    until(again, "the repeat gets its answer")
    # In either case it is done once, and as a whole.
    assert names(store) == ["before", "once"]
    assert [row.changes[0]["name"] for row in store.rows(0)] == ["before", "once"]


def test_work_that_takes_longer_says_so_and_is_bounded_too(
    daemon: StoreDaemon, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, done = threading.Event(), threading.Event()

    def bulk() -> None:
        with within(60):
            began.set()
            add(store, "bulk")
        done.set()

    with silent(daemon):
        thread = threading.Thread(target=bulk)
        thread.start()
        assert began.wait(FAILURE)
        # A plain request is answered while the longer one, which holds the turn, still waits.
        assert in_time(lambda: add(store, "plain")) == ["STORE_UNAVAILABLE"]
        assert not done.is_set()
        with pytest.raises(PyMongoError), within(0.5):
            store.db["things"].find_one({})
    thread.join(FAILURE)
    assert done.is_set()
    assert names(store) == ["before", "bulk"]


def test_an_inner_patience_is_no_longer_than_the_outer() -> None:
    assert patience() == deadlines.OPERATION_SECONDS
    with within(100):
        assert 99 < patience() <= 100
        with within(1):
            assert patience() <= 1
            with within(50):
                assert patience() <= 1
        assert patience() > 90
    with within(0.0001):
        threading.Event().wait(0.001)
        assert patience() == 0


def test_all_that_one_answer_needs_is_bounded_together() -> None:
    @deadlines.in_time
    def first_this_then_that() -> list[float]:
        left = [patience()]
        with within(deadlines.OPERATION_SECONDS / 2):
            left.append(patience())
        return [*left, patience()]

    first, inner, last = first_this_then_that()
    assert deadlines.OPERATION_SECONDS >= first > last > inner
    assert patience() == deadlines.OPERATION_SECONDS


def test_conflicts_are_still_retried(store: Store) -> None:
    """Another process holds the counter, and writes it while this one is at work."""
    session = store.client.start_session()
    session.start_transaction()
    store.db["counters"].update_one({"_id": "outbox"}, {"$inc": {"other": 1}}, session=session)
    runs: list[int] = []

    def work(unit: UnitOfWork) -> None:
        store.db["things"].find_one({"_id": "before"}, session=unit.session)
        runs.append(1)
        if len(runs) == 1:
            session.commit_transaction()
        unit.publish("thing", name="after a conflict")

    store.transact(work)
    assert len(runs) == 2
    assert [row.changes[0]["name"] for row in store.rows(0)] == ["before", "after a conflict"]


_BEGINS = """
import sys, time
from chengxin.values.clock import SystemClock
from chengxin.store.database import Store
store = Store(sys.argv[1], "x", SystemClock())
def work(unit):
    store.db["counters"].update_one({"_id": "outbox"}, {"$inc": {"other": 1}}, session=unit.session)
    print("in it", flush=True)
    time.sleep(100)
store.transact(work)
"""


def test_what_a_killed_process_had_begun_holds_up_nobody_who_starts(
    daemon: StoreDaemon, store: Store, opened: Opened
) -> None:
    """The store itself waits for such a transaction for a minute."""
    uri = daemon.uri("x")
    with subprocess.Popen([sys.executable, "-c", _BEGINS, uri], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in it\n"
        process.kill()
    # A process that starts afterwards works, and so does the process that was alive meanwhile.
    opened(uri).prepare(lambda: None)
    add(store, "after")
    assert names(store) == ["after", "before"]


def test_who_starts_does_not_harm_the_transaction_of_one_who_lives(
    daemon: StoreDaemon, store: Store, opened: Opened
) -> None:
    runs: list[int] = []

    def work(unit: UnitOfWork) -> None:
        store.db["things"].insert_one({"_id": "slow"}, session=unit.session)
        runs.append(1)
        if len(runs) == 1:
            opened(daemon.uri("x")).prepare(lambda: None)
        unit.publish("thing", name="slow")

    store.transact(work)
    assert len(runs) == 2
    assert [row.changes[0]["name"] for row in store.rows(0)] == ["before", "slow"]
