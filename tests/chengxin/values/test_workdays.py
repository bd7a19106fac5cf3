"""Working days are those of the State Council's calendar (Art. 24 to 27)."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengxin.errors import Problem
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.catalog.domain.holiday_notice import announced_year, provisional_year

YEARS = [announced_year(year) or provisional_year(year) for year in range(2018, 2028)]
CALENDAR = WorkCalendar(YEARS)

days = st.dates(date(2018, 1, 1), date(2026, 12, 1))
counts = st.integers(0, 60)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2025-01-26", True),  # Sunday worked for the Spring Festival
        ("2025-01-28", False),
        ("2025-02-04", False),
        ("2025-02-05", True),
        ("2025-02-08", True),  # Saturday worked
        ("2025-09-28", True),  # Sunday worked for National Day
        ("2025-10-01", False),
        ("2025-10-08", False),
        ("2025-10-11", True),  # Saturday worked
        ("2025-10-12", False),
        ("2026-02-14", True),  # Saturday worked for the Spring Festival
        ("2026-02-16", False),
        ("2026-02-23", False),
        ("2026-02-28", True),  # Saturday worked
        ("2026-09-20", True),  # Sunday worked for National Day
        ("2026-10-07", False),
        ("2026-10-10", True),  # Saturday worked
        ("2018-12-29", True),  # Saturday worked by the notice for 2019
        ("2018-12-31", False),
    ],
)
def test_make_up_days_are_worked_and_holidays_are_not(day: str, worked: bool) -> None:
    assert CALENDAR.is_working_day(date.fromisoformat(day)) is worked


@pytest.mark.parametrize(
    ("received", "working_days", "due"),
    [
        ("2026-11-24", 3, "2026-11-27"),  # Tuesday to Friday
        ("2026-11-27", 3, "2026-12-02"),  # over a weekend
        ("2026-11-28", 1, "2026-11-30"),  # received on a Saturday
        ("2026-02-13", 3, "2026-02-25"),  # over the Spring Festival, its first Saturday worked
        ("2026-09-30", 3, "2026-10-10"),  # over National Day to a Saturday that is worked
        ("2025-01-24", 3, "2025-02-05"),
        ("2026-11-24", 0, "2026-11-24"),
    ],
)
def test_the_day_of_receipt_does_not_count(received: str, working_days: int, due: str) -> None:
    deadline = CALENDAR.add_working_days(date.fromisoformat(received), working_days)
    assert deadline == (date.fromisoformat(due), False)


def test_a_deadline_that_reaches_into_a_year_not_announced_is_provisional() -> None:
    deadline = CALENDAR.add_working_days(date(2026, 12, 18), 20)
    assert deadline.date.year == 2027
    assert deadline.provisional


def test_one_unsettled_day_on_the_way_makes_a_deadline_provisional() -> None:
    unsettled = CalendarYear(2025, False, frozenset(), frozenset())
    calendar = WorkCalendar([unsettled, *(y for y in YEARS if y.year != 2025)])
    deadline = calendar.add_working_days(date(2025, 12, 29), 10)
    assert not calendar.is_provisional(deadline.date)
    assert deadline.provisional


def test_the_last_days_of_december_wait_for_the_next_notice() -> None:
    assert not CALENDAR.add_working_days(date(2026, 12, 21), 3).provisional
    assert CALENDAR.add_working_days(date(2026, 12, 24), 3).provisional
    announced = WorkCalendar([*YEARS[:-1], CalendarYear(2027, True, frozenset(), frozenset())])
    assert not announced.add_working_days(date(2026, 12, 24), 3).provisional


@pytest.mark.parametrize(
    ("ask", "year"),
    [
        (lambda: CALENDAR.is_working_day(date(2017, 12, 29)), "2017"),
        (lambda: CALENDAR.add_working_days(date(2027, 12, 30), 5), "2028"),
        (lambda: CALENDAR.working_days_between(date(2027, 12, 1), date(2028, 1, 5)), "2028"),
    ],
)
def test_a_year_without_a_calendar_is_never_guessed(ask: Callable[[], object], year: str) -> None:
    with pytest.raises(Problem) as refused:
        ask()
    assert (refused.value.code, refused.value.params) == ("CALENDAR_YEAR_UNKNOWN", {"year": year})


@given(days, st.integers(1, 20))
def test_a_period_ends_on_a_working_day_after_as_many(start: date, count: int) -> None:
    due = CALENDAR.add_working_days(start, count).date
    assert CALENDAR.is_working_day(due)
    assert CALENDAR.working_days_between(start, due) == count


@given(days, counts.filter(lambda n: n <= 10), counts.filter(lambda n: n <= 10))
def test_two_periods_in_a_row_are_one(start: date, first: int, second: int) -> None:
    halfway = CALENDAR.add_working_days(start, first).date
    assert CALENDAR.add_working_days(halfway, second).date == CALENDAR.add_working_days(start, first + second).date


@given(days, days, days)
def test_working_days_add_up(a: date, b: date, c: date) -> None:
    between = CALENDAR.working_days_between
    assert between(a, b) + between(b, c) == between(a, c)
    assert between(a, b) == -between(b, a)


@given(days)
def test_without_holidays_weekdays_are_worked(day: date) -> None:
    plain = WorkCalendar([CalendarYear(day.year, True, frozenset(), frozenset())])
    assert plain.is_working_day(day) == (day.weekday() < 5)


@given(days)
def test_a_later_start_never_ends_earlier(start: date) -> None:
    due = CALENDAR.add_working_days(start, 5).date
    assert CALENDAR.add_working_days(start + timedelta(1), 5).date >= due


def test_a_negative_period_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="negative"):
        CALENDAR.add_working_days(date(2026, 1, 5), -1)
