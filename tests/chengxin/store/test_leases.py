"""Processes share work: each piece belongs to one, passes on when that one falls silent, and is never done by two."""

import pytest

from chengxin.store.database import Store, UnitOfWork
from chengxin.store.leases import Holder, LeaseLost
from tests.chengxin.conftest import Opened

# A process that stays silent for so many beats of another counts as gone.
SILENCE = 6


@pytest.fixture
def stores_of_two(opened: Opened, uri: str) -> tuple[Store, Store]:
    """The same store, opened by two processes."""
    return opened(uri), opened(uri)


@pytest.fixture
def two(stores_of_two: tuple[Store, Store]) -> tuple[Holder, Holder]:
    found = Holder(stores_of_two[0]), Holder(stores_of_two[1])
    beat(*found, *found)
    return found


def beat(*holders: Holder) -> None:
    for holder in holders:
        holder.beat()


def write(store: Store, holder: Holder, name: str = "work") -> None:
    """Does one piece of the work."""

    def work(unit: UnitOfWork) -> None:
        holder.confirm(name, unit)
        store.db["things"].update_one({"_id": name}, {"$inc": {"n": 1}}, upsert=True, session=unit.session)

    store.transact(work)


def test_what_one_holds_the_other_does_not_get(two: tuple[Holder, Holder]) -> None:
    one, other = two
    assert one.take("work")
    beat(*two)
    assert (one.holds("work"), other.holds("work"), other.is_held("work")) == (True, False, True)
    assert not other.take("work")
    assert one.take("work")


def test_of_two_who_take_at_once_one_gets_it(two: tuple[Holder, Holder]) -> None:
    # Neither has seen the other's leases.
    assert [holder.take("work") for holder in two] == [True, False]


def test_what_is_given_back_is_free_at_once(two: tuple[Holder, Holder]) -> None:
    one, other = two
    one.take("work")
    one.release("work")
    assert not one.holds("work")
    beat(other)
    assert other.take("work")


def test_who_leaves_gives_all_back_and_is_not_counted(two: tuple[Holder, Holder]) -> None:
    one, other = two
    assert one.take("work")
    assert one.take("more")
    assert other.processes == 2
    one.leave()
    beat(other)
    assert other.processes == 1
    assert other.take("work")
    assert other.take("more")


def test_who_falls_silent_loses_it_and_does_no_harm_later(
    two: tuple[Holder, Holder], stores_of_two: tuple[Store, Store]
) -> None:
    one, other = two
    one.take("work")
    write(stores_of_two[0], one)
    beat(*[other] * (SILENCE - 3))
    assert not other.take("work")
    beat(*[other] * 3)
    assert other.processes == 1
    assert other.take("work")
    write(stores_of_two[1], other)
    # It does not know yet that it counted as gone.
    assert one.holds("work")
    with pytest.raises(LeaseLost):
        write(stores_of_two[0], one)
    assert stores_of_two[0].db["things"].find_one({"_id": "work"}) == {"_id": "work", "n": 2}
    beat(one, other)
    assert (one.holds("work"), one.processes, other.processes) == (False, 2, 2)


def test_what_the_silent_one_had_begun_holds_nobody_up_and_is_not_committed(
    two: tuple[Holder, Holder], stores_of_two: tuple[Store, Store]
) -> None:
    one, other = two
    one.take("work")
    runs: list[str] = []

    def work(unit: UnitOfWork) -> None:
        one.confirm("work", unit)
        stores_of_two[0].db["things"].insert_one({"_id": "of the silent one"}, session=unit.session)
        runs.append("silent")
        # It stays silent for a while.
        beat(*[other] * SILENCE)
        assert other.take("work")
        write(stores_of_two[1], other)

    with pytest.raises(LeaseLost):
        stores_of_two[0].transact(work)
    assert runs == ["silent"]
    assert [row["_id"] for row in stores_of_two[0].db["things"].find()] == ["work"]


def test_a_holder_that_beats_keeps_it_however_often_the_other_looks(two: tuple[Holder, Holder]) -> None:
    one, other = two
    one.take("work")
    for _ in range(3 * SILENCE):
        beat(one, other)
        assert not other.take("work")
    assert one.holds("work")
