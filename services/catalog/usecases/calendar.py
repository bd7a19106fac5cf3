"""The working-day calendar: the authority loads the State Council's yearly notice (Art. 24 to 27)."""

from chengxin.auth.executor import command, query
from chengxin.auth.powers import CITY, Power, one
from chengxin.auth.principal import Principal, Role
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.workdays import CalendarYear
from services.catalog.context import NO_CREDIT_INFORMATION, CatalogContext, must_be_sound
from services.catalog.domain import holiday_notice
from services.catalog.usecases.read_catalog import EVERYBODY
from services.catalog.usecases.rule_sets import no_other_service


@query(Act.CALENDAR_READ, roles=EVERYBODY, articles=("24", "25", "26", "27"), unrecorded=NO_CREDIT_INFORMATION)
def year(ctx: CatalogContext, caller: Principal, number: int) -> CalendarYear:
    """Returns the working days of a year. Raises CALENDAR_YEAR_ABSENT."""
    if (found := ctx.store.calendar_year(number)) is None:
        raise holiday_notice.CALENDAR_YEAR_ABSENT(year=number)
    return found


@query(Act.CALENDAR_LISTED, roles=EVERYBODY, articles=("24", "25", "26", "27"), unrecorded=NO_CREDIT_INFORMATION)
def years(ctx: CatalogContext, caller: Principal) -> list[CalendarYear]:
    """Returns all years of the calendar, in order."""
    return ctx.store.calendar_years()


@command(
    Act.CALENDAR_LOADED,
    roles={Role.AUTHORITY, Role.SERVICE},
    articles=("24", "29"),
    when=(no_other_service,),
    power=Power(
        CITY, one("the notice of the State Council is public; deadlines are counted again, on record"), "everybody"
    ),
)
def load(ctx: CatalogContext, caller: Principal, loaded: CalendarYear, key: str = "") -> CalendarYear:
    """Loads the working days of a year; loading the same days again changes nothing.

    Raises INPUT_INVALID, CALENDAR_ANNOUNCED.
    """
    must_be_sound(holiday_notice.findings(loaded))

    def work(unit: UnitOfWork) -> CalendarYear:
        known = ctx.store.calendar_year(loaded.year, unit)
        if known is not None and known.announced and not loaded.announced:
            raise holiday_notice.CALENDAR_ANNOUNCED(year=loaded.year)
        if known != loaded:
            ctx.store.save_calendar_year(loaded, unit)
            unit.publish("calendar_year", calendar_year=holiday_notice.year_to_dict(loaded))
            unit.record(
                ctx.audit.event(Act.CALENDAR_LOADED, caller, details=holiday_notice.year_to_dict(loaded)).encode()
            )
        else:
            unit.without_event("nothing changes")
        return loaded

    asked = canonical([Act.CALENDAR_LOADED, holiday_notice.year_to_dict(loaded)])
    return ctx.store.once(caller.sub, key, asked, work, holiday_notice.year_to_dict).or_read(holiday_notice.read_year)
