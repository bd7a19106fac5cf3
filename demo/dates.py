"""Dates as records write them, counted from a day. Pure."""

from datetime import date, timedelta
from typing import Final

OPEN_ENDED: Final = "2099-12-31"


def ago(since: date, days: int) -> str:
    """The day that many days before."""
    return (since - timedelta(days=days)).isoformat()


def ahead(since: date, days: int) -> str:
    """The day that many days after."""
    return ago(since, -days)
