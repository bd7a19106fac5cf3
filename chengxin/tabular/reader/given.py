"""The file that a reader reads: its standard input, which the starting process has open, so that it needs no name."""

import os
from typing import IO, Final, TextIO

_STDIN: Final = 0
# The same file, for a library that needs a name.
PATH: Final = "/dev/stdin"


def as_bytes() -> IO[bytes]:
    """Opens the file from its beginning. Only one may be in use at a time: all share a position."""
    os.lseek(_STDIN, 0, os.SEEK_SET)
    return open(_STDIN, "rb", closefd=False)


def as_text(encoding: str) -> TextIO:
    """Opens the file from its beginning as text, with line ends as they are. Only one may be in use at a time."""
    os.lseek(_STDIN, 0, os.SEEK_SET)
    return open(_STDIN, encoding=encoding, newline="", closefd=False)
