"""Waits as long as there is progress, and tells what is waited for (decision 41).

A fixed number of seconds is too short on a busy machine and too long for what has ended. So a wait goes on while what
it waits for becomes less, or while the processes that it waits for work; it ends when they have done neither for a
time.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from chengxin_cli.output import print_lines

# For so long nothing may progress.
STANDSTILL_SECONDS: Final = 60.0
# How often a long wait tells what it waits for.
_TELL_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.1
# Less processor time is no progress: an idle process that only asks again and again takes some, too.
_WORK_SECONDS: Final = 0.5
# Bytes at the end of a program's log that are searched for the last line, and characters of it that are reported.
_LOG_END_BYTES: Final = 8 * 1024
_LAST_LINE_LENGTH: Final = 300


class Stopped(Exception):
    """The user wants the suite to stop while something is waited for."""


class Standstill(click.ClickException):
    """Nothing has progressed for too long."""


@dataclass(frozen=True)
class Awaited:
    """Something that is not there yet: which program should bring it, and what is missing."""

    program: str
    missing: str
    log: Path
    state: str = "STARTING"
    # Its work is progress; 0 when it does not run, or works without bringing what is missing nearer.
    pid: int = 0

    def __str__(self) -> str:
        where = f"{self.state}, pid {self.pid}" if self.pid else self.state
        return f"{self.program} ({where}): {self.missing}; its log ends with: {read_last_line(self.log)}"


class Progress:
    """Whether something progresses: what was missing is there for the first time, or the awaited processes work.

    Of a program that ends again and again, only work beyond that of its longest run counts.
    """

    def __init__(self, now: Callable[[], float], work: Callable[[int], float]) -> None:
        """`work` gives the processor time of a process in seconds."""
        self._now = now
        self._work = work
        self._missed: set[tuple[str, str]] = set()
        self._found: set[tuple[str, str]] = set()
        self._most_work: dict[str, float] = {}
        self._at = now()

    def standstill(self, awaited: Sequence[Awaited]) -> float:
        """For how many seconds nothing has progressed; to be asked again and again."""
        missing = {(one.program, one.missing) for one in awaited}
        if not self._missed - missing <= self._found:
            self._at = self._now()
        self._found |= self._missed - missing
        self._missed |= missing
        for one in awaited:
            work = self._work(one.pid) if one.pid else 0.0
            if work >= self._most_work.get(one.program, 0.0) + _WORK_SECONDS:
                self._most_work[one.program], self._at = work, self._now()
        return self._now() - self._at


def wait_for(
    look: Callable[[], Sequence[Awaited]],
    stop: threading.Event | None,
    standstill: float = STANDSTILL_SECONDS,
) -> None:
    """Returns when `look` finds nothing missing; tells every ten seconds on standard error what is.

    Raises `Stopped` when `stop` is set, and `Standstill` when nothing has progressed for `standstill` seconds.
    """
    stop = stop or threading.Event()
    progress = Progress(time.monotonic, processor_seconds)
    began = told = time.monotonic()
    while not stop.is_set():
        if not (awaited := look()):
            return
        still = progress.standstill(awaited)
        if still > standstill:
            raise Standstill("\n".join([f"nothing has progressed for {standstill:.0f} s:", *_describe(awaited)]))
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            for line in _describe(awaited):
                print_lines(f"waiting since {told - began:.0f} s for {line}", err=True)
        stop.wait(_PAUSE_SECONDS)
    raise Stopped


def _describe(awaited: Sequence[Awaited]) -> list[str]:
    return [f"{one} (see {one.log})" for one in awaited]


def read_last_line(log: Path) -> str:
    """The last line of a program's log, which mostly shows what it waits for or why it ended."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_END_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
        return next((line.strip()[:_LAST_LINE_LENGTH] for line in reversed(lines) if line.strip()), "nothing")
    return "nothing"


def processor_seconds(pid: int) -> float:
    """The processor time of a process and of those it has started (Linux; elsewhere, or when it has ended, 0)."""
    seconds = 0.0
    with suppress(OSError):
        # The name, in parentheses, may have spaces; the fields are counted behind it (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            seconds += sum(processor_seconds(int(child)) for child in children.read_text().split())
    return seconds
