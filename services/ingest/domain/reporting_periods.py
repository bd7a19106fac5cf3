"""The periods in which providers must deliver (Art. 8, 12), by update cycle, and the deliveries that cover them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from chengxin.errors import Problem
from chengxin.values.workdays import Deadline, WorkCalendar

_DAY: Final = timedelta(days=1)
# How far the check looks back. This is longer than the longest period with its grace, so that a missed year is reported
# for another year.
LOOKED_BACK: Final = timedelta(days=800)

_NAME_PATTERNS: Final = {
    "day": re.compile(r"\d{4}-\d{2}-\d{2}\Z"),
    "week": re.compile(r"(\d{4})-W(\d{2})\Z"),
    "month": re.compile(r"(\d{4})-(\d{2})\Z"),
    "quarter": re.compile(r"(\d{4})-Q([1-4])\Z"),
    "year": re.compile(r"(\d{4})\Z"),
}
# Information that is reported in real time has no period of its own; it is overdue after a whole week without any.
_LENGTH_OF_CYCLE: Final = {
    "realtime": "week",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}


@dataclass(frozen=True, order=True)
class ReportingPeriod:
    """A day, an ISO week, a month, a quarter or a year, by Shanghai dates; both days belong to it."""

    first: date
    last: date
    name: str = field(compare=False)


def known_cycle(cycle: str) -> bool:
    """Whether the update cycle has periods."""
    return cycle in _LENGTH_OF_CYCLE


def period_of(cycle: str, day: date) -> ReportingPeriod:
    """Returns the one period of a cycle that contains a day. Raises `KeyError` for an unknown cycle."""
    match _LENGTH_OF_CYCLE[cycle]:
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
    """Returns the next period."""
    return period_of(cycle, period.last + _DAY)


def before(cycle: str, period: ReportingPeriod) -> ReportingPeriod:
    """Returns the previous period."""
    return period_of(cycle, period.first - _DAY)


def find_period(cycle: str, name: str) -> ReportingPeriod | None:
    """Returns the period of a cycle with this name; None when there is no such period.

    Names are `2026-11-24`, `2026-W48`, `2026-11`, `2026-Q4` and `2026`.
    """
    length = _LENGTH_OF_CYCLE[cycle]
    if (parts := _NAME_PATTERNS[length].match(name)) is None:
        return None
    try:
        match length:
            case "day":
                day = date.fromisoformat(name)
            case "week":
                day = date.fromisocalendar(int(parts[1]), int(parts[2]), 1)
            case "month":
                day = date(int(parts[1]), int(parts[2]), 1)
            case "quarter":
                day = date(int(parts[1]), int(parts[2]) * 3, 1)
            case _:
                day = date(int(parts[1]), 1, 1)
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
        """Yields the whole periods of the span that begin from `since` to `today`, in order."""
        first = max(self.first, since)
        period = period_of(self.cycle, first)
        if period.first < first:
            period = following(self.cycle, period)
        while period.first <= today and (self.last is None or period.last <= self.last):
            yield period
            period = following(self.cycle, period)


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Returns the spans in order, and joins adjacent spans with the same cycle.

    A new version of an entry does not change the obligation that exists.
    """
    result: list[Span] = []
    for span in sorted(spans, key=lambda s: s.first):
        previous = result[-1] if result else None
        if previous and previous.cycle == span.cycle and previous.last and previous.last + _DAY >= span.first:
            result[-1] = Span(span.cycle, previous.first, span.last)
        else:
            result.append(span)
    return result


class PeriodState(StrEnum):
    """The state of a period."""

    AWAITED = "awaited"
    DELIVERED = "delivered"
    DELIVERED_LATE = "delivered_late"
    DECLARED = "declared"
    DECLARED_LATE = "declared_late"
    OVERDUE = "overdue"
    # The period has no working day, so nothing is owed.
    NOT_EXPECTED = "not_expected"
    # The working-day calendar of a year is missing, and no date is guessed.
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class PeriodStanding:
    """A period with its state, its due date and the day on which it was covered."""

    period: ReportingPeriod
    state: PeriodState
    due: date | None = None
    # True if a notice of the State Council that is not published yet may move the due date.
    provisional: bool = False
    # The day of the delivery or declaration that covers it.
    covered_on: date | None = None


