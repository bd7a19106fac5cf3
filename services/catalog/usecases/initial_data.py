"""What a new system needs before anybody has published anything: the deadlines of the regulation and a calendar."""

import threading
from datetime import date
from typing import Final

import structlog

from services.catalog.context import CatalogContext
from services.catalog.domain.holiday_notice import announced_year, provisional_year
from services.catalog.domain.rule_set import RuleSet
from services.catalog.domain.standard_code_lists import FIRST_DAY, standard_lists
from services.catalog.usecases import calendar, code_lists, rule_sets
from services.catalog.usecases.rule_sets import OWN

log = structlog.get_logger()

# The year in which the regulation takes effect (Art. 33).
_FIRST_YEAR: Final = 2018

# Art. 24 to 27.
_OBJECTION: Final = RuleSet(
    "objection",
    date(_FIRST_YEAR, 1, 1),
    {
        "acceptance_working_days": 3,
        "verification_working_days": 3,
        "answer_working_days": 10,
        "answer_extended_working_days": 20,
        "conclusion_working_days": 3,
    },
)


def seed(ctx: CatalogContext) -> None:
    """Publishes what is missing, by the same use cases as an officer, on record as the catalog itself.

    A code list that a release changed gets a second version, unless the authority has published one. The calendar has
    every year up to the coming one. A provisional year that the library knows by now is replaced; what the authority has
    loaded never is.
    """
    for step in _STEPS:
        step(ctx)


def _seed_deadlines(ctx: CatalogContext) -> None:
    if ctx.store.newest_rule_set(_OBJECTION.name) is None:
        rule_sets.publish(ctx, OWN, _OBJECTION)


def _seed_lists(ctx: CatalogContext) -> None:
    newest = ctx.store.newest_code_list
    if due := [content for content in standard_lists() if code_lists.to_be_seeded(newest(content.name), content)]:
        code_lists.seed_lists(ctx, OWN, due, FIRST_DAY)


def _seed_calendar(ctx: CatalogContext) -> None:
    there = {year.year: year.announced for year in ctx.store.calendar_years()}
    for number in range(_FIRST_YEAR, ctx.clock.today().year + 2):
        if there.get(number):
            continue
        if (announced := announced_year(number)) is not None:
            calendar.load(ctx, OWN, announced)
        elif number not in there:
            calendar.load(ctx, OWN, provisional_year(number))


_STEPS: Final = (_seed_deadlines, _seed_lists, _seed_calendar)


class Keeper:
    """Seeds again every day, so that a process that runs for years has the coming year in its calendar."""

    def __init__(self, ctx: CatalogContext, seconds: float = 24 * 3600) -> None:
        self._ctx = ctx
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar-keeper", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            for step in _STEPS:
                try:
                    step(self._ctx)
                # A store that is away today is there tomorrow, long before the year ends; and what keeps one step from
                # being done keeps no other.
                except Exception as e:
                    log.warning("seeding failed", step=step.__name__.strip("_"), reason=repr(e)[:200])
