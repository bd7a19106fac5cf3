"""Has a file from outside read by a process that may die: whatever is in the file, this one stays as it is.

A reader is a new interpreter (`chengxin.tabular.reader`), not a copy of the service: it has none of its memory, keys,
sockets and locks, and no environment. It reads the file to its end into a file without a name, and is gone before anything
is done with what it has read. Neither file can stay behind, for the kernel frees them with the process that has them open.
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

from chengxin.errors import Problem
from chengxin.tabular import exits, frames
from chengxin.tabular.frames import About, BrokenFrames
from chengxin.tabular.problems import (
    FILE_NOT_READ_NOW,
    FILE_READERS_BUSY,
    FILE_UNREADABLE,
    FILE_WORKBOOK_BROKEN,
    OF_READERS,
)

T = TypeVar("T")
log = structlog.get_logger()

_READER: Final = "chengxin.tabular.reader"
_WORKBOOKS: Final = ("xlsx", "book")
# What an interpreter may need to start at all; nothing else is handed on.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH",)
_LOOK_MILLISECONDS: Final = 1000
_RETRY_SECONDS: Final = 5
_LONGEST_WORD: Final = 2000
_ABOUT: Final = msgspec.msgpack.Decoder(About)
_FAULT: Final = msgspec.msgpack.Decoder(tuple[str, dict[str, str]])

# Why a reader did not come to its end, where the file is the reason.
_MEMORY: Final = "读取时超出内存上限，或读取程序中止 / reading it took more memory than the limit, or was aborted"
_TIME: Final = "读取时超出处理时间上限 / reading it took more processor time than the limit"
_DISK: Final = "内容展开后超出上限 / its content is larger than the limit once unpacked"
_CONTENT: Final = "含有读不出的内容 / it holds something that cannot be read"
# And where it is not.
_KILLED: Final = "系统内存不足 / the system is short of memory"
_FULL: Final = "系统磁盘空间不足 / the system is short of disk space"
_STILL: Final = "系统过于繁忙 / the system is too busy"

_BY_STATUS: Final = {
    exits.MEMORY: _MEMORY,
    exits.FILE_TOO_LONG: _DISK,
    -signal.SIGXCPU: _TIME,
    -signal.SIGABRT: _MEMORY,
    -signal.SIGXFSZ: _DISK,
}
_NOT_ITS_FAULT: Final = {exits.DISK_FULL: _FULL, -signal.SIGKILL: _KILLED, -signal.SIGTERM: _KILLED}


@dataclass(frozen=True)
class ReaderLimits:
    """Of one reader."""

    # A workbook at the bounds of `reader.xlsx_bounds` takes some 700 MiB.
    memory: int = 1280 << 20
    # Of its own processor time, so that a busy machine refuses nothing: the largest file takes a third.
    seconds: int = 120
    # Of what it has read, packed.
    disk: int = 256 << 20
    # Without any work done it is given up.
    still_seconds: float = 120


class Content:
    """What a reader has written down of a file. As long as it is open it takes room on the disk, and no name."""

    def __init__(self, written: IO[bytes], kind: str) -> None:
        self._written = written
        self._kind = kind
        try:
            last = frames.last_sort(written)
        except BrokenFrames:
            last = b""
        if last not in (frames.END, frames.FAULT):
            raise _died(kind, exits.UNEXPECTED)

    def close(self) -> None:
        """Frees its room."""
        self._written.close()

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """The pieces in their order, without the end. Raises what is wrong with the file where the reader met it."""
        for sort, content in self._all():
            if sort == frames.FAULT:
                code, params = self.decoded(_FAULT, content)
                if (problem := OF_READERS.get(code)) is None:
                    raise _died(self._kind, exits.UNEXPECTED)
                raise Problem(problem, {name: value[:_LONGEST_WORD] for name, value in params.items()})
            if sort != frames.END:
                yield sort, content

    def _all(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from frames.pieces(self._written)
        except BrokenFrames:
            raise _died(self._kind, exits.UNEXPECTED) from None

    def first(self, sort: bytes, decoder: "msgspec.msgpack.Decoder[T]") -> T:
        """The first piece of a sort. Raises what is wrong with the file before it."""
        for found, content in self.pieces():
            if found == sort:
                return self.decoded(decoder, content)
        raise _died(self._kind, exits.UNEXPECTED)

    def about(self) -> About:
        """What is known of the file beside its rows."""
        return self.first(frames.ABOUT, _ABOUT)

    def decoded(self, decoder: "msgspec.msgpack.Decoder[T]", content: bytes) -> T:
        """A piece as a value of the type that it must have; a reader that writes another is none any more."""
        try:
            return decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _died(self._kind, exits.UNEXPECTED) from None


class Readers:
    """Readers at work, so many at once; who finds all places taken waits a little, and so many may wait."""

    def __init__(self, at_once: int = 4, waiting: int = 8, patience: float = 10) -> None:
        self.limits = ReaderLimits()
        self.patience = patience
        self._places = threading.BoundedSemaphore(at_once)
        self._queue = threading.BoundedSemaphore(at_once + waiting)

    def read(self, file: IO[bytes], kind: str, most: int = 0) -> Content:
        """Has an open file read, the first `most` rows of it when that is not 0.

        Raises FILE_READERS_BUSY, FILE_NOT_READ_NOW, and where the file stopped its reader FILE_WORKBOOK_BROKEN or
        FILE_UNREADABLE. What the reader itself says of the file is raised where it is met.
        """
        with self._place(), contextlib.ExitStack() as stack:
            try:
                written = stack.enter_context(tempfile.TemporaryFile(prefix="chengxin-read-"))
            except OSError:
                raise _died(kind, _FULL) from None
            status = _run(file, written, kind, most, self.limits)
            if status != 0:
                raise _died(kind, status)
            content = Content(written, kind)
            # From here on whoever asked closes it.
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


# Of this process.
READERS: Final = Readers()


def _died(kind: str, status: int | str) -> Problem:
    # No word of the file, not even its name: either may hold an identity number.
    # A command tells its user alone, by the error.
    if structlog.is_configured():
        log.warning("a reader did not come to its end", kind=kind, status=status)
    passing = status if isinstance(status, str) else _NOT_ITS_FAULT.get(status)
    if passing:
        return FILE_NOT_READ_NOW(reason=passing, retry_after=_RETRY_SECONDS)
    reason = _BY_STATUS.get(int(status), _CONTENT)
    return (FILE_WORKBOOK_BROKEN if kind in _WORKBOOKS else FILE_UNREADABLE)(reason=reason)


def _run(file: IO[bytes], written: IO[bytes], kind: str, most: int, limits: ReaderLimits) -> int | str:
    """The exit status of a reader, or why it was given up."""
    numbers = (most, limits.memory, limits.seconds, limits.disk, os.getpid())
    try:
        with _given(file) as given:
            # Whoever starts it waits for it: the kernel ends it with the thread that started it.
            process = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-m", _READER, kind, *map(str, numbers)],
                stdin=given,
                stdout=written,
                # Held open while it lives, and read for nothing: a panic prints what it stumbled over.
                stderr=subprocess.PIPE,
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
    except OSError:
        return _KILLED
    with process:
        try:
            if not _comes_to_an_end(process, written, limits.still_seconds):
                return _STILL
            return process.wait(limits.still_seconds)
        except subprocess.TimeoutExpired:
            return _STILL
        finally:
            # Nothing of a process that has ended.
            process.kill()


@contextlib.contextmanager
def _given(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file as a reader gets it: it cannot write to it, nor move the place of others in it (Linux)."""
    if sys.platform == "linux":
        with open(f"/proc/self/fd/{file.fileno()}", "rb") as opened:
            yield opened
    else:
        yield file


def _comes_to_an_end(process: "subprocess.Popen[bytes]", written: IO[bytes], still_seconds: float) -> bool:
    """Waits until the process has ended, or does nothing for too long."""
    assert process.stderr is not None
    descriptor = process.stderr.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    done, since = _done(process.pid, written), time.monotonic()
    while True:
        if poll.poll(_LOOK_MILLISECONDS) and not os.read(descriptor, 1 << 16):
            return True
        if (now := _done(process.pid, written)) != done:
            done, since = now, time.monotonic()
        elif time.monotonic() - since > still_seconds:
            return False


def _done(pid: int, written: IO[bytes]) -> tuple[Any, ...]:
    """What a process has done so far: its ticks of processor time, where the system tells, and what it has written."""
    ticks: list[str] = []
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as stat:
        # After its name, which may hold anything.
        ticks = stat.read().rpartition(")")[2].split()[11:13]
    return (*ticks, os.fstat(written.fileno()).st_size)
