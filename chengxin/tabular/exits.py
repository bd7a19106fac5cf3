"""Exit statuses of a reader that did not come to its end."""

from typing import Final

UNEXPECTED: Final = 70
MEMORY: Final = 71
# What it would write is longer than its limit.
FILE_TOO_LONG: Final = 72
DISK_FULL: Final = 73