class DueDates:
    """Computes the due dates of periods, a number of working days after their last day, and caches them."""

    def __init__(self, calendar: WorkCalendar) -> None:
        self._calendar = calendar
        self._cache: dict[tuple[ReportingPeriod, int], tuple[bool, Deadline] | None] = {}

    def expectation(self, period: ReportingPeriod, working_days: int) -> tuple[bool, Deadline] | None:
        """Returns whether a delivery is owed for a period, and its due date; None when a year's calendar is missing."""
        key = (period, working_days)
        if key not in self._cache:
            self._cache[key] = self._compute(period, working_days)
        return self._cache[key]

    def worked(self, period: ReportingPeriod) -> bool:
        """Whether a day of the period is known to be a working day."""
        expectation = self.expectation(period, 0)
        return expectation is not None and expectation[0]

    def _compute(self, period: ReportingPeriod, working_days: int) -> tuple[bool, Deadline] | None:
        days = ((period.first + _DAY * n) for n in range((period.last - period.first).days + 1))
        try:
            worked = any(map(self._calendar.is_working_day, days))
            return worked, self._calendar.add_working_days(period.last, working_days)
        except Problem:
            return None


@dataclass
class _OpenPeriod:
    """A period for which a delivery is owed and has not come yet."""

    period: ReportingPeriod
    due: date | None
    provisional: bool

    def in_time(self, day: date) -> bool:
        # Without a due date, only a delivery within the period is certain to be for it.
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
    """Returns the standings of periods, each given with its grace in working days, in the same order.

    A day with a delivery covers one period: the oldest uncovered period that has begun and is not past its due date. If
    there is none, it covers the oldest overdue period, late. So a provider that delivers in every period is never
    overdue, whether it delivers for the present period or, in the grace, for the one before. A declaration covers the
    period that it names.
    """
    standing_by_period: dict[ReportingPeriod, PeriodStanding] = {}
    open_periods: list[_OpenPeriod] = []
    for period, working_days in periods:
        expectation = timetable.expectation(period, working_days)
        if expectation is not None and not expectation[0]:
            standing_by_period[period] = PeriodStanding(period, PeriodState.NOT_EXPECTED)
            continue
        open_period = _OpenPeriod(period, *(expectation[1] if expectation else (None, False)))
        if (day := declared.get(period.name)) is not None and day <= today:
            late = open_period.due is not None and day > open_period.due
            standing_by_period[period] = open_period.standing(
                PeriodState.DECLARED_LATE if late else PeriodState.DECLARED, day
            )
        else:
            open_periods.append(open_period)
    for open_period, day in _match_deliveries(open_periods, sorted(day for day in set(delivered) if day <= today)):
        standing_by_period[open_period.period] = open_period.standing(
            PeriodState.DELIVERED if open_period.in_time(day) else PeriodState.DELIVERED_LATE, day
        )
    for open_period in open_periods:
        if open_period.period not in standing_by_period:
            standing_by_period[open_period.period] = open_period.standing(_state_of_uncovered(open_period, today))
    return [standing_by_period[period] for period, _ in periods]


def _match_deliveries(
    open_periods: Sequence[_OpenPeriod], delivered: Sequence[date]
) -> Iterator[tuple[_OpenPeriod, date]]:
    """Yields the covered periods with the day of delivery, one period a day; it visits each period only while open."""
    next_to_begin = next_overdue = 0
    in_time: list[_OpenPeriod] = []
    overdue: list[_OpenPeriod] = []
    for day in delivered:
        while next_to_begin < len(open_periods) and open_periods[next_to_begin].period.first <= day:
            in_time.append(open_periods[next_to_begin])
            next_to_begin += 1
        overdue += [open_period for open_period in in_time if open_period.due and not open_period.in_time(day)]
        in_time = [open_period for open_period in in_time if open_period.in_time(day)]
        if in_time:
            yield in_time.pop(0), day
        elif next_overdue < len(overdue):
            yield overdue[next_overdue], day
            next_overdue += 1


def _state_of_uncovered(open_period: _OpenPeriod, today: date) -> PeriodState:
    if open_period.due is None:
        return PeriodState.UNDETERMINED
    return PeriodState.OVERDUE if today > open_period.due else PeriodState.AWAITED


def _end_of_month(year: int, month: int) -> date:
    if (year, month) == (date.max.year, 12):
        return date.max
    return date(year + month // 12, month % 12 + 1, 1) - _DAY
