"""Dates as records write them, counted from a day. Pure."""

from datetime import date, timedelta
from typing import Final

OPEN_ENDED: Final = "2099-12-31"


def ago(since: date, days: int) -> str:
    """The day so many days before `since`, as ISO 8601 text."""
    return (since - timedelta(days=days)).isoformat()


def ahead(since: date, days: int) -> str:
    """The day so many days after `since`, as ISO 8601 text."""
    return ago(since, -days)
