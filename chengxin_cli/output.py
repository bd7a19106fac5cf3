"""What commands show. Names, values and messages come from files, gateways and logs, and are escaped
(`chengxin/values/shown_text.py`)."""

import errno
import json
import os
from typing import Any

import click
from rich.console import Console
from rich.status import Status
from rich.text import Text

from chengxin.values.shown_text import escape, escape_lines


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
