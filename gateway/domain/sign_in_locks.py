"""When sign-ins under a user name are refused because of failures before them (decision 36). Pure."""

from datetime import datetime, timedelta
from typing import Final

_LONGEST_LOCK: Final = timedelta(minutes=15)
# So many failures from origins that are not known are let through, from all of them together within this time.
GUESSES_OF_STRANGERS: Final = 20
GUESSES_WINDOW: Final = timedelta(hours=1)
# For so long an origin is known from which an officer has signed in.
KNOWN_FOR: Final = timedelta(days=90)


def lock_seconds(failures: int) -> int:
    """Returns for how many seconds a user name is locked for an origin after so many failures in a row from it.

    The lock begins with the fifth failure, and doubles up to 15 minutes: one origin has 10 guesses in its first hour
    and 4 in each hour after it. Alone it never uses up `GUESSES_OF_STRANGERS`.
    """
    return 0 if failures < 5 else min(int(_LONGEST_LOCK.total_seconds()), 30 * 2 ** min(failures - 5, 10))


def locked_for(until: datetime | None, now: datetime) -> int:
    """Returns for how many seconds a user name is still locked.

    A lock beyond the longest one was made before the clock was set back. It does not count, because it would not end
    for as long as that.
    """
    return _seconds_left(until, now, _LONGEST_LOCK)


def strangers_locked_for(failures: int, until: datetime | None, now: datetime) -> int:
    """Returns for how many seconds a user name is locked for origins that are not known.

    `failures` are those from such origins, in the window that ends at `until`.
    """
    return 0 if failures < GUESSES_OF_STRANGERS else _seconds_left(until, now, GUESSES_WINDOW)


def _seconds_left(until: datetime | None, now: datetime, longest: timedelta) -> int:
    if until is None or not now < until <= now + longest:
        return 0
    return int((until - now).total_seconds()) + 1
