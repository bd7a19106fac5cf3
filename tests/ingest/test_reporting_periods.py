"""Periods, what is owed, what covers it: examples of real weeks, and properties."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chengxin.values.catalog_contract import TranslatedText
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.ingest.domain.catalog_entry import DeliveryEntry, EntryProvider, begun_versions
from services.ingest.domain.reporting_duties import Thresholds, all_owed
from services.ingest.domain.reporting_periods import (
    DueDates,
    PeriodStanding,
    PeriodState,
    ReportingPeriod,
    Span,
    before,
    find_period,
    following,
    join_spans,
    period_of,
    standings,
)

CYCLES = ("realtime", "daily", "weekly", "monthly", "quarterly", "yearly")
DAY = timedelta(days=1)
TODAY = date(2026, 11, 24)
# By the notices: Spring Festival 2026-02-15 to 23, National Day 2026-10-01 to 07, worked weekends beside them.
OFF = [*(f"2026-02-{d}" for d in (16, 17, 18, 19, 20, 23)), *(f"2026-10-0{d}" for d in (1, 2, 5, 6, 7))]
WORKED = ["2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10"]
CALENDAR = WorkCalendar(
    [CalendarYear.of(2026, True, OFF, WORKED), *(CalendarYear.of(y, y == 2025, [], []) for y in (2025, 2027, 2028))]
)

cycles = st.sampled_from(CYCLES)
days = st.dates(date(1990, 1, 1), date(2060, 12, 31))
days_2026 = st.dates(date(2026, 1, 1), date(2026, 12, 31))


def told(
    cycle: str, delivered: list[str], today: str, since: str = "2026-01-01", **options: object
) -> list[PeriodStanding]:
    """The state of every period since a day, with a grace of two working days."""
    span = Span(cycle, date.fromisoformat(since))
    periods = [(p, 2) for p in span.periods(date.min, date.fromisoformat(today))]
    declared = {k: date.fromisoformat(str(v)) for k, v in dict(options).items()}
    came = map(date.fromisoformat, delivered)
    return standings(periods, DueDates(CALENDAR), came, declared, date.fromisoformat(today))


def states(found: list[PeriodStanding]) -> dict[str, PeriodState]:
    return {s.period.name: s.state for s in found}


@given(cycles, days)
def test_every_day_is_in_one_period_and_periods_follow_each_other(cycle: str, day: date) -> None:
    period = period_of(cycle, day)
    assert period.first <= day <= period.last
    assert period_of(cycle, period.first) == period == period_of(cycle, period.last)
    assert following(cycle, period).first == period.last + DAY
    assert before(cycle, following(cycle, period)) == period


@given(cycles, days)
def test_a_period_is_found_by_its_name(cycle: str, day: date) -> None:
    period = period_of(cycle, day)
    found = find_period(cycle, period.name)
    assert found == period
    assert found.name == period.name


@given(cycles, st.text(max_size=12))
def test_no_other_text_names_a_period(cycle: str, text: str) -> None:
    found = find_period(cycle, text)
    assert found is None or found.name == text


@pytest.mark.parametrize(
    ("cycle", "name"),
    [
        ("daily", "2026-02-30"),
        ("weekly", "2026-W54"),
        ("weekly", "2025-W53"),
        ("monthly", "2026-13"),
        ("yearly", "0000"),
    ],
)
def test_what_is_not_in_the_calendar_names_nothing(cycle: str, name: str) -> None:
    assert find_period(cycle, name) is None


@given(cycles, days, st.integers(0, 800))
def test_a_span_owes_each_whole_period_once(cycle: str, first: date, length: int) -> None:
    span = Span(cycle, first, first + DAY * length)
    periods = list(span.periods(date.min, date.max))
    assert all(span.first <= p.first and p.last <= first + DAY * length for p in periods)
    assert all(later.first == earlier.last + DAY for earlier, later in itertools.pairwise(periods))
    if periods:
        # Nothing whole is left before the first or after the last.
        assert before(cycle, periods[0]).first < first
        assert following(cycle, periods[-1]).last > first + DAY * length


@given(cycles, days_2026, st.integers(1, 200), st.data())
def test_who_delivers_in_every_period_is_never_overdue(
    cycle: str, first: date, length: int, data: st.DataObject
) -> None:
    assume(first + DAY * length < date(2027, 6, 1))
    today = first + DAY * length
    periods = [(p, 2) for p in Span(cycle, first).periods(date.min, today)]
    came = [data.draw(st.dates(p.first, p.last), label=p.name) for p, _ in periods]
    extra = data.draw(st.lists(st.dates(first, today), max_size=10))
    found = standings(periods, DueDates(CALENDAR), [*came, *extra], {}, today)
    assert not [s for s in found if s.state is PeriodState.OVERDUE]


@given(cycles, days_2026, st.integers(1, 200), st.data())
def test_who_always_delivers_in_grace_is_never_overdue(
    cycle: str, first: date, length: int, data: st.DataObject
) -> None:
    assume(first + DAY * length < date(2027, 6, 1))
    today = first + DAY * length
    timetable = DueDates(CALENDAR)
    periods = [(p, 2) for p in Span(cycle, first).periods(date.min, today)]
    came = []
    for period, grace in periods:
        expectation = timetable.expectation(period, grace)
        assert expectation is not None
        if expectation[0]:
            # After its end, not after its due date; a day that two periods could claim is delivered on twice.
            came.append(data.draw(st.dates(period.last + DAY, expectation[1].date), label=period.name))
    assume(len(set(came)) == len(came))
    found = standings(periods, timetable, came, {}, today)
    assert not [s for s in found if s.state is PeriodState.OVERDUE]


@given(cycles, days_2026, st.integers(0, 300), st.lists(days_2026, max_size=20))
def test_a_delivery_covers_at_most_one_period_and_none_of_the_future(
    cycle: str, first: date, length: int, came: list[date]
) -> None:
    today = min(first + DAY * length, date(2027, 6, 1))
    periods = [(p, 2) for p in Span(cycle, first).periods(date.min, today)]
    found = standings(periods, DueDates(CALENDAR), came, {}, today)
    assert [s.period for s in found] == [p for p, _ in periods]
    covering = [s.covered_on for s in found if s.covered_on]
    assert len(set(covering)) == len(covering)
    assert set(covering) <= {day for day in came if day <= today}
    assert all(s.period.first <= s.covered_on for s in found if s.covered_on)
    for s in found:
        if s.state is PeriodState.DELIVERED:
            assert s.due is not None
            assert s.covered_on is not None
            assert s.covered_on <= s.due


@given(cycles, days_2026, st.integers(0, 300), st.lists(days_2026, max_size=20), days_2026)
def test_one_more_delivery_makes_nothing_else_overdue(
    cycle: str, first: date, length: int, came: list[date], more: date
) -> None:
    today = min(first + DAY * length, date(2027, 6, 1))
    periods = [(p, 2) for p in Span(cycle, first).periods(date.min, today)]

    def overdue(days: list[date]) -> int:
        return sum(s.state is PeriodState.OVERDUE for s in standings(periods, DueDates(CALENDAR), days, {}, today))

    assert overdue([*came, more]) <= overdue(came)


def test_no_week_without_a_working_day_is_owed() -> None:
    # 2026-02-16 to 22 is Spring Festival; the Monday after it, too, is off.
    found = {s.period.name: s for s in told("weekly", ["2026-02-10", "2026-02-25"], "2026-03-05", "2026-02-09")}
    assert found["2026-W07"].state is PeriodState.DELIVERED
    assert found["2026-W08"].state is PeriodState.NOT_EXPECTED
    assert found["2026-W09"].state is PeriodState.DELIVERED


def test_days_off_move_what_is_due_past_them() -> None:
    # 2026-02-13 is a Friday, the 14th a worked Saturday; then there is nothing to work until Tuesday, the 24th.
    found = {s.period.name: s for s in told("daily", [], "2026-02-27", "2026-02-13")}
    assert found["2026-02-13"].due == date(2026, 2, 24)
    assert found["2026-02-14"].due == date(2026, 2, 25)
    assert {found[f"2026-02-{d}"].state for d in range(15, 24)} == {PeriodState.NOT_EXPECTED}
    assert found["2026-02-24"].state is PeriodState.OVERDUE
    assert found["2026-02-26"].state is PeriodState.AWAITED


def test_national_day_moves_what_the_third_quarter_is_due() -> None:
    [first, _] = told("quarterly", [], "2026-10-09", "2026-07-01")
    # Two working days after 2026-09-30 are Thursday, the 8th, and Friday, the 9th of October.
    assert (first.due, first.state) == (date(2026, 10, 9), PeriodState.AWAITED)
    # The 10th is a Saturday, and worked.
    assert told("quarterly", [], "2026-10-10", "2026-07-01")[0].state is PeriodState.OVERDUE


def test_a_missed_month_stays_missed_until_more_comes() -> None:
    late = ["2026-01-20", "2026-03-20"]
    assert states(told("monthly", late, "2026-03-31"))["2026-02"] is PeriodState.OVERDUE
    assert states(told("monthly", [*late, "2026-03-25"], "2026-03-31"))["2026-02"] is PeriodState.DELIVERED_LATE


def test_a_declaration_covers_what_it_names_and_nothing_else() -> None:
    found = states(told("monthly", ["2026-01-20", "2026-03-20"], "2026-03-31", **{"2026-02": "2026-02-28"}))
    assert found == {
        "2026-01": PeriodState.DELIVERED,
        "2026-02": PeriodState.DECLARED,
        "2026-03": PeriodState.DELIVERED,
    }
    found = states(told("monthly", [], "2026-03-31", **{"2026-02": "2026-03-04"}))
    assert found == {
        "2026-01": PeriodState.OVERDUE,
        "2026-02": PeriodState.DECLARED_LATE,
        "2026-03": PeriodState.AWAITED,
    }


def test_without_a_calendar_nothing_is_late() -> None:
    timetable = DueDates(WorkCalendar([]))
    periods = [(p, 2) for p in Span("monthly", date(2026, 1, 1)).periods(date.min, date(2026, 12, 31))]
    found = standings(periods, timetable, [date(2026, 2, 10)], {}, date(2026, 12, 31))
    assert {s.state for s in found} == {PeriodState.UNDETERMINED, PeriodState.DELIVERED}
    assert states(found)["2026-02"] is PeriodState.DELIVERED


def test_a_due_date_that_a_notice_may_move_says_so() -> None:
    [found] = told("yearly", [], "2026-12-31", "2026-01-01")
    assert (found.due, found.provisional) == (date(2027, 1, 4), True)


def entry(version: int, begins: str, ends: str = "", cycle: str = "monthly", published: str = "") -> DeliveryEntry:
    providers = (EntryProvider("A", "甲"),)
    return DeliveryEntry(
        "E", version, providers=providers, effective_from=begins, effective_to=ends, update_cycle=cycle,
        published_at=published,
    )  # fmt: skip


def test_a_version_that_is_not_in_force_yet_says_neither_name_nor_cycle() -> None:
    """Nor who provides it: what is owed now is called as it is called now."""
    coming = replace(entry(2, "2027-01-01", cycle="weekly"), name=TranslatedText("新名"), providers=(
        EntryProvider("A", "甲局（新）"), EntryProvider("B", "乙局")))  # fmt: skip
    versions = [replace(entry(1, "2026-01-01"), name=TranslatedText("现名")), coming]
    owed = all_owed(versions, date(2026, 1, 1), TODAY)
    assert [(o.provider_name, o.entry_name.zh, o.cycle) for o in owed.values()] == [
        ("甲", "现名", "monthly"),
        ("乙局", "现名", "weekly"),
    ]
    then = all_owed(versions, date(2026, 1, 1), date(2027, 1, 1))
    assert {(o.entry_name.zh, o.cycle) for o in then.values()} == {("新名", "weekly")}
    assert begun_versions([coming], TODAY.isoformat()) == [coming]


def test_a_new_version_with_the_same_cycle_goes_on_with_the_same_periods() -> None:
    versions = [entry(1, "2026-01-01", "2026-02-14"), entry(2, "2026-02-15")]
    [owed] = all_owed(versions, date(2026, 1, 1), TODAY).values()
    assert owed.spans == [Span("monthly", date(2026, 1, 1))]


def test_a_new_cycle_begins_with_its_own_periods() -> None:
    versions = [entry(1, "2026-01-01"), entry(2, "2026-02-15", cycle="weekly")]
    [owed] = all_owed(versions, date(2026, 1, 1), TODAY).values()
    assert owed.spans == [Span("monthly", date(2026, 1, 1), date(2026, 2, 14)), Span("weekly", date(2026, 2, 15))]


def test_nothing_is_owed_before_it_was_published_or_counted_or_after_its_retirement() -> None:
    published = entry(1, "2020-01-01", published="2026-03-31T17:00:00Z")
    assert all_owed([published], date(2026, 1, 1), TODAY)["A", "E"].spans == [Span("monthly", date(2026, 4, 1))]
    assert all_owed([entry(1, "2020-01-01")], date(2026, 1, 5), TODAY)["A", "E"].spans == [
        Span("monthly", date(2026, 1, 5))
    ]
    retired = entry(1, "2020-01-01", "2025-12-31")
    assert all_owed([retired], date(2026, 1, 1), TODAY)["A", "E"].spans == []
    assert all_owed([entry(1, "2026-01-01", cycle="")], date(2026, 1, 1), TODAY)["A", "E"].cycle == ""


@given(st.lists(st.tuples(cycles, days_2026, st.integers(0, 60)), max_size=6))
def test_joined_spans_hold_the_same_days(parts: list[tuple[str, date, int]]) -> None:
    spans, at = [], date(2026, 1, 1)
    for cycle, _, length in parts:
        spans.append(Span(cycle, at, at + DAY * length))
        at += DAY * (length + 1)
    found = join_spans(spans)
    assert sum((s.last - s.first).days + 1 for s in found if s.last) == sum(length + 1 for *_, length in parts)
    assert all(a.cycle != b.cycle for a, b in itertools.pairwise(found))


def test_thresholds_are_those_in_force_on_the_day() -> None:
    rules = Thresholds(
        [("2026-07-01", {"monthly_due_working_days": 3}), ("2026-01-01", {"monthly_due_working_days": 9})]
    )
    assert rules.on(date(2025, 12, 31))["monthly_due_working_days"] == 5
    assert rules.on(date(2026, 6, 30))["monthly_due_working_days"] == 9
    assert rules.on(date(2026, 7, 1))["monthly_due_working_days"] == 3
    assert rules.on(date(2026, 7, 1))["weekly_due_working_days"] == 2


def test_periods_sort_by_time() -> None:
    assert (
        sorted([period_of("daily", date(2026, 1, 2)), ReportingPeriod(date(2026, 1, 1), date(2026, 1, 31), "x")])[
            0
        ].name
        == "x"
    )
