"""The end of a record's disclosure (Art. 18). Days are Shanghai dates, as texts `YYYY-MM-DD`."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from services.disclosure.domain.catalog_entry import DisclosurePeriodRule

# Providers write this date for 长期.
OPEN_ENDED: Final = "2099-12-31"
# Stands for a missing last day; it sorts after every day.
NEVER: Final = "9999-12-31"


def disclosed_until(period: DisclosurePeriodRule, items: Mapping[str, str], recorded_on: date) -> str:
    """Returns the last day of disclosure; empty when there is none.

    A period that ends with an item (removal from a list, payment) has no end while the item is empty. A period that is
    counted from an item starts on the day of recording while the item is empty, because the catalog sets a term for the
    record and it must not be disclosed without one.
    """
    value = items.get(period.item, "")
    match period.rule:
        case "until_item":
            return "" if value in ("", OPEN_ENDED) else value
        case "years_from_item":
            return _add_years(date.fromisoformat(value) if value else recorded_on, period.years).isoformat()
        case _:
            return ""


def is_over(until: str, today: str) -> bool:
    """Whether disclosure ended before `today`; the record is still disclosed on the last day."""
    return bool(until) and until < today


def _add_years(start: date, years: int) -> date:
    """Returns the same day of a later year, or 28 February when that year has no 29 February.

    Dates end with the year 9999; a longer period ends there, too.
    """
    year = start.year + years
    if year > date.max.year:
        return date.max
    try:
        return start.replace(year=year)
    except ValueError:
        return start.replace(year=year, day=28)
