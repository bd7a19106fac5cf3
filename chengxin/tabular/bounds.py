"""What a record, a batch and a book may hold, by whatever way they arrive. Pure.

A rejected record is stored as it was delivered, in one document of 16 MB.
"""

from collections.abc import Mapping
from typing import Final

# Items of a record, columns of a file.
MOST_ITEMS: Final = 500
# Characters of a record.
LONGEST_RECORD: Final = 1 << 20
# Bytes of a batch of more than one record. One transaction writes it up to three times (as current, as superseded and
# as delivered records), and the embedded store stands still for good when uncommitted data fills its cache.
MOST_BYTES_OF_BATCH: Final = 2 * 1024 * 1024
# Rows of a text file, empty ones too: each takes time, however short it is.
MOST_ROWS: Final = 2_000_000
# Rows of a sheet of a book that is held whole.
MOST_ROWS_OF_BOOK: Final = 50_000


def length_of(items: Mapping[str, str]) -> int:
    """Characters of all values of a record, and of the names of their items."""
    return len("".join(items)) + len("".join(items.values()))


def bytes_of(items: Mapping[str, str]) -> int:
    """The bytes of the same texts in UTF-8."""
    return len("".join(items).encode()) + len("".join(items.values()).encode())


def is_bounded(items: Mapping[str, str]) -> bool:
    """Whether a record is within both bounds."""
    return len(items) <= MOST_ITEMS and length_of(items) <= LONGEST_RECORD
