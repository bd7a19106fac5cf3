"""How long a permission that one gives another may last: a consent, an agent's authorization. Pure.

Nobody foresees longer; who still wants it gives it again.
"""

from datetime import date
from typing import Final

LONGEST_YEARS: Final = 5


def latest_end(today: date) -> date:
    """Returns the last day on which a permission that is given today may end; both are Shanghai dates."""
    try:
        return today.replace(year=today.year + LONGEST_YEARS)
    except ValueError:
        # The 29th of February.
        return today.replace(year=today.year + LONGEST_YEARS, day=28)
