"""Exit statuses of a reader that did not finish."""

from typing import Final

UNEXPECTED: Final = 70
MEMORY: Final = 71
# Its output would be longer than its limit.
FILE_TOO_LONG: Final = 72
DISK_FULL: Final = 73
