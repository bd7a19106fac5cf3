"""How long a follower waits before it sets a change aside: for what passes by itself, what never comes, and what takes too long."""

import grpc
import pytest
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from chengxin.errors import STORE_UNAVAILABLE
from chengxin.failures import NotYet, is_transient
from chengxin.feeds import follower
from chengxin.feeds.quarantine_rows import to_dict
from chengxin.store.database import Store, UnitOfWork
from chengxin_api.ingest.v1 import ingest_pb2
from tests.chengxin.feeds.record_consumer import RecordConsumer
from tests.support import until


@pytest.mark.parametrize(
    "passing", [AutoReconnect("away"), STORE_UNAVAILABLE(retry_after=1), OSError("gone"), grpc.RpcError()]
)
def test_what_passes_by_itself_is_not_set_aside(consumer: RecordConsumer, passing: Exception) -> None:
    consumer.fails["r1", 1] = passing
    with pytest.raises(type(passing)):
        consumer.told(("r1", 1, "hers"))
    assert consumer.aside() == []
    assert consumer.store.position(consumer.follower.name) == 0


def test_what_needs_something_that_never_comes_stops_nothing_for_longer_than_its_patience(store: Store) -> None:
    consumer = RecordConsumer(store, patience=0.2)
    consumer.fails["r1", 1] = consumer.fails["r2", 1] = NotYet("XZXK:3")
    with pytest.raises(NotYet):
        consumer.told(("r1", 1, "hers"), ("r3", 1, "his"))
    until(lambda: _is_taken(consumer), "the feed goes on")
    # A second record that needs the same is not waited for again.
    consumer.told(("r2", 1, "theirs"))
    assert consumer.applied() == [("r3", 1)]
    assert consumer.aside() == [("r1", "failed"), ("r2", "failed")]
    assert to_dict(consumer.quarantine.rows()[0])["reason"] == "waits for XZXK:3"
    consumer.fails.clear()
    consumer.later(seconds=0)
    assert consumer.applied() == [("r3", 1)]
    store.transact(lambda unit: consumer.quarantine.arrived("XZXK:3", unit))
    consumer.later(seconds=0)
    assert consumer.applied() == [("r3", 1), ("r1", 1), ("r2", 1)]


def test_each_time_that_something_is_missing_the_feed_waits_for_it_anew(store: Store) -> None:
    seconds = 0.0
    consumer = RecordConsumer(store, patience=30, now=lambda: seconds)
    for record in ("r1", "r2"):
        consumer.fails[record, 1] = NotYet("XZXK:3")
        for waited in (0, 20):
            seconds += waited
            with pytest.raises(NotYet):
                consumer.told((record, 1, "hers"))
        consumer.fails.clear()
        consumer.told((record, 1, "hers"))
    assert consumer.applied() == [("r1", 1), ("r2", 1)]
    assert consumer.aside() == []


def test_what_comes_through_before_it_does_not_lengthen_the_wait(store: Store) -> None:
    seconds = 0.0
    consumer = RecordConsumer(store, patience=30, now=lambda: seconds)
    consumer.fails["r2", 1] = NotYet("XZXK:3")
    # Each time the source repeats the position from its first message.
    for _ in range(2):
        consumer.told(("r1", 1, "hers"), last=False)
        with pytest.raises(NotYet):
            consumer.told(("r2", 1, "his"))
        seconds += 20
    consumer.told(("r2", 1, "his"))
    assert consumer.aside() == [("r2", "failed")]


def _is_taken(consumer: RecordConsumer) -> bool:
    try:
        consumer.told(("r1", 1, "hers"), ("r3", 1, "his"))
    except NotYet:
        return False
    return True


def test_a_transaction_that_the_store_fails_without_end_is_set_aside(consumer: RecordConsumer) -> None:
    error = OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})
    consumer.fails["r1", 1] = error
    assert is_transient(error)
    consumer.told(("r1", 1, "hers"), ("r2", 1, "his"))
    assert consumer.applied() == [("r2", 1)]
    assert consumer.aside() == [("r1", "failed")]


@pytest.fixture
def slow_one(consumer: RecordConsumer, monkeypatch: pytest.MonkeyPatch) -> RecordConsumer:
    """A consumer that cannot apply the record `slow` within the time of a transaction."""
    monkeypatch.setattr(follower, "BULK_SECONDS", 0.3)
    takes = consumer.follower._apply

    def slowly(unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        while any(record.record_id == "slow" for record in change.records):
            consumer.store.db["applied"].find_one({}, session=unit.session)
        takes(unit, change)

    monkeypatch.setattr(consumer.follower, "_apply", slowly)
    return consumer


def test_what_takes_too_long_each_time_is_set_aside_and_stops_no_other(slow_one: RecordConsumer) -> None:
    records = (("r1", 1, "s1"), ("slow", 1, "s2"), ("r2", 1, "s3"))
    # Twice the stream breaks off and begins again at the same place.
    for _ in range(2):
        with pytest.raises(PyMongoError):
            slow_one.told(*records)
        assert (slow_one.aside(), slow_one.applied()) == ([], [])
    slow_one.told(*records)
    assert slow_one.aside() == [("slow", "failed")]
    assert {record for record, _ in slow_one.applied()} == {"r1", "r2"}


def test_what_takes_too_long_is_set_aside_also_when_something_comes_before_it_each_time(
    slow_one: RecordConsumer,
) -> None:
    for again in range(2):
        slow_one.told((f"before {again}", 1, "s1"), last=False)
        with pytest.raises(PyMongoError):
            slow_one.told(("slow", 1, "s2"))
    slow_one.told(("before 2", 1, "s1"), last=False)
    slow_one.told(("slow", 1, "s2"))
    assert slow_one.aside() == [("slow", "failed")]
