"""The file that a reader is given, as its standard input: whoever starts it has it open, and it needs no name."""

import os
from typing import IO, Final, TextIO

_GIVEN: Final = 0
# The same file for those who want a name.
PATH: Final = "/dev/stdin"


def as_bytes() -> IO[bytes]:
    """The file from its beginning. One at a time: all share a place."""
    os.lseek(_GIVEN, 0, os.SEEK_SET)
    return open(_GIVEN, "rb", closefd=False)


def as_text(encoding: str) -> TextIO:
    """The file from its beginning as text, line ends as they are. One at a time: all share a place."""
    os.lseek(_GIVEN, 0, os.SEEK_SET)
    return open(_GIVEN, encoding=encoding, newline="", closefd=False)
