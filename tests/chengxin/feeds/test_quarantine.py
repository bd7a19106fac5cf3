"""What cannot be applied is set aside, in order for what it concerns; everything else goes on; nothing is lost."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.failures import reason_of
from chengxin.feeds.quarantine import QuarantineRetrier
from chengxin.feeds.quarantine_rows import to_dict
from chengxin.store.database import Store
from chengxin.values.ids import new_id
from tests.chengxin.feeds.record_consumer import RecordConsumer
from tests.support import until


def test_of_many_records_only_the_one_that_fails_is_set_aside(consumer: RecordConsumer) -> None:
    consumer.fails["r7", 1] = ValueError("李娜 lives at 441702")
    consumer.told(*((f"r{n}", 1, f"s{n}") for n in range(20)))
    assert {record for record, _ in consumer.applied()} == {f"r{n}" for n in range(20) if n != 7}
    assert consumer.aside() == [("r7", "failed")]
    assert consumer.store.position(consumer.follower.name) == 1
    # It was found by halving the change, not by trying each record.
    assert consumer.attempts < 20
    [row] = consumer.quarantine.rows(feed=consumer.follower.name)
    told = to_dict(row)
    assert told["error"] == "ValueError"
    assert told["reason"].startswith("tests/chengxin/feeds/record_consumer.py:")
    assert "李娜" not in str(row)
    assert "441702" not in str(row)


def test_what_comes_later_for_the_same_subject_waits_and_is_then_applied_in_order(consumer: RecordConsumer) -> None:
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


def test_what_waits_behind_something_that_another_process_resolved_meanwhile_is_tried(consumer: RecordConsumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    consumer.told(("r2", 1, "hers"))
    [first, _] = consumer.quarantine.rows(feed=consumer.follower.name)
    # The other process did not see the change that came behind it.
    consumer.store.db["quarantine"].delete_one({"_id": first["_id"]})
    consumer.later(seconds=1)
    assert consumer.aside() == []
    assert consumer.applied() == [("r2", 1)]


def test_a_corrected_version_takes_the_place_of_the_one_that_failed(consumer: RecordConsumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"))
    consumer.told(("r2", 1, "hers"))
    consumer.told(("r1", 2, "hers"))
    consumer.later(seconds=0)
    assert consumer.applied() == [("r1", 2), ("r2", 1)]
    assert consumer.aside() == []


def test_pauses_grow_and_a_start_of_the_process_tries_at_once(consumer: RecordConsumer) -> None:
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
    assert retrying.ended(20)


def test_an_officers_attempt_begins_with_what_comes_before(consumer: RecordConsumer) -> None:
    consumer.fails["r1", 1] = ValueError()
    consumer.told(("r1", 1, "hers"), ("r2", 1, "hers"))
    second = consumer.quarantine.rows(feed=consumer.follower.name)[1]["_id"]
    assert not consumer.quarantine.retry(second)
    assert consumer.applied() == []
    consumer.fails.clear()
    assert consumer.quarantine.retry(second)
    assert consumer.applied() == [("r1", 1), ("r2", 1)]


def test_a_job_does_everything_but_the_item_that_fails(consumer: RecordConsumer) -> None:
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


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    consumer = RecordConsumer(store)
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
    # A change that shares no record and no subject with a failed one, over any number of steps, is applied already.
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
    # The newest version of each record was applied once, and none before an older one.
    assert len(set(applied)) == len(applied)
    assert {r: max(v for x, v in applied if x == r) for r in versions} == versions
    for record in versions:
        mine = [version for found, version in applied if found == record]
        assert mine == sorted(mine)
