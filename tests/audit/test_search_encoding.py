"""How events are indexed for searching: postings, and the terms of an event."""

from hypothesis import given
from hypothesis import strategies as st

from services.audit.domain.event import EventSearch, LoggedEntry, index_row
from services.audit.domain.search_encoding import BUCKETS, bucket, find, pack, term, terms_for, terms_of
from tests.audit.conftest import an_event


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5000)), max_size=200))
def test_postings_come_back(pairs: list[tuple[str, int]]) -> None:
    postings = {term("k", name): sorted({1000 + n for other, n in pairs if other == name}) for name, _ in pairs}
    packed = pack(postings, 1000)
    assert set(packed) <= set(range(BUCKETS))
    for of, indexes in postings.items():
        assert find(packed[bucket(of)], of, 1000) == indexes
    for other in (term("k", "z"), term("j", "a")):
        assert find(packed.get(bucket(other), b""), other, 1000) == []


def test_an_event_is_found_under_what_it_holds() -> None:
    row = index_row(LoggedEntry(0, an_event(subject_refs=["s_1", "s_2"], request_id="req_1")))
    assert row is not None
    for search in (
        EventSearch(subject_ref="s_2"),
        EventSearch(queried="s_1"),
        EventSearch(request_id="req_1", act="record.queried.own"),
    ):
        assert set(terms_for(search)) <= terms_of(row)
    assert not set(terms_for(EventSearch(subject_ref="s_3"))) & terms_of(row)
    other = index_row(LoggedEntry(0, an_event("record.received", subject_refs=["s_1"])))
    assert other is not None
    assert not set(terms_for(EventSearch(queried="s_1"))) & terms_of(other)
    assert index_row(LoggedEntry(0, b"not json")) is None


def test_an_altered_entry_that_is_nested_without_end_is_no_event_and_stops_no_index() -> None:
    assert index_row(LoggedEntry(1, b"[" * 30_000)) is None
