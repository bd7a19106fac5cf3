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
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, TypeVar

import msgspec
import structlog

from chengxin.bounds import bound
from chengxin.errors import Problem
from chengxin.tabular import exits, frames
from chengxin.tabular.frames import About, BrokenFrames
from chengxin.tabular.problems import (
    FILE_NOT_READ_NOW,
    FILE_READERS_BUSY,
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
_MEMORY: Final = "读取时超出内存上限，或读取程序中止 / reading it took more memory than the limit, or was aborted"
_TIME: Final = "读取时超出处理时间上限 / reading it took more processor time than the limit"
_DISK: Final = "内容展开后超出上限 / its content is larger than the limit once unpacked"
_CONTENT: Final = "含有读不出的内容 / it holds something that cannot be read"
# And when the system is the reason.
_KILLED: Final = "系统内存不足 / the system is short of memory"
_FULL: Final = "系统磁盘空间不足 / the system is short of disk space"
_STALLED: Final = "系统过于繁忙 / the system is too busy"

_FILE_REASONS: Final = {
    exits.MEMORY: _MEMORY,
    exits.FILE_TOO_LONG: _DISK,
    -signal.SIGXCPU: _TIME,
    -signal.SIGABRT: _MEMORY,
    -signal.SIGXFSZ: _DISK,
}
_SYSTEM_REASONS: Final = {exits.DISK_FULL: _FULL, -signal.SIGKILL: _KILLED, -signal.SIGTERM: _KILLED}

bound(
    __name__,
    "BoundedSemaphore",
    "BoundedSemaphore",
    "Popen",
    "TemporaryFile",
    resource="Processes that read files",
    total=4,
    share="what ingest's executor of uploads gives a caller",
    seconds=60.0,
    why="Eight more callers wait for a place, ten seconds",
    test="tests/chengxin/tabular/test_reading.py::test_one_too_many_is_told_to_try_again",
)


@dataclass(frozen=True)
class ReaderLimits:
    """The limits of one reader."""

    # Bytes of memory. A workbook at the bounds of `reader.xlsx_bounds` takes some 700 MiB.
    memory: int = 1280 << 20
    # Seconds of its own processor time, so that a busy machine refuses no file. The largest file takes a third of it.
    seconds: int = 120
    # Bytes of its output, packed.
    disk: int = 256 << 20
    # Seconds without progress after which it is given up.
    still_seconds: float = 120


class Content:
    """What a reader has written about a file. While it is open it takes disk space, but it has no name."""

    def __init__(self, written: IO[bytes], kind: str) -> None:
        self._written = written
        self._kind = kind
        try:
            last = frames.last_sort(written)
        except BrokenFrames:
            last = b""
        if last not in (frames.END, frames.FAULT):
            raise _describe_failure(kind, exits.UNEXPECTED)

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


class Readers:
    """Runs at most `at_once` readers; `waiting` more callers may wait for a place, for at most `patience` seconds."""

    def __init__(self, at_once: int = 4, waiting: int = 8, patience: float = 10) -> None:
        self.limits = ReaderLimits()
        self.patience = patience
        self._places = threading.BoundedSemaphore(at_once)
        self._queue = threading.BoundedSemaphore(at_once + waiting)

    def read(self, file: IO[bytes], kind: str, most: int = 0) -> Content:
        """Has an open file read, the first `most` rows of it when that is not 0.

        Raises FILE_READERS_BUSY, FILE_NOT_READ_NOW, and when the file stopped its reader FILE_WORKBOOK_BROKEN or
        FILE_UNREADABLE. `Content` raises a problem that the reader reports, at the place where the reader met it.
        """
        with self._place(), contextlib.ExitStack() as stack:
            try:
                written = stack.enter_context(tempfile.TemporaryFile(prefix="chengxin-read-"))
            except OSError:
                raise _describe_failure(kind, _FULL) from None
            status = _run_reader(file, written, kind, most, self.limits)
            if status != 0:
                raise _describe_failure(kind, status)
            content = Content(written, kind)
            # From here on the caller closes it.
            stack.pop_all()
            return content

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._queue.acquire(blocking=False):
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
        try:
            if not self._places.acquire(timeout=self.patience):
                raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._queue.release()


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


def _run_reader(file: IO[bytes], written: IO[bytes], kind: str, most: int, limits: ReaderLimits) -> int | str:
    """Runs a reader; returns its exit status, or why it was given up."""
    arguments = (most, limits.memory, limits.seconds, limits.disk, os.getpid())
    try:
        with _open_for_reader(file) as reader_input:
            # The thread that starts a reader waits for it, because the kernel ends the reader with that thread.
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-m", _READER, kind, *map(str, arguments)],
                stdin=reader_input,
                stdout=written,
                # Stays open while the reader lives. Its text is discarded: a panic prints the value that caused it.
                stderr=subprocess.PIPE,
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
    except OSError:
        return _KILLED
    with process:
        try:
            if not _wait_for_end(process, written, limits.still_seconds):
                return _STALLED
            return process.wait(limits.still_seconds)
        except subprocess.TimeoutExpired:
            return _STALLED
        finally:
            # This does nothing to a process that has ended.
            process.kill()


@contextlib.contextmanager
def _open_for_reader(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file as a reader gets it: the reader cannot write to it or move the position of others in it (Linux)."""
    if sys.platform == "linux":
        with open(f"/proc/self/fd/{file.fileno()}", "rb") as opened:
            yield opened
    else:
        yield file


def _wait_for_end(process: "subprocess.Popen[bytes]", written: IO[bytes], still_seconds: float) -> bool:
    """Waits until the process has ended, or makes no progress for too long. Returns whether it has ended."""
    assert process.stderr is not None
    descriptor = process.stderr.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    progress, progressed_at = _measure_progress(process.pid, written), time.monotonic()
    while True:
        if poll.poll(_POLL_MILLISECONDS) and not os.read(descriptor, 1 << 16):
            return True
        if (current := _measure_progress(process.pid, written)) != progress:
            progress, progressed_at = current, time.monotonic()
        elif time.monotonic() - progressed_at > still_seconds:
            return False


def _measure_progress(pid: int, written: IO[bytes]) -> tuple[Any, ...]:
    """How far a process is: its ticks of processor time, where the system shows them, and its bytes of output."""
    ticks: list[str] = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        # The fields after the process's name, which may hold any character.
        ticks = stat.read().rpartition(")")[2].split()[11:13]
    return (*ticks, os.fstat(written.fileno()).st_size)
