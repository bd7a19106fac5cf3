"""The deadlines of the procedure's steps (Art. 24 to 27), in working days by the rules of the case."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from chengxin.errors import InBoth, Problem, unavailable
from chengxin.values.workdays import CALENDAR_YEAR_UNKNOWN, WorkCalendar

DEADLINE_UNKNOWN = unavailable(
    "DEADLINE_UNKNOWN",
    "系统尚未收到{what}，无法计算法定期限，操作未执行，请稍后重试",
    "The deadline cannot be computed before {what} arrives, so nothing was done; try again shortly",
)

# The rule set of the catalog with the deadlines.
RULE_SET: Final = "objection"


class Step(StrEnum):
    """A step that a party must take within a period."""

    ACCEPTANCE = "acceptance"
    VERIFICATION = "verification"
    ANSWER = "answer"
    CONCLUSION = "conclusion"


@dataclass(frozen=True)
class DeadlineRules:
    """One version of the deadlines; a case keeps the version that it was filed under."""

    version: int
    values: Mapping[str, int]

    def working_days(self, step: Step, extended: bool = False) -> int:
        """Returns the length of a period. Raises DEADLINE_UNKNOWN when the rules lack it."""
        name = f"{step}_extended_working_days" if extended else f"{step}_working_days"
        if name not in self.values:
            raise DEADLINE_UNKNOWN(what=InBoth(f"期限规则 {name}", f"rule {name}"))
        return self.values[name]


@dataclass(frozen=True)
class StepPeriod:
    """The period for one step: `working_days` after `start`; the day `start` itself does not count."""

    step: Step
    start: date
    working_days: int
    due: date
    # True if a notice of the State Council that is not published yet may move the due date.
    provisional: bool
    done_on: date | None = None

    def late(self, today: date) -> bool:
        """Whether the step was done late, or is not done and its due date is past."""
        return (self.done_on or today) > self.due

    def done(self, day: date) -> "StepPeriod":
        """Returns the period with its step done on a day."""
        return replace(self, done_on=day)


@dataclass(frozen=True)
class CaseTimetable:
    """The rules of a case, and the working-day calendar as it is known now."""

    rules: DeadlineRules
    calendar: WorkCalendar

    def period(self, step: Step, start: date, extended: bool = False) -> StepPeriod:
        """Returns the period for a step that begins on `start`. Raises DEADLINE_UNKNOWN, because no date is guessed."""
        return self._count(step, start, self.rules.working_days(step, extended))

    def again(self, period: StepPeriod) -> StepPeriod:
        """Returns a running period, counted again by the present calendar. Raises DEADLINE_UNKNOWN."""
        return self._count(period.step, period.start, period.working_days)

    def _count(self, step: Step, start: date, working_days: int) -> StepPeriod:
        try:
            due, provisional = self.calendar.add_working_days(start, working_days)
        except Problem as e:
            if e.type is not CALENDAR_YEAR_UNKNOWN:
                raise
            year = e.params["year"]
            problem = DEADLINE_UNKNOWN(
                what=InBoth(f" {year} 年工作日历", f"the working-day calendar of {year}"), retry_after=5
            )
            raise problem from None
        return StepPeriod(step, start, working_days, due, provisional)
