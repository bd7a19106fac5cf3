"""The days on which something can take effect: one rule for entries, code lists and rule sets."""

from datetime import date, timedelta
from typing import Final

from chengxin.errors import precondition

EFFECTIVE_IMPLAUSIBLE = precondition(
    "EFFECTIVE_IMPLAUSIBLE",
    "生效日期 {effective_from} 不在 {earliest} 至 {latest} 之间，可能是笔误：发布后不能再提前，请核对（最多提前两年发布）",
    "The first day, {effective_from}, is not between {earliest} and {latest} and may be a slip; once published it cannot be brought "
    "forward. Check it (publication is at most two years ahead)",
)

# The day on which the People's Republic was founded: nothing that it publishes was in force earlier.
_EARLIEST_DAY: Final = date(1949, 10, 1)
# Two years, one of them with its leap day.
_MOST_AHEAD: Final = timedelta(days=731)


def must_be_plausible(first: date, today: date) -> None:
    """Raises EFFECTIVE_IMPLAUSIBLE for a first day that must be a typing error.

    A far first day does harm: the next version may not begin before it.
    """
    latest = today + _MOST_AHEAD
    if not _EARLIEST_DAY <= first <= latest:
        raise EFFECTIVE_IMPLAUSIBLE(effective_from=first, earliest=_EARLIEST_DAY, latest=latest)
