"""What one record may hold, whichever way it comes: a rejected one is kept as delivered, in one document of 16 MB. Pure."""

from collections.abc import Mapping
from typing import Final

# Items of a record, columns of a file.
MOST_ITEMS: Final = 500
# Characters of a record.
LONGEST_RECORD: Final = 1 << 20


def length_of(items: Mapping[str, str]) -> int:
    """Characters of all values of a record, and of the names of their items."""
    return len("".join(items)) + len("".join(items.values()))


def is_bounded(items: Mapping[str, str]) -> bool:
    """Whether a record is within both bounds."""
    return len(items) <= MOST_ITEMS and length_of(items) <= LONGEST_RECORD
