"""Transactions, their outbox, and idempotent answers."""

import multiprocessing
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.outbox import Outbox
from chengxin.values.clock import FixedClock
from tests.chengxin.conftest import NOW, Opened
from tests.support import until


def add(store: Store, name: str) -> None:
    """Writes a thing, with a change and an event."""

    def work(unit: UnitOfWork) -> None:
        store.db["things"].insert_one({"_id": name}, session=unit.session)
        unit.publish("thing", name=name)
        unit.record(name.encode())

    store.transact(work)


@contextmanager
def following(store: Store) -> Iterator[list[int]]:
    """The positions that a follower from the beginning receives, in a thread that ends afterwards."""
    seen: list[int] = []
    going = threading.Event()
    going.set()

    def follow() -> None:
        for row in store.follow(0, going.is_set):
            seen.append(row.position)

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        yield seen
    finally:
        going.clear()
        store.wake()
        follower.join(10)
    assert not follower.is_alive()


def _adds(uri: str, prefix: str, count: int) -> None:

    store = Store(uri, "other", FixedClock(datetime(2026, 11, 24, tzinfo=UTC)))
    for n in range(count):
        add(store, f"{prefix}-{n}")
    store.close()


def test_positions_have_no_gap_and_no_repeat_under_many_writers(store: Store, uri: str) -> None:
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_adds, args=(uri, f"process-{n}", 20)) for n in range(2)]
    for other in others:
        other.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: add(store, f"thread-{n}"), range(40)))
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    rows = store.rows(0)
    assert [r.position for r in rows] == list(range(1, 81))
    names = [r.changes[0]["name"] for r in rows]
    assert sorted(names) == sorted(t["_id"] for t in store.db["things"].find())
    assert [r.events for r in rows] == [[n.encode()] for n in names]
    # Each writer's changes are in the order in which it wrote them.
    for prefix in ("process-0", "process-1"):
        own = [n for n in names if n.startswith(prefix)]
        assert own == [f"{prefix}-{n}" for n in range(20)]


def test_rows_are_read_in_order_from_any_position_and_in_parts(store: Store) -> None:
    for n in range(7):
        add(store, f"t{n}")
    assert [r.position for r in store.rows(2, limit=3)] == [3, 4, 5]
    assert [r.position for r in store.rows(5)] == [6, 7]
    assert store.rows(7) == []
    # No follower was ever given these positions.
    for position in (8, 99, -1):
        with pytest.raises(Problem, match="FEED_POSITION_UNKNOWN"):
            store.rows(position)


def test_a_store_without_changes_has_no_rows(store: Store) -> None:
    store.transact(lambda unit: store.db["things"].insert_one({"_id": "quiet"}, session=unit.session))
    assert store.rows(0) == []


def test_reading_the_newest_row_does_not_depend_on_how_many_there_are(store: Store) -> None:
    # SecantusDB scans a collection for a range of _id; by numbers it does not. Counted, not timed.
    asked: list[Any] = []
    for n in range(3):
        add(store, f"t{n}")

    class AskedOutbox:
        def find(self, query: Any) -> Any:
            asked.append(query)
            return store.db["outbox"].find(query)

    outbox = Outbox({"outbox": AskedOutbox(), "counters": store.db["counters"]}, FixedClock(NOW))  # type: ignore[arg-type]
    assert [r.position for r in outbox.rows(2)] == [3]
    assert outbox.rows(3) == []
    assert asked == [{"_id": {"$in": [3]}}]


def test_what_fails_leaves_nothing(store: Store) -> None:
    def work(unit: UnitOfWork) -> None:
        store.db["things"].insert_one({"_id": "half"}, session=unit.session)
        unit.record(b"half")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        store.transact(work)
    assert store.db["things"].count_documents({}) == 0
    assert store.rows(0) == []
    add(store, "next")
    assert [r.position for r in store.rows(0)] == [1]


def test_who_follows_sees_every_row_once_and_can_resume(store: Store, opened: Opened, uri: str) -> None:
    other = opened(uri)
    with following(store) as seen:
        for n in range(5):
            # Rows of this process wake the follower, those of another are found by looking.
            add(store if n % 2 else other, f"t{n}")
        until(lambda: len(seen) == 5, "all rows")
    assert seen == [1, 2, 3, 4, 5]
    assert next(iter(store.follow(3, lambda: True))).position == 4


def test_who_follows_gets_rows_as_the_store_has_them(store: Store, opened: Opened, uri: str) -> None:
    add(store, "held already")
    live = store.follow(0, lambda: True)
    told = [next(live)]

    def odd(unit: UnitOfWork) -> None:
        # Values that the store keeps in another form: times to the millisecond, lists for tuples.
        unit.publish("odd", at=datetime(2026, 11, 24, 1, 2, 3, 4567, tzinfo=UTC), pair=(1, 2))
        unit.record(b"odd")

    other = opened(uri)
    for commit in (odd, lambda unit: unit.publish("plain", n=None)):
        store.transact(commit)
        told.append(next(live))
    # Another process writes in between, so the rows held here have a gap.
    for who in (other, store, other):
        add(who, f"thing {len(told)}")
        told.append(next(live))
    assert told == store.rows(0)
    assert [row.position for row in told] == [1, 2, 3, 4, 5, 6]


def test_who_follows_closely_does_not_ask_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chengxin.store.outbox._POLL_SECONDS", 60)
    asked: list[int] = []
    monkeypatch.setattr(store.outbox, "rows", lambda after: asked.append(after) or [])
    with following(store) as seen:
        until(lambda: asked == [0], "it has looked once")
        for n in range(1, 6):
            add(store, f"t{n}")
            until(lambda n=n: seen == list(range(1, n + 1)), "it is told")
        assert asked == [0]


def test_who_is_far_behind_reads_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.outbox, "_held", deque(maxlen=2))
    for n in range(5):
        add(store, f"t{n}")
    live = store.follow(1, lambda: True)
    assert [next(live).position for _ in range(4)] == [2, 3, 4, 5]


def test_a_position_never_goes_back(store: Store) -> None:
    assert store.position("feed.x") == 0
    store.set_position("feed.x", 5)
    store.set_position("feed.x", 3)
    assert store.position("feed.x") == 5


def test_the_second_click_gets_the_first_answer(store: Store) -> None:
    runs: list[int] = []

    def work(unit: UnitOfWork) -> dict[str, Any]:
        runs.append(1)
        unit.record(b"done")
        return {"number": len(runs)}

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: store.once("her", "k1", b"same", work, dict), range(6)))
    assert [one.answer for one in done] == [{"number": 1}] * 6
    assert sum(one.first for one in done) == 1
    assert {one.or_read(dict)["number"] for one in done} == {1}
    assert len(store.rows(0)) == 1
    assert store.once("him", "k1", b"same", work, dict).answer == {"number": 2}
    with pytest.raises(Problem, match="IDEMPOTENCY_CONFLICT"):
        store.once("her", "k1", b"other", work, dict)
    assert store.once("her", "", b"same", work, dict).answer == {"number": 3}
    assert store.once("her", "", b"same", work, dict).first


def test_a_refused_request_may_be_made_again_under_its_key(store: Store) -> None:
    answers = iter([False, True])

    def work(unit: UnitOfWork) -> dict[str, Any]:
        if not next(answers):
            raise RuntimeError("not now")
        return {"ok": True}

    with pytest.raises(RuntimeError):
        store.once("her", "k1", b"same", work, dict)
    assert store.once("her", "k1", b"same", work, dict).answer == {"ok": True}
