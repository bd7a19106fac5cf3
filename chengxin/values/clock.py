"""Time is injected: instants are UTC, business dates are Asia/Shanghai."""

import time
from datetime import UTC, date, datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
# No fact on record is older: a day before it was mistyped, or is what a program writes for no day (0001-01-01).
EARLIEST_DAY: Final = "1900-01-01"


class Clock(Protocol):
    """The clock from which use cases take the time."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def today(self) -> date:
        """The present business date, in Asia/Shanghai."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def today(self) -> date:
        return self.now().astimezone(SHANGHAI).date()


class FixedClock:
    """A clock that always shows the instant it was set to, for tests and recomputation."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        return self.instant

    def today(self) -> date:
        return self.instant.astimezone(SHANGHAI).date()


class Expiry:
    """A moment some seconds ahead, for something that others judge by the wall clock, such as a token.

    It has come when either clock has reached it: the monotonic clock, or the wall clock, which has moved on after the
    machine slept. It has also come when the wall clock was set back: what was made later than now is not valid yet.
    """

    def __init__(self, seconds: float) -> None:
        self._made_at = time.time()
        self._until = self._made_at + seconds
        self._until_monotonic = time.monotonic() + seconds

    def has_come(self) -> bool:
        """Whether the moment has come."""
        return time.monotonic() >= self._until_monotonic or not self._made_at <= time.time() < self._until


def as_stored(instant: datetime) -> datetime:
    """An instant as exact as a store keeps it: BSON keeps milliseconds."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def shanghai_date(instant: datetime) -> date:
    """The business date on which an aware instant falls."""
    return instant.astimezone(SHANGHAI).date()


def read_day(text: str) -> date:
    """The day that a text from outside names, in the one form YYYY-MM-DD. Raises `ValueError`.

    Python's own reader takes 20261124 and 2026-W48-2, too: a day would have several spellings on record.
    """
    found = date.fromisoformat(text)
    if found.isoformat() != text:
        raise ValueError(f"{text[:20]} is not written YYYY-MM-DD")
    return found


def rfc3339(instant: datetime) -> str:
    """An aware instant as RFC 3339 in UTC with microseconds, for example `2026-11-24T06:13:55.000001Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
