"""How ingest's feed is divided into shares, and where following resumes when the division changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.disclosure.projections.feeds import FeedPart, parts
from services.disclosure.store.generations import reached
from tests.disclosure.running_disclosure import RunningDisclosure


@given(st.text(max_size=40), st.integers(1, 64))
def test_each_subject_is_in_one_part(subject_ref: str, shares: int) -> None:
    assert sum(part.has(subject_ref) for part in parts(shares) if part.source == "ingest") == 1


def test_no_share_is_much_larger_than_another() -> None:
    refs = [f"s_{n:016x}" for n in range(8_000)]
    for part in parts(8):
        if part.source == "ingest":
            assert sum(part.has(ref) for ref in refs) == pytest.approx(1_000, rel=0.2)


def test_the_other_sources_are_not_cut() -> None:
    assert [part.name for part in parts(2)] == [
        "feed.catalog",
        "feed.ingest 1of2",
        "feed.ingest 2of2",
        "feed.objection",
    ]
    assert [part.place(3) for part in parts(1)] == ["feed.catalog.3", "feed.ingest.3", "feed.objection.3"]


def at(city: RunningDisclosure, part: FeedPart, position: int, generation: int = 2) -> None:
    city.ctx.store.store.set_position(part.place(generation), position)


def test_what_is_taken_in_is_what_all_parts_of_one_cut_have(city: RunningDisclosure) -> None:
    db = city.ctx.store.store.db
    db["positions"].delete_many({})
    assert reached(db, "ingest", 2) == 0
    at(city, FeedPart("ingest"), 10)
    assert reached(db, "ingest", 2) == 10
    at(city, FeedPart("ingest", 1, 3), 30)
    at(city, FeedPart("ingest", 2, 3), 20)
    # The third share has not begun.
    assert reached(db, "ingest", 2) == 10
    at(city, FeedPart("ingest", 3, 3), 25)
    assert reached(db, "ingest", 2) == 20
    # Now divided in two, and not yet as far.
    at(city, FeedPart("ingest", 1, 2), 40)
    at(city, FeedPart("ingest", 2, 2), 15)
    assert reached(db, "ingest", 2) == 20
    # Positions of another generation, or of another source.
    at(city, FeedPart("ingest"), 99, 22)
    at(city, FeedPart("catalog"), 77)
    assert (reached(db, "ingest", 2), reached(db, "catalog", 2)) == (20, 77)
