"""The embedded stores: one SecantusDB process for each service, each with its own directory and account."""

import contextlib
import importlib.util
import itertools
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from chengxin_cli.suite.home import PDEATHSIG, PROCESSES, Home, parent_environment
from chengxin_cli.suite.waiting import Awaited, Standstill, read_last_line, wait_for

_ACCOUNT_MARK: Final = "account-created"
# A document that a transaction writes keeps the page it lies on, tens of KB, in the cache until the commit. From 20 %
# of the cache on (10 % in changes) the engine makes every thread help to free space, also a thread that only reads and
# has the store's lock. When all those pages belong to the open transaction, that thread waits for ever, and the
# transaction waits for the lock (decision 19).
_ENGINE_OPTIONS: Final = "eviction_dirty_trigger=90,eviction_updates_trigger=90"
# The environment of a store's process. With fewer malloc arenas it takes a third of the memory at rest.
ENVIRONMENT: Final = {"WIREDTIGER_CONFIG": _ENGINE_OPTIONS, "MALLOC_ARENA_MAX": "2"}
_COMMAND_SECONDS: Final = 5.0
# Short, because between two attempts it is seen whether the store has ended, and whether the start is to stop.
_PING_SECONDS: Final = 1.0
# A store that is told to end and does nothing for so long is killed.
_END_SECONDS: Final = 15
_ATTEMPTS: Final = 3


# These are below the ports that Linux gives to outgoing connections (from 32768): a free one of those may belong to a
# connection before its service listens, and the service is then started in vain until the connection ends.
_PORTS: Final = range(20_000, 32_768)
# The ports that were chosen last, bound until this process ends, so that no other process chooses them before their
# service listens. Linux lets a service listen beside a socket that is only bound when both set SO_REUSEADDR, as all of
# ours do.
_HELD: Final[deque[socket.socket]] = deque(maxlen=256)


def free_ports(count: int) -> list[int]:
    """Chooses distinct TCP ports that are free and that no outgoing connection will get.

    On Linux this function gives them to no other process until this process ends or has chosen 256 others. Raises
    `OSError` when fewer are free.
    """
    ports = list(itertools.islice(_find_free_ports(), count))
    if len(ports) < count:
        raise OSError(f"fewer than {count} ports from {_PORTS.start} to {_PORTS.stop - 1} are free")
    return ports


def _find_free_ports() -> Iterator[int]:
    # The search begins at a random port, because another process may choose at the same time. Shuffling all ports took
    # 16 ms.
    first = secrets.randbelow(len(_PORTS))
    for port in (_PORTS[(first + n) % len(_PORTS)] for n in range(len(_PORTS))):
        probe = socket.socket()
        try:
            # SO_REUSEADDR is not set yet, so that this fails when another socket holds the port.
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.close()
            continue
        if sys.platform == "linux":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _HELD.append(probe)
        else:
            probe.close()
        yield port


def command(port: int, directory: Path, *options: str) -> list[str]:
    """The command line of a store (`chengxin_cli.suite.store_process`)."""
    if importlib.util.find_spec("secantus") is None:
        raise click.ClickException("the embedded store is not installed; run: pip install 'chengxin[embedded]'")
    arguments = ["--port", str(port), "--directory", str(directory)]
    return [sys.executable, "-m", "chengxin_cli.suite.store_process", *arguments, *options]


def uri(home: Home, process: str, port: int) -> str:
    """The URI of a process's store, with the credentials of its account."""
    password = quote(home.store_passwords()[process])
    # SecantusDB scans its register of retryable writes on every write, so they are off; we retry ourselves.
    options = "authSource=admin&directConnection=true&retryWrites=false"
    return f"mongodb://{process}:{password}@127.0.0.1:{port}/{process}?{options}"


def create_accounts(home: Home, stop: threading.Event) -> None:
    """Gives each new store its account, which is possible only while it runs without authentication.

    Raises `Stopped`, and `ClickException` for a store that does not start; what is done by then is not repeated.
    """
    missing = [p for p in PROCESSES if not (home.store(p) / _ACCOUNT_MARK).exists()]
    jobs = zip(missing, free_ports(len(missing)), strict=True)
    with ThreadPoolExecutor(len(PROCESSES)) as pool:
        list(pool.map(lambda job: _create_account(home, job[0], job[1], stop), jobs))


def _create_account(home: Home, process: str, port: int, stop: threading.Event) -> None:
    home.store(process).mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        if _try_to_create_account(home, process, port, stop):
            (home.store(process) / _ACCOUNT_MARK).touch()
            return
    raise click.ClickException(
        f"the store of {process} does not end in good order, {_ATTEMPTS} times; see {home.log(f'{process}-store')}"
    )


def _try_to_create_account(home: Home, process: str, port: int, stop: threading.Event) -> bool:
    """Creates the account; returns whether the store then ended in good order: else it may have lost the account."""
    with home.log(f"{process}-store").open("ab") as log:
        # When this process is killed, the store ends with it.
        daemon = subprocess.Popen(
            [sys.executable, "-I", str(PDEATHSIG), *command(port, home.store(process))],
            env=parent_environment() | ENVIRONMENT,
            stdout=log,
            stderr=log,
        )
    try:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            "127.0.0.1",
            port,
            directConnection=True,
            retryWrites=False,
            timeoutMS=round(_COMMAND_SECONDS * 1000),
        )
        with contextlib.closing(client):
            wait_for(lambda: _find_missing_account(home, process, client, daemon), stop)
    finally:
        _end(home, process, daemon)
    return daemon.returncode != -signal.SIGKILL


def _find_missing_account(
    home: Home, process: str, client: pymongo.MongoClient[dict[str, object]], daemon: "subprocess.Popen[bytes]"
) -> list[Awaited]:
    """Creates the account, when the store answers."""
    log = home.log(f"{process}-store")
    try:
        with pymongo.timeout(_PING_SECONDS):
            client.admin.command("ping")
        with contextlib.suppress(OperationFailure):  # a first start that was interrupted left it
            client.admin.command("dropUser", process)
        client.admin.command(
            "createUser",
            process,
            pwd=home.store_passwords()[process],
            roles=[{"role": "readWrite", "db": process}, {"role": "dbAdmin", "db": process}],
        )
    except PyMongoError as e:
        if daemon.poll() is not None:
            raise click.ClickException(
                f"the store of {process} ended (exit {daemon.returncode}); is another one running in its directory? "
                f"Its log ends with: {read_last_line(log)} (see {log})"
            ) from None
        reason = f"its account, but it does not answer ({type(e).__name__})"
        return [Awaited(f"{process}-store", reason, log, pid=daemon.pid)]
    return []


def _end(home: Home, process: str, daemon: "subprocess.Popen[bytes]") -> None:
    name = f"{process}-store"
    daemon.terminate()

    def look() -> list[Awaited]:
        running = daemon.poll() is None
        return [Awaited(name, "its end", home.log(name), "STOPPING", daemon.pid)] if running else []

    try:
        wait_for(look, None, _END_SECONDS)
    # This was seen once in a hundred first starts on a busy machine.
    except Standstill:
        daemon.kill()
        daemon.wait()
