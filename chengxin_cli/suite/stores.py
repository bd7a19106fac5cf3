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

from chengxin_cli.suite.home import PDEATHSIG, PROCESSES, Home, parent_environment

_ACCOUNT_MARK: Final = "account-created"
# A document that a transaction writes keeps the page it lies on, tens of KB, in the cache until the commit. From 20 %
# of the cache on (10 % in changes) the engine makes every thread help to free space, also a thread that only reads and
# has the store's lock. When all those pages belong to the open transaction, that thread waits for ever, and the
# transaction waits for the lock (decision 19).
_ENGINE_OPTIONS: Final = "eviction_dirty_trigger=90,eviction_updates_trigger=90"
# The environment of a store's process. With fewer malloc arenas it takes a third of the memory at rest.
ENVIRONMENT: Final = {"WIREDTIGER_CONFIG": _ENGINE_OPTIONS, "MALLOC_ARENA_MAX": "2"}
_START_SECONDS: Final = 30
_COMMAND_SECONDS: Final = 5.0
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


def create_accounts(home: Home) -> None:
    """Gives each new store its account, which is possible only while it runs without authentication."""
    missing = [p for p in PROCESSES if not (home.store(p) / _ACCOUNT_MARK).exists()]
    with ThreadPoolExecutor(len(PROCESSES)) as pool:
        list(pool.map(lambda job: _create_account(home, *job), zip(missing, free_ports(len(missing)), strict=True)))


def _create_account(home: Home, process: str, port: int) -> None:
    home.store(process).mkdir(parents=True, exist_ok=True)
    for _ in range(_ATTEMPTS):
        if _try_to_create_account(home, process, port):
            (home.store(process) / _ACCOUNT_MARK).touch()
            return
    raise TimeoutError(f"the store of {process} does not end")


def _try_to_create_account(home: Home, process: str, port: int) -> bool:
    """Creates the account; returns whether the store then ended in good order: else it may have lost the account."""
    # When this process is killed, the store ends with it.
    daemon = subprocess.Popen(
        [sys.executable, "-I", str(PDEATHSIG), *command(port, home.store(process))],
        env=parent_environment() | ENVIRONMENT,
        stderr=subprocess.DEVNULL,
    )
    try:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            "127.0.0.1", port, directConnection=True, retryWrites=False, timeoutMS=round(_COMMAND_SECONDS * 1000)
        )
        _wait_until_it_answers(client, daemon, process)
        with contextlib.suppress(OperationFailure):  # a first start that was interrupted left it
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
        # This was seen once in a hundred first starts on a busy machine.
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    return daemon.returncode != -signal.SIGKILL


def _wait_until_it_answers(
    client: pymongo.MongoClient[dict[str, object]], daemon: "subprocess.Popen[bytes]", name: str
) -> None:
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
