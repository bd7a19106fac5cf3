"""The embedded stores: one SecantusDB process for each service, each with its own directory and account."""

import contextlib
import importlib.util
import itertools
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from chengxin_cli.suite.home import PDEATHSIG, PROCESSES, Home, parental

_MARK: Final = "account-created"
# A document that a transaction writes keeps the page it lies on, tens of KB, in the cache until the commit. From 20 % of the
# cache on (10 % in changes) the engine has every thread help to make room, also one that only reads and has the store's lock:
# where all those pages are of the open transaction it waits for ever, and the transaction for the lock (decision 19).
_ENGINE: Final = "eviction_dirty_trigger=90,eviction_updates_trigger=90"
# What a store's process finds in its environment. Fewer malloc arenas: a third of the memory at rest.
ENVIRONMENT: Final = {"WIREDTIGER_CONFIG": _ENGINE, "MALLOC_ARENA_MAX": "2"}
_START_SECONDS: Final = 30
_COMMAND_SECONDS: Final = 5.0
_END_SECONDS: Final = 15
_ATTEMPTS: Final = 3


# Below the ports that Linux gives to outgoing connections (from 32768): there one that is free now may belong to
# somebody's connection before its service listens, and the service is started in vain until that ends.
_PORTS: Final = range(20_000, 32_768)
# The newest that were chosen, bound until this process ends, so that nobody else chooses them before their service listens.
# Linux lets a service listen beside a socket that only is bound, when both say SO_REUSEADDR, as all of ours do.
_HELD: Final[deque[socket.socket]] = deque(maxlen=256)


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports that nobody uses and no outgoing connection will be given. On Linux nobody else is given them by
    this function, until this process ends or has chosen 256 others.

    Raises `OSError` when there are not so many.
    """
    found = list(itertools.islice(_free(), count))
    if len(found) < count:
        raise OSError(f"fewer than {count} ports from {_PORTS.start} to {_PORTS.stop - 1} are free")
    return found


def _free() -> Iterator[int]:
    for port in secrets.SystemRandom().sample(_PORTS, len(_PORTS)):
        probe = socket.socket()
        try:
            # Without SO_REUSEADDR at first: so it is refused where anybody holds the port.
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
    place = ["--port", str(port), "--directory", str(directory)]
    return [sys.executable, "-m", "chengxin_cli.suite.store_process", *place, *options]


def uri(home: Home, process: str, port: int) -> str:
    """Where a process finds its store, with its credentials."""
    password = quote(home.store_passwords()[process])
    # SecantusDB scans its register of retryable writes on every write, so they are off; we retry ourselves.
    options = "authSource=admin&directConnection=true&retryWrites=false"
    return f"mongodb://{process}:{password}@127.0.0.1:{port}/{process}?{options}"


def create_accounts(home: Home) -> None:
    """Gives each new store its account, which only a start without authentication can do."""
    missing = [p for p in PROCESSES if not (home.store(p) / _MARK).exists()]
    with ThreadPoolExecutor(len(PROCESSES)) as pool:
        list(pool.map(lambda job: _create_account(home, *job), zip(missing, free_ports(len(missing)), strict=True)))


def _create_account(home: Home, process: str, port: int) -> None:
    home.store(process).mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        if _account_created(home, process, port):
            (home.store(process) / _MARK).touch()
            return
    raise TimeoutError(f"the store of {process} does not end")


def _account_created(home: Home, process: str, port: int) -> bool:
    """Whether the store has ended in good order after it: one that has not may have lost it."""
    # When this process is killed, the store ends with it.
    daemon = subprocess.Popen(
        [sys.executable, "-I", str(PDEATHSIG), *command(port, home.store(process))],
        env=parental() | ENVIRONMENT,
        stderr=subprocess.DEVNULL,
    )
    try:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            "127.0.0.1", port, directConnection=True, retryWrites=False, timeoutMS=round(_COMMAND_SECONDS * 1000)
        )
        _wait_for(client, daemon, process)
        with contextlib.suppress(OperationFailure):  # left by an interrupted first start
            client.admin.command("dropUser", process)
        client.admin.command(
            "createUser",
            process,
            pwd=home.store_passwords()[process],
            roles=[{"role": "readWrite", "db": process}, {"role": "dbAdmin", "db": process}],
        )
        client.close()
    finally:
        daemon.terminate()
        try:
            daemon.wait(_END_SECONDS)
        # Seen once in a hundred first starts of a busy machine.
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    return daemon.returncode != -signal.SIGKILL


def _wait_for(client: pymongo.MongoClient[dict[str, object]], daemon: "subprocess.Popen[bytes]", name: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            client.admin.command("ping")
            return
        except PyMongoError:
            if daemon.poll() is not None:
                raise click.ClickException(
                    f"the store of {name} ended at once (exit {daemon.returncode}); is another one running in its directory?"
                ) from None
            if time.monotonic() > deadline:
                raise click.ClickException(f"the store of {name} did not start within {_START_SECONDS} s") from None
