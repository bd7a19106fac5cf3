"""One file is read, or the process dies: `python -I -m chengxin.tabular.reader KIND MOST MEMORY SECONDS DISK PARENT`.

The file is standard input; what was read goes to standard output in the pieces of `chengxin.tabular.frames`. How it ended
is told by the last piece, and where there is none, by the exit status.
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
# What the kernel ends first when memory is short: this, and no service.
_FIRST: Final = "1000"


def main(kind: str, *numbers: str) -> int:
    """Reads; gives the exit status."""
    most, memory, seconds, disk, parent = map(int, numbers)
    _bind(parent)
    read = _reader(kind)
    _limit(memory, seconds, disk)
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as file:
            out = Writer(file)
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
    # Nothing is told of it: it could hold what is in the file.
    except BaseException:
        return UNEXPECTED
    return 0


def _reader(kind: str) -> Callable[[Writer, int], None]:
    """What reads this kind; the others are not imported."""
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


def _bind(parent: int) -> None:
    """Ends with its parent, and before it when memory is short (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # It may have ended before it was asked for.
        if os.getppid() != parent:
            os._exit(UNEXPECTED)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write(_FIRST)


def _limit(memory: int, seconds: int, disk: int) -> None:
    """No more than this from here on; no core is written, for what is in the file would be in it."""
    # The first second above it ends the process with a signal of its own, the next one at once.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        # Systems without one of them have the others, and whoever started this watches over its time.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (bound, bound))


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))
