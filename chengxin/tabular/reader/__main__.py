"""Reads one file, or dies: `python -I -m chengxin.tabular.reader KIND MOST MEMORY SECONDS DISK PARENT`.

The file is standard input; the result goes to standard output in the pieces of `chengxin.tabular.frames`. The last
piece shows how the reader ended, or the exit status when there is none.
"""

import contextlib
import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Final

from chengxin.tabular import frames
from chengxin.tabular.exits import DISK_FULL, FILE_TOO_LONG, MEMORY, UNEXPECTED
from chengxin.tabular.frames import Writer
from chengxin.tabular.reader.fault import Fault

_PR_SET_PDEATHSIG: Final = 1
# The score with which the kernel ends this process first when memory is short, and no service.
_OOM_SCORE: Final = "1000"
_NICENESS: Final = 5


def main(kind: str, *numbers: str) -> int:
    """Reads the file; returns the exit status."""
    most, memory, seconds, disk, parent = map(int, numbers)
    _bind_to_parent(parent)
    read = _import_reader(kind)
    _limit_resources(memory, seconds, disk)
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            out = Writer(file, _give_sign)
            try:
                read(out, most)
                out.put(frames.END, None)
            except Fault as fault:
                out.put(frames.FAULT, (fault.code, fault.params))
    except MemoryError:
        return MEMORY
    except OSError as e:
        return {errno.EFBIG: FILE_TOO_LONG, errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL}.get(
            e.errno or 0, UNEXPECTED
        )
    # The error is not shown: it could hold content of the file.
    except BaseException:
        return UNEXPECTED
    return 0


def _give_sign() -> None:
    """Tells the waiting process that it can look at what is written so far."""
    os.write(sys.stderr.fileno(), b"\n")


def _import_reader(kind: str) -> Callable[[Writer, int], None]:
    """Imports the function that reads this kind, and no other."""
    match kind:
        case "csv":
            from chengxin.tabular.reader.csv_file import read_csv as read
        case "jsonl":
            from chengxin.tabular.reader.jsonl_file import read_jsonl as read
        case "xlsx":
            from chengxin.tabular.reader.xlsx_file import read_xlsx as read
        case "book":
            from chengxin.tabular.reader.xlsx_file import read_book as read
        case "attachments":
            from chengxin.tabular.reader.attachments import read_attachments as read
        case _:
            raise ValueError(kind)
    return read


def _bind_to_parent(parent: int) -> None:
    """Makes this process end with its parent, and before any service when memory is short (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have ended before the request.
        if os.getppid() != parent:
            os._exit(UNEXPECTED)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(_OOM_SCORE)


def _limit_resources(memory: int, seconds: int, disk: int) -> None:
    """Limits this process from here on. It writes no core, because that would hold content of the file."""
    # At the limit a signal of its own ends the process, a second later the kernel does so at once.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    # What serves callers goes first: readers get the processors that nothing else wants.
    os.nice(_NICENESS)
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        # A system without one of them has the others, and the parent process watches over the time.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))
