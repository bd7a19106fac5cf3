"""Has a file from outside read by a process that may die: no content can harm the process that asks.

A reader is a new interpreter (`chengxin.tabular.reader`), not a copy of the service: it has none of the service's
memory, keys, sockets and locks, and no environment. It reads the file to its end, writes the result to a file without a
name, and ends before the result is used. Neither file can stay behind, because the kernel frees a file with the process
that has it open.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final, TypeVar

import msgspec
import structlog

from chengxin.bounds import bound
from chengxin.concurrency.budgets import Budget
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.errors import InBoth, Problem
from chengxin.tabular import exits, frames
from chengxin.tabular.frames import About, BrokenFrames
from chengxin.tabular.problems import (
    FILE_NOT_READ_NOW,
    FILE_READERS_BUSY,
    FILE_SHARE_USED,
    FILE_UNREADABLE,
    FILE_WORKBOOK_BROKEN,
    READER_PROBLEMS,
)

T = TypeVar("T")
log = structlog.get_logger()

_READER: Final = "chengxin.tabular.reader"
_WORKBOOKS: Final = ("xlsx", "book")
# What an interpreter may need to start at all; no other variable is passed on.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH",)
_POLL_MILLISECONDS: Final = 1000
_RETRY_SECONDS: Final = 5
_LONGEST_PARAMETER: Final = 2000
_ABOUT: Final = msgspec.msgpack.Decoder(About)
_FAULT: Final = msgspec.msgpack.Decoder(tuple[str, dict[str, str]])

# Why a reader did not finish, when the file is the reason.
_MEMORY: Final = InBoth(
    "读取时超出内存上限，或读取程序中止", "reading it took more memory than the limit, or was aborted"
)
_TIME: Final = InBoth("读取时超出处理时间上限", "reading it took more processor time than the limit")
_DISK: Final = InBoth("内容展开后超出上限", "its content is larger than the limit once unpacked")
_CONTENT: Final = InBoth("含有读不出的内容", "it holds something that cannot be read")
# And when the system is the reason.
_KILLED: Final = InBoth("系统内存不足", "the system is short of memory")
_FULL: Final = InBoth("系统磁盘空间不足", "the system is short of disk space")
_STALLED: Final = InBoth("系统过于繁忙", "the system is too busy")

_FILE_REASONS: Final = {
    exits.MEMORY: _MEMORY,
    exits.FILE_TOO_LONG: _DISK,
    -signal.SIGXCPU: _TIME,
    -signal.SIGABRT: _MEMORY,
    -signal.SIGXFSZ: _DISK,
}
_SYSTEM_REASONS: Final = {exits.DISK_FULL: _FULL, -signal.SIGKILL: _KILLED, -signal.SIGTERM: _KILLED}

QUEUE: Final = bound(
    __name__,
    "BoundedSemaphore",
    "Popen",
    "TemporaryFile",
    resource="Files that are read, or wait for it",
    total=12,
    share=3,
    seconds=120,
    why="Four are read at once, so that one caller leaves a reader to the others; the time is of a processor",
    test="tests/chengxin/tabular/test_reading.py::test_one_too_many_is_told_to_try_again",
)
_AT_ONCE: Final = 4


@dataclass(frozen=True)
class ReaderLimits:
    """The limits of one reader."""

    # Bytes of memory. A workbook at the bounds of `reader.xlsx_bounds` takes some 700 MiB.
    memory: int = 1280 << 20
    # Seconds of its own processor time, so that a busy machine refuses no file: so many for any file, and so many more
    # for each MiB, up to `seconds`. The largest file takes a third of that, a dense workbook half of its part: a small
    # file that unpacks to a large one is no provider's.
    least_seconds: int = 10
    seconds_per_mib: int = 10
    seconds: int = 120
    # Bytes of its output, packed.
    disk: int = 256 << 20
    # Seconds without progress after which it is given up.
    still_seconds: float = 120

    def seconds_for(self, size: int) -> int:
        """The processor seconds for a file of so many bytes."""
        return min(self.seconds, self.least_seconds + self.seconds_per_mib * size // (1 << 20))


class Content:
    """What a reader has written about a file. While it is open it takes disk space, but it has no name."""

    def __init__(self, written: IO[bytes], kind: str) -> None:
        self._written = written
        self._kind = kind

    def must_be_whole(self) -> None:
        """Raises the problem of a file whose reader did not come to its end."""
        try:
            last = frames.last_sort(self._written)
        except BrokenFrames:
            last = b""
        if last not in (frames.END, frames.FAULT):
            raise _describe_failure(self._kind, exits.UNEXPECTED)

    def close(self) -> None:
        """Frees its disk space."""
        self._written.close()

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """The pieces in order, without the end. Raises the file's problem at the place where the reader met it."""
        for sort, content in self._read_pieces():
            if sort == frames.FAULT:
                code, params = self.decoded(_FAULT, content)
                if (problem := READER_PROBLEMS.get(code)) is None:
                    raise _describe_failure(self._kind, exits.UNEXPECTED)
                raise Problem(problem, {name: value[:_LONGEST_PARAMETER] for name, value in params.items()})
            if sort != frames.END:
                yield sort, content

    def _read_pieces(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from frames.pieces(self._written)
        except BrokenFrames:
            raise _describe_failure(self._kind, exits.UNEXPECTED) from None

    def first(self, sort: bytes, decoder: "msgspec.msgpack.Decoder[T]") -> T:
        """The first piece of a sort. Raises the file's problem when that comes before it."""
        for piece_sort, content in self.pieces():
            if piece_sort == sort:
                return self.decoded(decoder, content)
        raise _describe_failure(self._kind, exits.UNEXPECTED)

    def about(self) -> About:
        """What is known about the file besides its rows."""
        return self.first(frames.ABOUT, _ABOUT)

    def decoded(self, decoder: "msgspec.msgpack.Decoder[T]", content: bytes) -> T:
        """A piece as a value of the type that it must have. A reader that writes another type counts as dead."""
        try:
            return decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _describe_failure(self._kind, exits.UNEXPECTED) from None


Judge = Callable[[Content], object]
# Processor seconds that one caller may use up at once, and a second: with a quarter of a processor it delivers a
# workbook of the greatest size every three minutes, all day.
_PROCESSOR_SECONDS: Final = 240
_PROCESSOR_RATE: Final = 0.25


@dataclass
class Readers:
    """Runs readers: four at once, while more callers wait. No caller has all of them.

    A caller that has used up its processor time is refused until it has some again. Readers also run at a lower
    priority than what serves callers.
    """

    limits: ReaderLimits = field(default_factory=ReaderLimits)
    # Seconds that a caller waits for a reader.
    patience: float = 10
    queue: Shares = field(default_factory=lambda: Shares(QUEUE))
    free: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE))
    processor: Budget = field(default_factory=lambda: Budget(_PROCESSOR_RATE, _PROCESSOR_SECONDS))

    def read(
        self, file: IO[bytes], kind: str, caller: Claimant, most: int = 0, judge: Judge = lambda _: None
    ) -> Content:
        """Has an open file read for a caller, the first `most` rows of it when that is not 0.

        `judge` is called while the reader goes on, once there are labels or rows. What it raises ends the reader.

        Raises FILE_READERS_BUSY, FILE_SHARE_USED, FILE_NOT_READ_NOW, and when the file stopped its reader
        FILE_WORKBOOK_BROKEN or FILE_UNREADABLE. `Content` raises a problem that the reader reports, at the place where
        the reader met it.
        """
        if seconds := self.processor.owes(caller):
            raise FILE_SHARE_USED(retry_after=seconds)
        with self._place(caller), contextlib.ExitStack() as stack:
            try:
                written = stack.enter_context(tempfile.TemporaryFile(prefix="chengxin-read-"))
            except OSError:
                raise _describe_failure(kind, _FULL) from None
            content = Content(written, kind)
            run = _ReaderRun(written, self.limits, lambda: judge(content))
            try:
                status = run.read(file, kind, most)
            finally:
                self.processor.spend(caller, run.seconds)
            if status != 0:
                raise _describe_failure(kind, status)
            content.must_be_whole()
            # From here on the caller closes it.
            stack.pop_all()
            return content

    @contextlib.contextmanager
    def _place(self, caller: Claimant) -> Iterator[None]:
        held = self.queue.take(caller)
        if held is None:
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
        with held:
            if not self.free.acquire(timeout=self.patience):
                raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
            try:
                yield
            finally:
                self.free.release()


