"""What nobody needs any more leaves the outbox; what a feed tells stays, and positions stay what they are."""

import re
from datetime import timedelta

import pytest

from chengxin.errors import Problem
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.outbox_trimmer import OutboxTrimmer
from chengxin.values.clock import FixedClock
from tests.chengxin.conftest import NOW
from tests.chengxin.store.test_database import add
from tests.tools.loading import ROOT

LATER = NOW + timedelta(days=31)


def only_an_event(store: Store) -> None:
    def work(unit: UnitOfWork) -> None:
        unit.record(b"event")

    store.transact(work)


def trim(store: Store, delivered: int, clock: FixedClock | None = None) -> None:
    OutboxTrimmer(store, clock or FixedClock(LATER), lambda: delivered).trim()


def left(store: Store) -> list[tuple[int, int, int]]:
    """The rows that a consumer gets: position, changes, events."""
    return [(row.position, len(row.changes), len(row.events)) for row in store.rows(0)]


def test_delivered_events_are_cut_out_and_changes_stay(store: Store) -> None:
    only_an_event(store)
    only_an_event(store)
    add(store, "a")
    only_an_event(store)
    add(store, "b")
    add(store, "not delivered")
    trim(store, 5)
    # Those before the first change are gone; those after it keep their places.
    assert left(store) == [(3, 1, 0), (4, 0, 0), (5, 1, 0), (6, 1, 1)]
    assert store.db["outbox"].count_documents({}) == 4
    # Whoever stands at a row that is gone goes on with the next one.
    assert [row.position for row in store.rows(1)] == [3, 4, 5, 6]
    head = store.head(0, "all", lambda row: row.changes)
    assert (head.position, head.oldest_seconds) == (6, 0)
    add(store, "next")
    assert left(store)[-1] == (7, 1, 1)
    with pytest.raises(Problem, match="FEED_POSITION_UNKNOWN"):
        store.rows(8)


def test_a_store_without_a_feed_keeps_what_is_young_and_its_newest_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chengxin.store.outbox._TRIMMED_AT_ONCE", 2)
    for _ in range(7):
        only_an_event(store)
    trim(store, 7, FixedClock(NOW + timedelta(days=29)))
    assert len(left(store)) == 7
    trim(store, 5)
    assert left(store) == [(6, 0, 1), (7, 0, 1)]
    trim(store, 7)
    trim(store, 7)
    # Its position is that of consumers, who would be told that it is unknown.
    assert left(store) == [(7, 0, 1)]
    assert store.head(3, "none", lambda row: row.changes).position == 0
    only_an_event(store)
    trim(store, 8)
    assert left(store) == [(8, 0, 1)]


def test_what_fails_trims_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "a")
    add(store, "b")

    def fail(unit: UnitOfWork) -> None:
        assert store.outbox.trim(unit, 2, LATER)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(fail)
    assert left(store) == [(1, 1, 1), (2, 1, 1)]
    trim(store, 2)
    assert left(store) == [(1, 1, 0), (2, 1, 1)]


def test_whoever_relays_events_trims_the_outbox() -> None:
    roots = [*(ROOT / "services").glob("*/__main__.py"), ROOT / "gateway" / "__main__.py"]
    relays = {file.parent.name for file in roots if re.search(r"\brelay\b", file.read_text())}
    assert relays == {"catalog", "ingest", "disclosure", "objection", "gateway"}
    assert {file.parent.name for file in roots if re.search(r"\bupkeep", file.read_text())} == relays
