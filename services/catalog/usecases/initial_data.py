"""The catalog of a new system begins with the deadlines of the regulation, the standard code lists and a calendar."""

from datetime import date
from typing import Final

import structlog

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.failures import reason_of
from chengxin.store.database import UnitOfWork
from services.catalog.context import CatalogContext
from services.catalog.domain.holiday_notice import announced_year, provisional_year
from services.catalog.domain.rule_set import RuleSet
from services.catalog.domain.standard_code_lists import FIRST_DAY, standard_lists
from services.catalog.usecases import calendar, code_lists, rule_sets
from services.catalog.usecases.rule_sets import OWN

log = structlog.get_logger()

_DAY_SECONDS: Final = 24 * 3600.0

# Organisations whose regions one transaction tells.
_TOLD_AT_ONCE: Final = 100

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
    """Publishes the data that are missing, by the use cases of an officer; on record the actor is the catalog itself.

    A code list that a release changed gets a second version, unless the authority has published one. The calendar gets
    every year up to the coming one. A provisional year is replaced once the library knows the notice for it; a year
    that the authority has loaded stays.
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


def _tell_regions(ctx: CatalogContext) -> None:
    """The directory of a former version: its followers get the regions that they lack."""

    def work(unit: UnitOfWork) -> int:
        untold = ctx.store.region_untold(unit, _TOLD_AT_ONCE)
        for organisation in untold:
            ctx.store.save_organisation(organisation, unit)
        return len(untold)

    while ctx.store.transact(work):
        pass


_STEPS: Final = (_seed_deadlines, _seed_lists, _seed_calendar, _tell_regions)


def seed_daily(ctx: CatalogContext, seconds: float = _DAY_SECONDS) -> PeriodicTask:
    """Returns the task that seeds again every day.

    A process that runs for years then has the coming year in its calendar. The first round is a day after the start,
    because the process seeds when it starts.
    """

    def seed_again() -> None:
        for step in _STEPS:
            try:
                step(ctx)
            # A step that fails keeps no other from being done; tomorrow it is tried again, long before the year ends.
            except Exception as e:
                log.warning("seeding failed", step=step.__name__.strip("_"), **reason_of(e))

    return PeriodicTask("initial-data", seed_again, seconds, first_after=seconds)
