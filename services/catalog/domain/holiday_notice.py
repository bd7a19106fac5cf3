"""The working days of a year: those of the State Council's notice, and those that libraries know."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

import chinese_calendar

from chengxin.errors import not_found, precondition
from chengxin.values.workdays import CalendarYear
from services.catalog.domain.entry_validation import Finding

CALENDAR_YEAR_ABSENT = not_found(
    "CALENDAR_YEAR_ABSENT", "尚无 {year} 年的工作日历", "There is no working-day calendar for {year} yet"
)
CALENDAR_ANNOUNCED = precondition(
    "CALENDAR_ANNOUNCED",
    "{year} 年的放假安排已经载入，不能改回暂定日历；如有更正请载入更正后的安排",
    "The notice for {year} is loaded; it can be corrected by another notice, not made provisional again",
)

YEARS: Final = range(2004, 2101)

_SATURDAY: Final = 5
# Notices since 2008 have at most 22 weekdays off and 9 weekend days worked.
_MOST_DAYS_OFF: Final = 60
_MOST_DAYS_WORKED: Final = 30


def year_to_dict(year: CalendarYear) -> dict[str, Any]:
    """Returns the plain values for the contract's JSON."""
    return {
        "year": year.year,
        "announced": year.announced,
        "days_off": sorted(d.isoformat() for d in year.days_off),
        "days_worked": sorted(d.isoformat() for d in year.days_worked),
    }


def read_year(value: Mapping[str, Any]) -> CalendarYear:
    """Reads a year from its JSON."""
    return CalendarYear.of(value["year"], value["announced"], value["days_off"], value["days_worked"])


def findings(year: CalendarYear) -> Iterator[Finding]:
    """Yields every fault of a year's days."""
    # Every notice has days off, and a year that counts as announced cannot be made provisional again.
    if year.announced and not year.days_off:
        yield Finding("days_off", "calendar.empty", {"year": year.year})
    for name, days, limit in (
        ("days_off", year.days_off, _MOST_DAYS_OFF),
        ("days_worked", year.days_worked, _MOST_DAYS_WORKED),
    ):
        if len(days) > limit:
            yield Finding(name, "too_many", {"limit": limit})
        for day in sorted(days):
            if day.year != year.year:
                yield Finding(name, "calendar.year", {"value": day, "year": year.year})
            elif name == "days_off" and day.weekday() >= _SATURDAY:
                yield Finding(name, "calendar.day_off", {"value": day})
            elif name == "days_worked" and day.weekday() < _SATURDAY:
                yield Finding(name, "calendar.day_worked", {"value": day})


def announced_year(year: int) -> CalendarYear | None:
    """Returns the notice for a year from `chinesecalendar`; None when the library does not have it."""
    days = [date(year, 1, 1) + timedelta(n) for n in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    try:
        worked = {day: chinese_calendar.is_workday(day) for day in days}
    except NotImplementedError:
        return None
    return CalendarYear(
        year,
        True,
        frozenset(day for day in days if day.weekday() < _SATURDAY and not worked[day]),
        frozenset(day for day in days if day.weekday() >= _SATURDAY and worked[day]),
    )


def provisional_year(year: int) -> CalendarYear:
    """Returns a year before its notice: the days off that the law fixes, from `holidays`.

    The weekend days that will be worked in exchange are not known yet.
    """
    # The import takes 14 MB and is needed once a year.
    import holidays

    off = frozenset(day for day in holidays.country_holidays("CN", years=[year]) if day.weekday() < _SATURDAY)
    return CalendarYear(year, False, off, frozenset())
