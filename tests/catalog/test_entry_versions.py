"""When a version is in force (Art. 7)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.errors import Problem
from services.catalog.domain.code_list import CodeListContent, following
from services.catalog.domain.draft import Draft, read_draft
from services.catalog.domain.entry import CodeValue, Entry, LocalText
from services.catalog.domain.entry_versions import InForcePeriod, publish, read_entry
from services.catalog.domain.rule_set import RuleSet
from tests.catalog.licensing_entry import CONTENT, NOW, TODAY

starts = st.integers(0, 400).map(lambda n: TODAY + timedelta(n))


@given(st.lists(st.tuples(starts, st.one_of(st.none(), st.integers(0, 200))), min_size=1, max_size=8))
def test_never_are_two_versions_in_force_on_one_day(asked: list[tuple[date, int | None]]) -> None:
    entries: list[Entry] = []
    for first, length in asked:
        before = entries[-1] if entries else None
        last = None if length is None else first + timedelta(length)
        if before is not None and first <= before.effective_from:
            with pytest.raises(Problem, match="PUBLICATION_OVERLAPS"):
                publish(CONTENT, InForcePeriod(first, last), before, NOW, TODAY)
            continue
        publication = publish(CONTENT, InForcePeriod(first, last), before, NOW, TODAY)
        if publication.closed:
            entries[-1] = publication.closed
        entries.append(publication.entry)
    assert [e.version for e in entries] == list(range(1, len(entries) + 1))
    for n in range(620):
        day = TODAY + timedelta(n)
        assert sum(e.in_force(day) for e in entries) <= 1
    assert all(e.effective_to is None or e.effective_to >= e.effective_from for e in entries)


def test_a_new_version_closes_the_one_before_the_day_before() -> None:
    first = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    second = publish(CONTENT, InForcePeriod(date(2027, 1, 1)), first, NOW, TODAY)
    assert second.closed is not None
    assert second.closed.effective_to == date(2026, 12, 31)
    assert second.closed.content == first.content


def test_a_version_with_an_end_of_its_own_is_left_as_it_is() -> None:
    first = publish(CONTENT, InForcePeriod(TODAY, date(2026, 12, 1)), None, NOW, TODAY).entry
    assert publish(CONTENT, InForcePeriod(date(2027, 1, 1)), first, NOW, TODAY).closed is None


def test_nothing_is_published_for_a_day_that_is_past() -> None:
    with pytest.raises(Problem) as refused:
        publish(CONTENT, InForcePeriod(TODAY - timedelta(1)), None, NOW, TODAY)
    assert refused.value.code == "PUBLICATION_BACKDATED"


def test_a_version_survives_its_json() -> None:
    entry = publish(CONTENT, InForcePeriod(TODAY, date(2030, 1, 1)), None, NOW, TODAY).entry
    assert read_entry(entry.to_dict()) == entry


def test_nothing_begins_on_a_day_that_is_a_slip() -> None:
    """Nothing could be published before such a day, and the entry could not even be retired."""
    codes = CodeListContent("colour", LocalText("颜色"), (CodeValue("1", LocalText("红")),))

    def begins(day: date) -> list[str]:
        told = []
        for begin in (
            lambda: publish(CONTENT, InForcePeriod(day), None, NOW, TODAY),
            lambda: following(codes, day, None, NOW, TODAY),
            lambda: RuleSet("archive", day, {"years": 5}).following(None, TODAY),
        ):
            try:
                begin()
            except Problem as problem:
                told.append(problem.code)
        return told

    assert begins(TODAY) == begins(date(2028, 11, 24)) == []
    assert begins(date(2028, 11, 25)) == ["EFFECTIVE_IMPLAUSIBLE"] * 3
    assert begins(date(9999, 12, 31)) == ["EFFECTIVE_IMPLAUSIBLE"] * 3
    past = ["PUBLICATION_BACKDATED"]
    assert begins(date(1949, 10, 1)) == past
    assert begins(date(1949, 9, 30)) == past + ["EFFECTIVE_IMPLAUSIBLE"] * 2
    newest = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    with pytest.raises(Problem, match="EFFECTIVE_IMPLAUSIBLE"):
        publish(CONTENT, InForcePeriod(date(2206, 12, 1)), newest, NOW, TODAY)


def test_what_was_kept_before_there_were_reviews_is_read_as_it_was() -> None:
    entry = publish(CONTENT, InForcePeriod(TODAY), None, NOW, TODAY).entry
    old = {
        k: v for k, v in entry.to_dict().items() if k not in ("publication_document", "retirement_basis", "description")
    }
    assert read_entry(old) == entry
    draft = Draft("draft_1", CONTENT, NOW, NOW, authors=("officer:a",))
    assert read_draft(draft.to_dict()) == draft
    kept = {k: v for k, v in draft.to_dict().items() if k not in ("authors", "reviews")}
    assert read_draft(kept).authors == ()
