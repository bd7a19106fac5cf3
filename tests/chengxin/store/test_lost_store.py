"""While a store is away, every waiting caller is told within seconds; when it is back, it is used again."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from chengxin.errors import Problem
from chengxin.grpc.rpc import as_problem
from chengxin.store.database import Store
from tests.chengxin.conftest import Opened
from tests.support import StoreDaemon, until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[StoreDaemon]:
    found = StoreDaemon(tmp_path / "store")
    found.start()
    yield found
    found.kill()


def answers(store: Store) -> Callable[[], bool]:
    def probe() -> bool:
        try:
            store.ping()
        except PyMongoError:
            return False
        return True

    return probe


def test_a_store_that_is_away_is_told_and_used_again_when_it_is_back(daemon: StoreDaemon, opened: Opened) -> None:
    store = opened(daemon.uri("x"))
    until(answers(store), "the store answers")
    store.db.create_collection("things")

    def add(name: str) -> None:
        def work(unit: Any) -> None:
            store.db["things"].insert_one({"_id": name}, session=unit.session)
            unit.publish("thing", name=name)

        store.transact(work)

    add("before")
    daemon.kill()
    told: list[Problem | None] = []

    def tries(n: int) -> None:
        try:
            add(f"away-{n}")
        except Exception as e:
            told.append(as_problem(e))

    # The driver alone would try for two minutes for each call.
    threads = [threading.Thread(target=tries, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(45)
    assert [p.code if p else "" for p in told] == ["STORE_UNAVAILABLE"] * 3
    with pytest.raises(PyMongoError):
        store.rows(0)
    daemon.start()
    until(answers(store), "the store answers again")
    add("after")
    assert [r.changes[0]["name"] for r in store.rows(0)] == ["before", "after"]
