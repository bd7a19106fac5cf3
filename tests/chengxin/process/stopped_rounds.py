"""A program for tests: `stopped_rounds.py SEED ROUNDS` starts small services and stops each at a drawn moment.

It prints a line for each round that does not end as it should. It forks, so that a round costs no new interpreter.
"""

import contextlib
import http.client
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from chengxin.process.runtime import Service, serve

_AT_ONCE: Final = 8
# A stop takes some ten milliseconds; a service that hangs is killed by its keeper after eight seconds.
_PATIENCE_SECONDS: Final = 7.0
_STOPS: Final = (signal.SIGTERM, signal.SIGINT)


class NoGrpc:
    """Stands where a service has its gRPC server."""

    def start(self) -> None:
        pass

    def stop(self, grace: float) -> threading.Event:
        ended = threading.Event()
        ended.set()
        return ended


def _answer(environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def _ask(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    return False


def _serve_in_child(port: int) -> None:
    os.setsid()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        serve("small", f"127.0.0.1:{port}", lambda: Service(_answer, NoGrpc()))
    except SystemExit as e:
        os._exit(int(e.code or 0))
    os._exit(0)


def _find_members(group: int) -> list[int]:
    """The processes of a process group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group, *_ = stat.read_text().rpartition(")")[2].split()
            if int(its_group) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


def _stop(group: int, moment: str, port: int, chance: random.Random) -> None:
    """Stops a service while it starts, under load, or at rest: by one signal or a burst, all its processes or one."""
    if moment == "start":
        time.sleep(chance.uniform(0, 0.2))
    else:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _ask(port) and time.monotonic() < deadline:
            time.sleep(0.01)
    enough = threading.Event()
    callers = [threading.Thread(target=lambda: [_ask(port) for _ in iter(enough.is_set, True)]) for _ in range(2)]
    for caller in callers if moment == "load" else ():
        caller.start()
    send = chance.choice((os.kill, os.killpg))
    with contextlib.suppress(ProcessLookupError):
        for _ in range(chance.choice((1, 2, 2, 20))):
            send(group, chance.choice(_STOPS))
            time.sleep(chance.choice((0, 0, 0.0001, 0.01)))
    enough.set()
    for caller in callers if moment == "load" else ():
        caller.join()


def _await_end(pid: int) -> int | None:
    """The exit status of a child; None when it does not end."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.005)
    return None


def _round(number: int, pid: int, port: int, chance: random.Random) -> str:
    moment = ("start", "load", "rest")[number % 3]
    _stop(pid, moment, port, chance)
    status = _await_end(pid)
    left = _find_members(pid)
    if status is None or left:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return f"{number}, stopped at {moment}: status {status}, left behind {left}"
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    return ""


def main(seed: int, rounds: int, ports: Iterable[int]) -> None:
    """Runs the rounds, several at once; forks before it starts threads."""
    numbers = iter(range(rounds))
    for batch in iter(lambda: [n for n, _ in zip(numbers, range(_AT_ONCE), strict=False)], []):
        started = []
        for number, port in zip(batch, ports, strict=False):
            if not (pid := os.fork()):
                _serve_in_child(port)
            started.append((number, pid, port, random.Random(f"{seed} {number}")))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for failure in filter(None, pool.map(lambda one: _round(*one), started)):
                print(failure, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]])
