"""The embedded stores: one SecantusDB process for each service, each with its own directory and account."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from chengxin.cli.home import PDEATHSIG, PROCESSES, Home

_MARK: Final = "account-created"
_CACHE: Final = "256M"


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports nobody listens on at the moment."""
    with contextlib.ExitStack() as held:
        ports = []
        for _ in range(count):
            s = held.enter_context(socket.socket())
            s.bind(("127.0.0.1", 0))
            ports.append(int(s.getsockname()[1]))
        return ports


def command(home: Home, process: str, port: int, *extra: str) -> list[str]:
    """The command line of a store. Durable on every commit: without it a kill loses acknowledged writes."""
    daemon = Path(sys.executable).with_name("secantusd-py")
    if not daemon.exists():
        raise click.ClickException("the embedded store is not installed; run: pip install 'chengxin[embedded]'")
    return [
        *(str(daemon), "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(home.store(process))),
        *("--sync-on-commit", "--cache-size", _CACHE, "--log-level", "WARNING", *extra),
    ]


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
    # When this process is killed, the store ends with it.
    daemon = subprocess.Popen(
        [sys.executable, "-I", str(PDEATHSIG), *command(home, process, port)], stderr=subprocess.DEVNULL
    )
    try:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
            "127.0.0.1", port, directConnection=True, retryWrites=False, serverSelectionTimeoutMS=500
        )
        _wait_for([client], 30)
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
        daemon.wait(30)
    (home.store(process) / _MARK).touch()


def _wait_for(clients: Iterable[pymongo.MongoClient[dict[str, object]]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for client in clients:
        while True:
            try:
                client.admin.command("ping")
                break
            except PyMongoError:
                if time.monotonic() > deadline:
                    raise click.ClickException(f"a store did not start within {seconds:.0f} s") from None
