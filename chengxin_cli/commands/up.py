"""`chengxin up`: the whole suite on one machine."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import urllib3

from chengxin.auth.tls import Trust, pool
from chengxin.feeds.quarantine import QUARANTINE
from chengxin_cli.suite import stores
from chengxin_cli.suite.edge_tls import TRUST_VARIABLES, trust_of_edges
from chengxin_cli.suite.home import PROCESSES, SERVICES, Home, held, write_private
from chengxin_cli.suite.stores_watch import StoreAsker, StoreWatch
from chengxin_cli.suite.supervision import UNREACHABLE, Supervision

_READY_SECONDS: Final = 60
# What disclosure makes from the feeds before it answers queries. In a large city, the first time, that takes an hour;
# everything else works meanwhile, and the stores must be watched.
_MADE_ANEW: Final = {("disclosure", "views"), ("disclosure", "search")}
_PORT: Final = click.IntRange(1, 65535)


class _Stopped(Exception):
    """Somebody wants the suite to stop while it starts."""


@click.command("up")
@click.option("--demo", is_flag=True, help="With the demonstration world: organisations, people, records.")
@click.option("--home", type=click.Path(path_type=Path), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--http-port", type=_PORT, envvar="CHENGXIN_HTTP_PORT", default=8080, show_default=True)
@click.option("--grpc-port", type=_PORT, envvar="CHENGXIN_GRPC_PORT", default=9090, show_default=True)
def command(demo: bool, home: Path | None, http_port: int, grpc_port: int) -> None:
    """Run the whole suite on embedded stores; stays in the foreground until Ctrl-C."""
    here = Home(home.absolute()) if home else Home.default()
    trust = trust_of_edges()
    base = f"{'https' if trust else 'http'}://127.0.0.1:{http_port}"
    if http_port == grpc_port:
        raise click.ClickException(f"HTTP and gRPC cannot both have port {http_port}; choose another with --grpc-port")
    with held(here):
        for port, option in ((http_port, "--http-port"), (grpc_port, "--grpc-port")):
            _check_free(port, option)
        here.make()
        with _stopping() as stop:
            stores.create_accounts(here)
            with Supervision(here, _programs(here, demo, base, grpc_port)) as supervision:
                try:
                    _run(here, demo, base, grpc_port, supervision, stop)
                except _Stopped:
                    pass
                finally:
                    here.suite.unlink(missing_ok=True)
                    click.echo("stopping …")


def _run(home: Home, demo: bool, base: str, grpc_port: int, supervision: Supervision, stop: threading.Event) -> None:
    began = time.monotonic()
    _bootstrap(home, demo, supervision, stop)
    suite = {
        "http": base,
        "grpc": f"127.0.0.1:{grpc_port}",
        "pid": os.getpid(),
        "demo": demo,
        "supervisor": str(supervision.socket),
        "inner": {name: supervision.environment(name)["CHENGXIN_GRPC_LISTEN"] for name in SERVICES},
    }
    write_private(home.suite, json.dumps(suite).encode())
    supervision.start(PROCESSES)
    missing = _wait_ready(base, supervision, stop)
    if missing is None or not missing <= _MADE_ANEW:
        _must_go_on(stop)
        raise click.ClickException(f"not ready within {_READY_SECONDS} s; see the logs in {home.path / 'logs'}")
    if missing:
        click.echo(
            "what is shown is being made from the feeds; until then queries are refused, chengxin status tells how far"
        )
    else:
        click.echo(f"ready after {time.monotonic() - began:.1f} s")
    if demo and not (home.path / "demo" / "loaded").exists():
        click.echo("loading the demonstration world …")
        _call([sys.executable, "-m", "demo", "load", str(home.path)], "loading", stop)
    _greet(home, base, grpc_port, demo)
    _stay(home, supervision, stop)


def _stay(home: Home, supervision: Supervision, stop: threading.Event) -> None:
    """Reports what happens, and has stores started again that serve nobody."""
    asker = StoreAsker(home)
    # Ending a store that does not answer takes the supervisor ten seconds, in which others are watched.
    with contextlib.closing(StoreWatch(asker, asker.processes)) as watch, ThreadPoolExecutor() as restarts:
        while not stop.wait(1):
            for report in supervision.reports():
                click.echo(report, err=True)
            for name, answer in watch.round(partial(_store_pids, supervision)).items():
                click.echo(f"{name}-store {answer.value}; it is started again", err=True)
                restarts.submit(supervision.restart, f"{name}-store")


def _store_pids(supervision: Supervision) -> dict[str, int]:
    """The pid of each store that runs, by its process; none while the supervisor does not tell."""
    with contextlib.suppress(*UNREACHABLE):
        return {
            s["name"].removesuffix("-store"): s["pid"] for s in supervision.states() if s["name"].endswith("-store")
        }
    return {}


def _bootstrap(home: Home, demo: bool, supervision: Supervision, stop: threading.Event) -> None:
    """Starts the stores and makes the gateway know services, and in the demonstration world its people."""
    supervision.start([f"{p}-store" for p in PROCESSES])
    accounts: dict[str, Any] = {"services": home.service_clients()}
    if demo:
        _call([sys.executable, "-m", "demo", "people", str(home.path)], "making people", stop)
        accounts |= json.loads((home.path / "demo" / "accounts.json").read_text())
    file = home.path / "keys" / f"bootstrap-{secrets.token_hex(4)}.json"
    write_private(file, json.dumps(accounts).encode())
    try:
        command = [sys.executable, "-m", "gateway", "bootstrap", str(file)]
        _call(command, "writing the gateway's accounts", stop, **supervision.environment("gateway"))
    finally:
        file.unlink()


def _call(command: list[str], what: str, stop: threading.Event, **environment: str) -> None:
    _must_go_on(stop)
    done = subprocess.run(command, env=os.environ | environment, check=False)
    if done.returncode:
        # Ctrl-C in a terminal ends it, too.
        _must_go_on(stop)
        raise click.ClickException(f"{what} failed (exit {done.returncode}); the messages are above")


def _must_go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise _Stopped


def _programs(home: Home, demo: bool, base: str, grpc_port: int) -> dict[str, dict[str, Any]]:
    """Every program of the suite: command, environment, group (groups start in order and stop in reverse)."""
    inner = stores.free_ports(len(SERVICES) * 2 + len(PROCESSES))
    store_ports = dict(zip(PROCESSES, inner, strict=False))
    pairs = iter(inner[len(PROCESSES) :])
    addresses = {name: (f"127.0.0.1:{next(pairs)}", f"127.0.0.1:{next(pairs)}") for name in SERVICES}
    common = {
        "CHENGXIN_ISSUER": base,
        "CHENGXIN_GATEWAY_HTTP": base.partition("://")[2],
        "CHENGXIN_FIELD_KEYS_FILE": str(home.field_keys),
        "CHENGXIN_SUBJECT_KEY_FILE": str(home.subject_key),
        "CHENGXIN_SEARCH_DIR": str(home.path / "search"),
        "CHENGXIN_DEMO": "true" if demo else "false",
        # Fewer malloc arenas: a third of the memory at rest, no measurable difference in speed.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
    }
    for name, (http, grpc) in addresses.items():
        common[f"CHENGXIN_{name.upper()}_HTTP"] = http
        common[f"CHENGXIN_{name.upper()}_GRPC"] = grpc
    addresses["gateway"] = (common["CHENGXIN_GATEWAY_HTTP"], f"127.0.0.1:{grpc_port}")
    uris = {name: stores.uri(home, name, store_ports[name]) for name in PROCESSES}
    # For whoever looks into a store: the benchmark, an operator.
    write_private(home.path / "keys" / "store-uris.json", json.dumps(uris).encode())
    programs: dict[str, dict[str, Any]] = {}
    for name in PROCESSES:
        programs[f"{name}-store"] = {
            "command": stores.command(store_ports[name], home.store(name), "--auth"),
            "environment": stores.ENVIRONMENT,
            "group": "stores",
        }
        http, grpc = addresses[name]
        programs[name] = {
            "command": [sys.executable, "-m", name if name == "gateway" else f"services.{name}"],
            "environment": common
            | {
                "CHENGXIN_MONGO_URI": uris[name],
                "CHENGXIN_HTTP_LISTEN": http,
                "CHENGXIN_GRPC_LISTEN": grpc,
                "CHENGXIN_KEY_FILE": str(home.key_file(name)),
            },
            "group": "edge" if name == "gateway" else "services",
        }
    return programs


def _check_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as e:
            raise click.ClickException(
                f"port {port} cannot be used ({e.strerror}); choose another with {option}"
            ) from None


def _wait_ready(base: str, supervision: Supervision, stop: threading.Event) -> set[tuple[str, str]] | None:
    """Waits until the suite can serve; which needs of which services are missing when the time is over, None when the
    gateway does not say it."""
    http = pool(Trust.of_environment(), retries=False, timeout=2)
    deadline = time.monotonic() + _READY_SECONDS
    missing: set[tuple[str, str]] | None = None
    while time.monotonic() < deadline and not stop.is_set():
        for report in supervision.reports():
            click.echo(report, err=True)
        # Refused: not listening yet.
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            answer = http.request("GET", f"{base}/readyz")
            if answer.status == 200:
                return set()
            missing = _missing(answer.json())
        stop.wait(0.1)
    return missing


def _missing(told: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    needs = ((service, need, there) for service, state in told.items() for need, there in state.items())
    return {(service, need) for service, need, there in needs if there is False and need != QUARANTINE}


@contextlib.contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, in place of ending the process at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Who starts it with nohup wants it to stay.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    yield stop


def _greet(home: Home, base: str, grpc_port: int, demo: bool) -> None:
    click.echo(f"\n  portal   {base}/\n  API      {base}/docs  {base}/openapi.json\n  gRPC     127.0.0.1:{grpc_port}")
    click.echo(f"  home     {home.path}")
    if base.startswith("https:"):
        told = [f"{name}={os.environ[name]}" for name in TRUST_VARIABLES if os.environ.get(name)]
        click.echo(f"\nCommands in another shell take the same:\n  export {' '.join(told)}")
    if demo:
        click.echo("\nDemonstration people, good only in this world:")
        click.echo((home.path / "demo" / "credentials.txt").read_text())
    click.echo("In another shell: chengxin tour. Ctrl-C stops everything.\n")
