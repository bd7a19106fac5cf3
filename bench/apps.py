"""Applications to measure against, each a process of its own while it is needed."""

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from bench.load import Target
from tests.support import free_port, until


@contextlib.contextmanager
def running(module: str, path: str, *arguments: str, token: str = "") -> Iterator[Target]:
    """`python -m MODULE PORT ARGUMENTS…`, once it listens."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", module, str(port), *arguments], stdout=log, stderr=log)
        try:
            target = Target("127.0.0.1", port, path, token)
            until(lambda: _listens(target, process, log), f"{module} {arguments} listens")
            yield target
        finally:
            process.terminate()
            process.wait(20)


def _listens(target: Target, process: "subprocess.Popen[bytes]", log: IO[bytes]) -> bool:
    if process.poll() is not None:
        log.seek(0)
        raise AssertionError(log.read().decode()[-2000:])
    with contextlib.suppress(OSError), socket.create_connection((target.host, target.port), timeout=1):
        return True
    return False
