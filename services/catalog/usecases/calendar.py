"""The working-day calendar: the authority loads the State Council's yearly notice (Art. 24 to 27)."""

from chengxin.auth.policy import rule
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import of_the_city
from chengxin.store.database import UnitOfWork
from chengxin.values.canonical_json import canonical
from chengxin.values.workdays import CalendarYear
from services.catalog.context import CatalogContext, must_be_sound
from services.catalog.domain import holiday_notice
from services.catalog.usecases.read_catalog import EVERYBODY
from services.catalog.usecases.rule_sets import no_other_service


@rule("calendar.read", roles=EVERYBODY, articles=("24", "25", "26", "27"))
def year(ctx: CatalogContext, caller: Principal, number: int) -> CalendarYear:
    """The working days of a year. Raises CALENDAR_YEAR_ABSENT."""
    if (found := ctx.store.calendar_year(number)) is None:
        raise holiday_notice.CALENDAR_YEAR_ABSENT(year=number)
    return found


@rule("calendar.listed", roles=EVERYBODY, articles=("24", "25", "26", "27"))
def years(ctx: CatalogContext, caller: Principal) -> list[CalendarYear]:
    """All years there are, in order."""
    return ctx.store.calendar_years()


@rule(
    "calendar.loaded", roles={Role.AUTHORITY, Role.SERVICE}, articles=("24", "29"), when=(no_other_service, of_the_city)
)
def load(ctx: CatalogContext, caller: Principal, loaded: CalendarYear, key: str = "") -> CalendarYear:
    """Loads the working days of a year; loading what is there already changes nothing.

    Raises INPUT_INVALID, CALENDAR_ANNOUNCED.
    """
    must_be_sound(holiday_notice.findings(loaded))

    def work(unit: UnitOfWork) -> dict[str, object]:
        known = ctx.store.calendar_year(loaded.year, unit)
        if known is not None and known.announced and not loaded.announced:
            raise holiday_notice.CALENDAR_ANNOUNCED(year=loaded.year)
        if known != loaded:
            ctx.store.save_calendar_year(loaded, unit)
            unit.publish("calendar_year", calendar_year=holiday_notice.year_to_dict(loaded))
            unit.record(
                ctx.audit.event("calendar.loaded", caller, details=holiday_notice.year_to_dict(loaded)).encode()
            )
        return holiday_notice.year_to_dict(loaded)

    asked = canonical(["calendar.loaded", holiday_notice.year_to_dict(loaded)])
    return holiday_notice.read_year(ctx.store.once(caller.sub, key, asked, work))
