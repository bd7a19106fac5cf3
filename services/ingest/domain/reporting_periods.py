"""By when something is expected of a provider (Art. 8, 12): periods of an update cycle, and what covers them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from chengxin.errors import Problem
from chengxin.values.workdays import Deadline, WorkCalendar

_DAY: Final = timedelta(days=1)
# Days that are looked back on. Longer than the longest period with its grace: a year missed is told for another year.
LOOKED_BACK: Final = timedelta(days=800)

_NAMES: Final = {
    "day": re.compile(r"\d{4}-\d{2}-\d{2}\Z"),
    "week": re.compile(r"(\d{4})-W(\d{2})\Z"),
    "month": re.compile(r"(\d{4})-(\d{2})\Z"),
    "quarter": re.compile(r"(\d{4})-Q([1-4])\Z"),
    "year": re.compile(r"(\d{4})\Z"),
}
# What is reported as it arises has no period of its own: a whole week of silence is what is asked about.
_LENGTHS: Final = {
    "realtime": "week",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}


@dataclass(frozen=True, order=True)
class ReportingPeriod:
    """A day, an ISO week, a month, a quarter or a year, by Shanghai dates; both days are within it."""

    first: date
    last: date
    name: str = field(compare=False)


def known_cycle(cycle: str) -> bool:
    """Whether the update cycle has periods."""
    return cycle in _LENGTHS


def period_of(cycle: str, day: date) -> ReportingPeriod:
    """The period of a cycle in which a day lies: every day lies in exactly one. Raises `KeyError` for no cycle."""
    match _LENGTHS[cycle]:
        case "day":
            return ReportingPeriod(day, day, day.isoformat())
        case "week":
            year, week, weekday = day.isocalendar()
            first = day - _DAY * (weekday - 1)
            return ReportingPeriod(first, first + _DAY * 6, f"{year:04}-W{week:02}")
        case "month":
            return ReportingPeriod(day.replace(day=1), _end_of_month(day.year, day.month), f"{day:%Y-%m}")
        case "quarter":
            quarter = (day.month + 2) // 3
            last = _end_of_month(day.year, quarter * 3)
            return ReportingPeriod(date(day.year, quarter * 3 - 2, 1), last, f"{day.year:04}-Q{quarter}")
        case _:
            return ReportingPeriod(date(day.year, 1, 1), date(day.year, 12, 31), f"{day.year:04}")


def following(cycle: str, period: ReportingPeriod) -> ReportingPeriod:
    """The next period."""
    return period_of(cycle, period.last + _DAY)


def before(cycle: str, period: ReportingPeriod) -> ReportingPeriod:
    """The previous period."""
    return period_of(cycle, period.first - _DAY)


def named(cycle: str, name: str) -> ReportingPeriod | None:
    """The period of a cycle with this name: `2026-11-24`, `2026-W48`, `2026-11`, `2026-Q4`, `2026`; None for no such."""
    length = _LENGTHS[cycle]
    if (found := _NAMES[length].match(name)) is None:
        return None
    try:
        match length:
            case "day":
                day = date.fromisoformat(name)
            case "week":
                day = date.fromisocalendar(int(found[1]), int(found[2]), 1)
            case "month":
                day = date(int(found[1]), int(found[2]), 1)
            case "quarter":
                day = date(int(found[1]), int(found[2]) * 3, 1)
            case _:
                day = date(int(found[1]), 1, 1)
        return period_of(cycle, day)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Span:
    """Days on which an organisation owes an entry by one cycle; `last` is None while it goes on."""

    cycle: str
    first: date
    last: date | None = None

    def periods(self, since: date, today: date) -> Iterator[ReportingPeriod]:
        """Whole periods of the span that begin from `since` up to `today`, in order."""
        first = max(self.first, since)
        period = period_of(self.cycle, first)
        if period.first < first:
            period = following(self.cycle, period)
        while period.first <= today and (self.last is None or period.last <= self.last):
            yield period
            period = following(self.cycle, period)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that go on from day to day with the same cycle as one: a new version of an entry changes
    nothing of the old obligation."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda s: s.first):
        previous = found[-1] if found else None
        if previous and previous.cycle == span.cycle and previous.last and previous.last + _DAY >= span.first:
            found[-1] = Span(span.cycle, previous.first, span.last)
        else:
            found.append(span)
    return found


class PeriodState(StrEnum):
    """How it stands with a period."""

    AWAITED = "awaited"
    DELIVERED = "delivered"
    DELIVERED_LATE = "delivered_late"
    DECLARED = "declared"
    DECLARED_LATE = "declared_late"
    OVERDUE = "overdue"
    # No day of it is a working day: nothing is owed.
    NOT_EXPECTED = "not_expected"
    # The working-day calendar of a year is missing: no date is guessed.
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class PeriodStanding:
    """A period, by when something was due for it, and what became of that."""

    period: ReportingPeriod
    state: PeriodState
    due: date | None = None
    # A notice of the State Council still to come may move the due date.
    provisional: bool = False
    # The day of the delivery or declaration that covers it.
    covered_on: date | None = None


class DueDates:
    """When periods are due by a calendar: so many working days after their last day. Remembers what it computed."""

    def __init__(self, calendar: WorkCalendar) -> None:
        self._calendar = calendar
        self._known: dict[tuple[ReportingPeriod, int], tuple[bool, Deadline] | None] = {}

    def expectation(self, period: ReportingPeriod, working_days: int) -> tuple[bool, Deadline] | None:
        """Whether anything is owed for a period, and its due date; None without the calendar of a year concerned."""
        key = (period, working_days)
        if key not in self._known:
            self._known[key] = self._computed(period, working_days)
        return self._known[key]

    def worked(self, period: ReportingPeriod) -> bool:
        """Whether a day of the period is known to be a working day."""
        found = self.expectation(period, 0)
        return found is not None and found[0]

    def _computed(self, period: ReportingPeriod, working_days: int) -> tuple[bool, Deadline] | None:
        days = ((period.first + _DAY * n) for n in range((period.last - period.first).days + 1))
        try:
            worked = any(map(self._calendar.is_working_day, days))
            return worked, self._calendar.add_working_days(period.last, working_days)
        except Problem:
            return None


@dataclass
class _Open:
    """A period for which something is owed and nothing has come."""

    period: ReportingPeriod
    due: date | None
    provisional: bool

    def in_time(self, day: date) -> bool:
        # Without a due date only what came within the period is known to be for it.
        return day <= (self.due or self.period.last)

    def standing(self, state: PeriodState, covered_on: date | None = None) -> PeriodStanding:
        return PeriodStanding(self.period, state, self.due, self.provisional, covered_on)


def standings(
    periods: Sequence[tuple[ReportingPeriod, int]],
    timetable: DueDates,
    delivered: Iterable[date],
    declared: Mapping[str, date],
    today: date,
) -> list[PeriodStanding]:
    """How it stands with periods, each with its grace in working days, in order.

    A day on which something was delivered covers one period: the oldest that is not covered, has begun and is not past
    its due date; without such a one the oldest that is overdue, late. So who delivers in every period is never overdue,
    whether it delivers for the period or, in its grace, for the one before. A declaration covers what it names.
    """
    found: dict[ReportingPeriod, PeriodStanding] = {}
    owed: list[_Open] = []
    for period, working_days in periods:
        expectation = timetable.expectation(period, working_days)
        if expectation is not None and not expectation[0]:
            found[period] = PeriodStanding(period, PeriodState.NOT_EXPECTED)
            continue
        one = _Open(period, *(expectation[1] if expectation else (None, False)))
        if (day := declared.get(period.name)) is not None and day <= today:
            late = one.due is not None and day > one.due
            found[period] = one.standing(PeriodState.DECLARED_LATE if late else PeriodState.DECLARED, day)
        else:
            owed.append(one)
    for one, day in _covered(owed, sorted(day for day in set(delivered) if day <= today)):
        found[one.period] = one.standing(PeriodState.DELIVERED if one.in_time(day) else PeriodState.DELIVERED_LATE, day)
    for one in owed:
        if one.period not in found:
            found[one.period] = one.standing(_uncovered(one, today))
    return [found[period] for period, _ in periods]


def _covered(owed: Sequence[_Open], delivered: Sequence[date]) -> Iterator[tuple[_Open, date]]:
    """Which delivery covers what: each day one period. Looks at each period only while it is open."""
    begun = missed = 0
    in_time: list[_Open] = []
    overdue: list[_Open] = []
    for day in delivered:
        while begun < len(owed) and owed[begun].period.first <= day:
            in_time.append(owed[begun])
            begun += 1
        overdue += [one for one in in_time if one.due and not one.in_time(day)]
        in_time = [one for one in in_time if one.in_time(day)]
        if in_time:
            yield in_time.pop(0), day
        elif missed < len(overdue):
            yield overdue[missed], day
            missed += 1


def _uncovered(one: _Open, today: date) -> PeriodState:
    if one.due is None:
        return PeriodState.UNDETERMINED
    return PeriodState.OVERDUE if today > one.due else PeriodState.AWAITED


def _end_of_month(year: int, month: int) -> date:
    if (year, month) == (date.max.year, 12):
        return date.max
    return date(year + month // 12, month % 12 + 1, 1) - _DAY
