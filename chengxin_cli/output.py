"""What commands show. Names, values and messages come from files, gateways and logs; what a terminal would obey, or
nobody would see, is shown as an escape (`\\u202e`), which JSON reads as the character."""

import errno
import json
import os
import re
from typing import Any, Final

import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from chengxin.values.text_forms import HIDDEN_CLASS

_HIDDEN: Final = re.compile(f"[{HIDDEN_CLASS}]")
_HIDDEN_OR_BREAK: Final = re.compile(f"[{HIDDEN_CLASS}\r\n]")


def escape(text: str) -> str:
    """The text as one line."""
    return _HIDDEN_OR_BREAK.sub(_as_escape, text)


def escape_lines(text: str) -> str:
    """The text with its lines as they are."""
    return "\n".join(map(escape, text.split("\n")))


def _as_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def print_lines(*lines: str, err: bool = False) -> None:
    """Prints lines on standard output or standard error. A line break within one of them is escaped."""
    click.echo("\n".join(map(escape, lines)), err=err)


def print_json(value: Any, indent: int | None = None) -> None:
    """Prints JSON, on one line or indented."""
    print_lines(*json.dumps(value, ensure_ascii=False, indent=indent).split("\n"))


class OutputConsole(Console):
    """A console for tables and progress; it does not end the program by itself when nobody reads its output."""

    def __init__(self, **options: Any) -> None:
        # Brackets and colons in a value are its own.
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Makes what a table or a message holds, escaped."""
        return super().render_str(escape_lines(text), **options)

    def status(self, status: Any, **options: Any) -> Status:
        """Shows what is under way, escaped; rich would look for its markup in it."""
        return super().status(Text(escape(str(status))), **options)

    def on_broken_pipe(self) -> None:
        """Leaves the error to `ending`."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
