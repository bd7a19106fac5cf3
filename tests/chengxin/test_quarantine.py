"""What cannot be applied is set aside, in order for what it concerns; everybody else's goes on; nothing is lost."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from chengxin.errors import INPUT_INVALID, STORE_UNAVAILABLE, FieldError
from chengxin.feeds import follower
from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import RecordParts
from chengxin.feeds.quarantine import NotYet, Quarantine, QuarantineRetrier, is_transient, reason_of, to_dict
from chengxin.store.database import Store, UnitOfWork
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from tests.chengxin.conftest import NOW
from tests.support import until


class Consumer:
    """Follows a feed of records and keeps each by its id; cannot apply what it is told not to."""

    def __init__(self, store: Store, patience: float = 0.0) -> None:
        self.store, self.clock, self.name = store, FixedClock(NOW), new_id("feed")
        self.quarantine = Quarantine(store, self.clock)
        self.follower = Follower(
            self.name, store, lambda after: iter(()), self.apply, RecordParts(), self.quarantine, patience
        )
        self.fails: dict[tuple[str, int], Exception] = {}
        self.position = 0
        self.attempts = 0

    def apply(self, unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        self.attempts += 1
        for record in change.records:
            if error := self.fails.get((record.record_id, record.version)):
                raise error
            done = {"feed": self.name, "record": record.record_id, "version": record.version}
            self.store.db["applied"].insert_one(done, session=unit.session)

    def told(self, *records: tuple[str, int, str], last: bool = True) -> None:
        """A change arrives: record, version and subject of each record."""
        self.position += 1
        versions = [
            ingest_pb2.RecordVersion(
                record_id=record, version=version, subject=ingest_pb2.SubjectIdentity(subject_ref=subject)
            )
            for record, version, subject in records
        ]
        self.follower._process(ingest_pb2.Change(position=self.position, records=versions, last=last))

    def applied(self) -> list[tuple[str, int]]:
        found = self.store.db["applied"].find({"feed": self.name}).sort([("_id", 1)])
        return [(row["record"], row["version"]) for row in found]

    def aside(self) -> list[tuple[str, str]]:
        rows = [to_dict(row) for row in self.quarantine.rows(feed=self.follower.name)]
        return [(row["name"], row["state"]) for row in rows]

    def later(self, **much: float) -> None:
        """Time passes, and what is due is tried again."""
        self.clock.instant += timedelta(**much)
        self.quarantine.round()


@pytest.fixture
def consumer(store: Store) -> Consumer:
    return Consumer(store)


def test_of_many_records_only_the_one_that_fails_is_set_aside(consumer: Consumer) -> None:
    consumer.fails["r7", 1] = ValueError("李娜 lives at 441702")
    consumer.told(*((f"r{n}", 1, f"s{n}") for n in range(20)))
    assert {record for record, _ in consumer.applied()} == {f"r{n}" for n in range(20) if n != 7}
    assert consumer.aside() == [("r7", "failed")]
    assert consumer.store.position(consumer.follower.name) == 1
    # It was found by halving, not by trying each.
    assert consumer.attempts < 20
    [row] = consumer.quarantine.rows(feed=consumer.follower.name)
    told = to_dict(row)
    assert told["error"] == "ValueError"
    assert told["reason"].startswith("tests/chengxin/test_quarantine.py:")
    assert "李娜" not in str(row)
    assert "441702" not in str(row)


def test_what_comes_later_for_the_same_subject_waits_and_is_then_applied_in_order(consumer: Consumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    consumer.told(("r2", 1, "hers"), ("r3", 1, "his"), ("r4", 1, "hers"))
    consumer.told(("r3", 2, "his"))
    assert consumer.applied() == [("r3", 1), ("r3", 2)]
    assert consumer.aside() == [("r1", "failed"), ("r2", "behind"), ("r4", "behind")]
    consumer.later(hours=1)
    assert consumer.aside() == [("r1", "failed"), ("r2", "behind"), ("r4", "behind")]
    consumer.fails.clear()
    consumer.later(hours=1)
    assert consumer.aside() == []
    assert consumer.applied()[2:] == [("r1", 1), ("r2", 1), ("r4", 1)]


def test_what_waits_behind_something_that_another_process_resolved_meanwhile_is_tried(consumer: Consumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    consumer.told(("r2", 1, "hers"))
    [first, _] = consumer.quarantine.rows(feed=consumer.follower.name)
    # The other one did not see what came behind it.
    consumer.store.db["quarantine"].delete_one({"_id": first["_id"]})
    consumer.later(seconds=1)
    assert consumer.aside() == []
    assert consumer.applied() == [("r2", 1)]


def test_a_corrected_version_takes_the_place_of_the_one_that_failed(consumer: Consumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    consumer.told(("r2", 1, "hers"))
    consumer.told(("r1", 2, "hers"))
    consumer.later(seconds=0)
    assert consumer.applied() == [("r1", 2), ("r2", 1)]
    assert consumer.aside() == []


def test_pauses_grow_and_a_start_of_the_process_tries_at_once(consumer: Consumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    for _ in range(20):
        consumer.later(hours=2)
    attempts = consumer.attempts
    consumer.later(minutes=50)
    assert consumer.attempts == attempts
    consumer.later(minutes=15)
    assert consumer.attempts == attempts + 1
    consumer.fails.clear()
    retrying = QuarantineRetrier(consumer.quarantine)
    retrying.start()
    until(lambda: consumer.aside() == [], "it is applied by the next process")
    retrying.stop()
    until(lambda: not retrying._thread.is_alive(), "it ends")


def test_an_officers_attempt_begins_with_what_comes_before(consumer: Consumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"), ("r2", 1, "hers"))
    second = consumer.quarantine.rows(feed=consumer.follower.name)[1]["_id"]
    assert not consumer.quarantine.retry(second)
    assert consumer.applied() == []
    consumer.fails.clear()
    assert consumer.quarantine.retry(second)
    assert consumer.applied() == [("r1", 1), ("r2", 1)]


@pytest.mark.parametrize(
    "passing", [AutoReconnect("away"), STORE_UNAVAILABLE(retry_after=1), OSError("gone"), grpc.RpcError()]
)
def test_what_passes_by_itself_is_not_set_aside(consumer: Consumer, passing: Exception) -> None:
    consumer.fails["r1", 1] = passing
    with pytest.raises(type(passing)):
        consumer.told(("r1", 1, "hers"))
    assert consumer.aside() == []
    assert consumer.store.position(consumer.follower.name) == 0


def test_what_needs_something_that_never_comes_stops_nothing_for_longer_than_its_patience(store: Store) -> None:
    consumer = Consumer(store, patience=0.2)
    consumer.fails["r1", 1] = consumer.fails["r2", 1] = NotYet("XZXK:3")
    with pytest.raises(NotYet):
        consumer.told(("r1", 1, "hers"), ("r3", 1, "his"))
    until(lambda: _is_taken(consumer), "the feed goes on")
    # What needs the same is not waited for again.
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


def _is_taken(consumer: Consumer) -> bool:
    try:
        consumer.told(("r1", 1, "hers"), ("r3", 1, "his"))
    except NotYet:
        return False
    return True


def test_a_transaction_that_the_store_fails_without_end_is_set_aside(consumer: Consumer) -> None:
    error = OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})
    consumer.fails["r1", 1] = error
    assert is_transient(error)
    consumer.told(("r1", 1, "hers"), ("r2", 1, "his"))
    assert consumer.applied() == [("r2", 1)]
    assert consumer.aside() == [("r1", "failed")]


@pytest.fixture
def slow_one(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """A consumer that never ends with the record `slow` in the time of a transaction."""
    monkeypatch.setattr(follower, "BULK_SECONDS", 0.3)
    takes = consumer.follower._apply

    def slowly(unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        while any(record.record_id == "slow" for record in change.records):
            consumer.store.db["applied"].find_one({}, session=unit.session)
        takes(unit, change)

    monkeypatch.setattr(consumer.follower, "_apply", slowly)
    return consumer


def test_what_takes_too_long_each_time_is_set_aside_and_stops_no_other(slow_one: Consumer) -> None:
    records = (("r1", 1, "s1"), ("slow", 1, "s2"), ("r2", 1, "s3"))
    # Twice the stream is interrupted and begins again at the same place.
    for _ in range(2):
        with pytest.raises(PyMongoError):
            slow_one.told(*records)
        assert (slow_one.aside(), slow_one.applied()) == ([], [])
    slow_one.told(*records)
    assert slow_one.aside() == [("slow", "failed")]
    assert {record for record, _ in slow_one.applied()} == {"r1", "r2"}


def test_what_takes_too_long_is_set_aside_also_when_something_comes_before_it_each_time(slow_one: Consumer) -> None:
    for again in range(2):
        slow_one.told((f"before {again}", 1, "s1"), last=False)
        with pytest.raises(PyMongoError):
            slow_one.told(("slow", 1, "s2"))
    slow_one.told(("before 2", 1, "s1"), last=False)
    slow_one.told(("slow", 1, "s2"))
    assert slow_one.aside() == [("slow", "failed")]


def test_a_job_does_everything_but_the_item_that_fails(consumer: Consumer) -> None:
    done: list[str] = []

    def act(names: Any) -> None:
        if "bad" in names:
            raise KeyError("bad")
        done.extend(names)

    job = new_id("job")
    consumer.quarantine.handle_job(job, act)
    consumer.quarantine.settle(job, ["a", "b", "bad", "c", "d"], act)
    assert sorted(done) == ["a", "b", "c", "d"]
    assert consumer.quarantine.names(job) == {"bad"}


def test_a_reason_tells_which_rule_was_broken_and_no_value() -> None:
    problem = INPUT_INVALID(fields=[FieldError("entries[0]", "actor", "李娜")])
    assert reason_of(problem) == {"error": "Problem", "text": "INPUT_INVALID entries[0]:actor"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=6), min_size=1, max_size=6
    ),
    bad=st.sets(st.integers(0, 5), max_size=2),
)
def test_whatever_fails_the_rest_is_applied_at_once_and_all_in_order_in_the_end(
    store: Store, changes: list[list[tuple[int, int]]], bad: set[int]
) -> None:
    """Records 0 to 5 of three subjects arrive in any order; some records cannot be applied until they can."""
    consumer = Consumer(store)
    versions: dict[str, int] = {}
    subjects_of: dict[str, set[str]] = {}
    arrived: list[tuple[str, int, str]] = []
    for change in changes:
        told = []
        for number, subject in change:
            record = f"r{number}"
            versions[record] = versions.get(record, 0) + 1
            subjects_of.setdefault(record, set()).add(f"s{subject}")
            if number in bad:
                consumer.fails[record, versions[record]] = ValueError()
            told.append((record, versions[record], f"s{subject}"))
        arrived += told
        consumer.told(*told)
    assert consumer.store.position(consumer.follower.name) == len(changes)
    # Whatever shares no record and no subject, over any number of steps, with one that failed is applied already.
    touched = {f"r{number}" for number in bad}
    while more := {
        r for r in subjects_of if r not in touched and any(subjects_of[r] & subjects_of.get(t, set()) for t in touched)
    }:
        touched |= more
    free = [(record, version) for record, version, _ in arrived if record not in touched]
    assert [one for one in consumer.applied() if one[0] not in touched] == free
    consumer.fails.clear()
    consumer.later(hours=1)
    assert consumer.aside() == []
    applied = consumer.applied()
    # The newest version of each record came through, each once, none before an older one.
    assert len(set(applied)) == len(applied)
    assert {r: max(v for x, v in applied if x == r) for r in versions} == versions
    for record in versions:
        mine = [version for found, version in applied if found == record]
        assert mine == sorted(mine)
