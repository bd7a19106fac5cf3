"""Working days by the State Council's calendar (Art. 24 to 27). Pure: the caller passes the calendar in as data."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

from chengxin.errors import precondition

CALENDAR_YEAR_UNKNOWN = precondition(
    "CALENDAR_YEAR_UNKNOWN",
    "系统没有 {year} 年的工作日历，无法计算期限；请先在信用目录中载入该年放假安排",
    "There is no working-day calendar for {year}; load the year's notice into the catalog first",
)

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
# The notice for a year also settles the last days of December before it: 2018-12-29, a Saturday, was worked and
# 2018-12-31 was off by the notice for 2019.
_SETTLED_BY_NEXT_NOTICE: Final = (12, 25)


@dataclass(frozen=True)
class CalendarYear:
    """The days of one year on which the weekday does not decide."""

    year: int
    # False: there is no notice yet; the days off are those that the law fixes, and a guess at the rest.
    announced: bool
    days_off: frozenset[date]
    days_worked: frozenset[date]

    @classmethod
    def of(cls, year: int, announced: bool, days_off: Iterable[str], days_worked: Iterable[str]) -> "CalendarYear":
        """A year from the fields of the contract's CalendarYear. Raises `ValueError` for a text that is not a date."""
        return cls(
            year,
            announced,
            frozenset(map(date.fromisoformat, days_off)),
            frozenset(map(date.fromisoformat, days_worked)),
        )


class Deadline(NamedTuple):
    """The last day of a period, and whether a notice still to come may move it."""

    date: date
    provisional: bool


class WorkCalendar:
    """The working days of the years that it was given. Raises CALENDAR_YEAR_UNKNOWN for any other year."""

    def __init__(self, years: Iterable[CalendarYear]) -> None:
        self._years = {y.year: y for y in years}

    def is_working_day(self, day: date) -> bool:
        """Whether organs work on `day`."""
        year = self._year(day.year)
        if day in year.days_worked:
            return True
        return day.weekday() < _SATURDAY and day not in year.days_off

    def is_provisional(self, day: date) -> bool:
        """Whether a notice still to come decides about `day`."""
        if not self._year(day.year).announced:
            return True
        following = self._years.get(day.year + 1)
        return (day.month, day.day) >= _SETTLED_BY_NEXT_NOTICE and (following is None or not following.announced)

    def add_working_days(self, start: date, count: int) -> Deadline:
        """The last day of a period of `count` working days. The day of the event, `start`, does not count."""
        if count < 0:
            raise ValueError("a period has no negative number of working days")
        day, provisional = start, False
        while count:
            day += _DAY
            count -= self.is_working_day(day)
            provisional = provisional or self.is_provisional(day)
        return Deadline(day, provisional)

    def working_days_between(self, first: date, last: date) -> int:
        """Working days after `first` up to and with `last`; negative when `last` is before `first`."""
        if last < first:
            return -self.working_days_between(last, first)
        days = ((first + _DAY * n) for n in range(1, (last - first).days + 1))
        return sum(map(self.is_working_day, days))

    def _year(self, year: int) -> CalendarYear:
        if year not in self._years:
            raise CALENDAR_YEAR_UNKNOWN(year=year)
        return self._years[year]