# The readers of this process.
READERS: Final = Readers()


def _describe_failure(kind: str, status: int | str) -> Problem:
    # The log shows nothing of the file, not even its name: either may hold an identity number.
    # A command does not log: its user alone sees the error.
    if structlog.is_configured():
        log.warning("a reader did not come to its end", kind=kind, status=status)
    system_reason = status if isinstance(status, str) else _SYSTEM_REASONS.get(status)
    if system_reason:
        return FILE_NOT_READ_NOW(reason=system_reason, retry_after=_RETRY_SECONDS)
    reason = _FILE_REASONS.get(int(status), _CONTENT)
    return (FILE_WORKBOOK_BROKEN if kind in _WORKBOOKS else FILE_UNREADABLE)(reason=reason)


class _ReaderRun:
    """One reader, from its start to its end."""

    def __init__(self, written: IO[bytes], limits: ReaderLimits, judge: Callable[[], object]) -> None:
        self._written = written
        self._limits = limits
        self._judge: Callable[[], object] | None = judge
        # The processor time that it took, in seconds.
        self.seconds = 0.0

    def read(self, file: IO[bytes], kind: str, most: int) -> int | str:
        """Runs the reader; returns its exit status, or why it was given up. Raises what its judge raises."""
        limits = self._limits
        seconds = limits.seconds_for(os.fstat(file.fileno()).st_size)
        arguments = (most, limits.memory, seconds, limits.disk, os.getpid())
        try:
            with _open_for_reader(file) as reader_input:
                # The thread that starts a reader waits for it, because the kernel ends the reader with that thread.
                process = subprocess.Popen(
                    [sys.executable, "-I", "-X", "utf8", "-m", _READER, kind, *map(str, arguments)],
                    stdin=reader_input,
                    stdout=self._written,
                    # Stays open while the reader lives; what comes from it is a sign, or noise: a panic prints the value
                    # that caused it.
                    stderr=subprocess.PIPE,
                    cwd="/",
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    start_new_session=True,
                )
        except OSError:
            return _KILLED
        started_at = time.monotonic()
        with process:
            try:
                if not self._wait_for_end(process):
                    return _STALLED
                self.seconds = _processor_seconds(process.pid, started_at)
                return process.wait(limits.still_seconds)
            except subprocess.TimeoutExpired:
                return _STALLED
            finally:
                if process.returncode is None:
                    self.seconds = _processor_seconds(process.pid, started_at)
                # This does nothing to a process that has ended.
                process.kill()

    def _wait_for_end(self, process: "subprocess.Popen[bytes]") -> bool:
        """Waits until the process has ended, or makes no progress for too long. Returns whether it has ended."""
        assert process.stderr is not None
        descriptor = process.stderr.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        progress, progressed_at = self._measure_progress(process.pid), time.monotonic()
        while True:
            if poll.poll(_POLL_MILLISECONDS):
                if not os.read(descriptor, 1 << 16):
                    return True
                if self._judge:
                    self._judge()
                    self._judge = None
            if (current := self._measure_progress(process.pid)) != progress:
                progress, progressed_at = current, time.monotonic()
            elif time.monotonic() - progressed_at > self._limits.still_seconds:
                return False

    def _measure_progress(self, pid: int) -> tuple[Any, ...]:
        """How far a process is: its ticks of processor time, where the system shows them, and its bytes of output."""
        return (*_ticks(pid), os.fstat(self._written.fileno()).st_size)


@contextlib.contextmanager
def _open_for_reader(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file as a reader gets it: the reader cannot write to it or move the position of others in it (Linux)."""
    if sys.platform == "linux":
        with open(f"/proc/self/fd/{file.fileno()}", "rb") as opened:
            yield opened
    else:
        yield file


def _ticks(pid: int) -> list[int]:
    """The ticks of processor time of a process, as a program and in the kernel; none where the system shows none."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/stat") as stat:
        # The fields after the process's name, which may hold any character.
        return list(map(int, stat.read().rpartition(")")[2].split()[11:13]))
    return []


def _processor_seconds(pid: int, started_at: float) -> float:
    """The processor time of a process that nobody has waited for; where it is not shown, the time since its start."""
    if ticks := _ticks(pid):
        return sum(ticks) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - started_at
