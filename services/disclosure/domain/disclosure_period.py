"""Until when a record is disclosed (Art. 18). Pure: days are Shanghai dates, as texts `YYYY-MM-DD`."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from services.disclosure.domain.catalog_entry import DisclosurePeriodRule

# What providers write for 长期.
OPEN_ENDED: Final = "2099-12-31"
# Sorts after every day: the last day of what has none.
NEVER: Final = "9999-12-31"


def disclosed_until(period: DisclosurePeriodRule, items: Mapping[str, str], recorded_on: date) -> str:
    """The last day of disclosure; empty when there is none.

    A period that ends with an item (removal from a list, payment) has no end while the item is empty. One that is
    counted from an item that is empty is counted from the day of recording: nothing is disclosed without a term that
    the catalog meant to have one.
    """
    value = items.get(period.item, "")
    match period.rule:
        case "until_item":
            return "" if value in ("", OPEN_ENDED) else value
        case "years_from_item":
            return _years_later(date.fromisoformat(value) if value else recorded_on, period.years).isoformat()
        case _:
            return ""


def is_over(until: str, today: str) -> bool:
    """Whether disclosure has ended by `today`; its last day still counts."""
    return bool(until) and until < today


def _years_later(start: date, years: int) -> date:
    """The same day of a later year; the last day of February where that year lacks the 29th. Days end with the year
    9999: a period that is longer ends with them."""
    year = start.year + years
    if year > date.max.year:
        return date.max
    try:
        return start.replace(year=year)
    except ValueError:
        return start.replace(year=year, day=28)
