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
import xmlrpc.client
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
from chengxin_cli.suite.home import PROCESSES, SERVICES, Home, lock_home, write_private
from chengxin_cli.suite.stores_watch import StoreProber, StoreWatch
from chengxin_cli.suite.supervision import UNREACHABLE, Supervision

_READY_SECONDS: Final = 60
# What disclosure makes from the feeds before it answers queries. In a large city this takes an hour the first time;
# everything else works meanwhile, and the stores must be watched.
_MADE_ANEW: Final = {("disclosure", "views"), ("disclosure", "search")}
_PORT: Final = click.IntRange(1, 65535)


class _Stopped(Exception):
    """The user wants the suite to stop while it starts."""


@click.command("up")
@click.option("--demo", is_flag=True, help="With the demonstration world: organisations, people, records.")
@click.option("--home", type=click.Path(path_type=Path), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--http-port", type=_PORT, envvar="CHENGXIN_HTTP_PORT", default=8080, show_default=True)
@click.option("--grpc-port", type=_PORT, envvar="CHENGXIN_GRPC_PORT", default=9090, show_default=True)
def command(demo: bool, home: Path | None, http_port: int, grpc_port: int) -> None:
    """Run the whole suite on embedded stores; stays in the foreground until Ctrl-C."""
    suite_home = Home(home.absolute()) if home else Home.default()
    trust = trust_of_edges()
    base = f"{'https' if trust else 'http'}://127.0.0.1:{http_port}"
    if http_port == grpc_port:
        raise click.ClickException(f"HTTP and gRPC cannot both have port {http_port}; choose another with --grpc-port")
    with lock_home(suite_home):
        for port, option in ((http_port, "--http-port"), (grpc_port, "--grpc-port")):
            _check_free(port, option)
        suite_home.make()
        with _catch_signals() as stop:
            stores.create_accounts(suite_home)
            with Supervision(suite_home, _make_programs(suite_home, demo, base, grpc_port)) as supervision:
                try:
                    _run(suite_home, demo, base, grpc_port, supervision, stop)
                except _Stopped:
                    pass
                finally:
                    suite_home.suite.unlink(missing_ok=True)
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
        _raise_if_stopped(stop)
        raise click.ClickException(f"not ready within {_READY_SECONDS} s; see the logs in {home.path / 'logs'}")
    if missing:
        click.echo(
            "what is shown is being made from the feeds; until then queries are refused, chengxin status tells how far"
        )
    else:
        click.echo(f"ready after {time.monotonic() - began:.1f} s")
    if demo and not (home.path / "demo" / "loaded").exists():
        click.echo("loading the demonstration world …")
        _run_program([sys.executable, "-m", "demo", "load", str(home.path)], "loading", stop)
    _greet(home, base, grpc_port, demo)
    _watch(home, supervision, stop)


def _watch(home: Home, supervision: Supervision, stop: threading.Event) -> None:
    """Reports what happens, and has stores started again that do not work."""
    asker = StoreProber(home)
    # The supervisor takes ten seconds to end a store that does not answer; the others are watched meanwhile.
    with contextlib.closing(StoreWatch(asker, asker.processes)) as watch, ThreadPoolExecutor() as restarts:
        while not stop.wait(1):
            for report in supervision.reports():
                click.echo(report, err=True)
            for name, answer in watch.round(partial(_list_store_pids, supervision)).items():
                click.echo(f"{name}-store {answer.value}; it is started again", err=True)
                restarts.submit(_restart, supervision, f"{name}-store")


def _restart(supervision: Supervision, program: str) -> None:
    try:
        supervision.restart(program)
    # Nothing waits for the restart, so an error would be lost without a report.
    except xmlrpc.client.Fault as e:
        click.echo(f"{program} cannot be started again: {e.faultString}", err=True)


def _list_store_pids(supervision: Supervision) -> dict[str, int]:
    """The pid of each store that runs, by its process; empty while the supervisor does not answer."""
    with contextlib.suppress(*UNREACHABLE):
        return {
            s["name"].removesuffix("-store"): s["pid"] for s in supervision.states() if s["name"].endswith("-store")
        }
    return {}


def _bootstrap(home: Home, demo: bool, supervision: Supervision, stop: threading.Event) -> None:
    """Starts the stores and gives the gateway its accounts: services, and in the demonstration world its people."""
    supervision.start([f"{p}-store" for p in PROCESSES])
    accounts: dict[str, Any] = {"services": home.service_clients()}
    if demo:
        _run_program([sys.executable, "-m", "demo", "people", str(home.path)], "making people", stop)
        accounts |= json.loads((home.path / "demo" / "accounts.json").read_text())
    file = home.path / "keys" / f"bootstrap-{secrets.token_hex(4)}.json"
    write_private(file, json.dumps(accounts).encode())
    try:
        command = [sys.executable, "-m", "gateway", "bootstrap", str(file)]
        _run_program(command, "writing the gateway's accounts", stop, **supervision.environment("gateway"))
    finally:
        file.unlink()


def _run_program(command: list[str], what: str, stop: threading.Event, **environment: str) -> None:
    _raise_if_stopped(stop)
    completed = subprocess.run(command, env=os.environ | environment, check=False)
    if completed.returncode:
        # Ctrl-C in a terminal ends the program, too.
        _raise_if_stopped(stop)
        raise click.ClickException(f"{what} failed (exit {completed.returncode}); the messages are above")


def _raise_if_stopped(stop: threading.Event) -> None:
    if stop.is_set():
        raise _Stopped


def _make_programs(home: Home, demo: bool, base: str, grpc_port: int) -> dict[str, dict[str, Any]]:
    """Every program of the suite: command, environment, group (groups start in order and stop in reverse)."""
    ports = stores.free_ports(len(SERVICES) * 2 + len(PROCESSES))
    store_ports = dict(zip(PROCESSES, ports, strict=False))
    service_ports = iter(ports[len(PROCESSES) :])
    addresses = {name: (f"127.0.0.1:{next(service_ports)}", f"127.0.0.1:{next(service_ports)}") for name in SERVICES}
    common = {
        "CHENGXIN_ISSUER": base,
        "CHENGXIN_GATEWAY_HTTP": base.partition("://")[2],
        "CHENGXIN_FIELD_KEYS_FILE": str(home.field_keys),
        "CHENGXIN_SUBJECT_KEY_FILE": str(home.subject_key),
        "CHENGXIN_SEARCH_DIR": str(home.path / "search"),
        "CHENGXIN_DEMO": "true" if demo else "false",
        # With fewer malloc arenas a process takes a third of the memory at rest, at no measurable difference in speed.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
    }
    for name, (http, grpc) in addresses.items():
        common[f"CHENGXIN_{name.upper()}_HTTP"] = http
        common[f"CHENGXIN_{name.upper()}_GRPC"] = grpc
    addresses["gateway"] = (common["CHENGXIN_GATEWAY_HTTP"], f"127.0.0.1:{grpc_port}")
    uris = {name: stores.uri(home, name, store_ports[name]) for name in PROCESSES}
    # The benchmark and operators look into the stores by these.
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
    """Waits until the suite can serve, for 60 s at most.

    Returns the service and name of each need that is missing at the end, None when the gateway does not report them.
    """
    http = pool(Trust.of_environment(), retries=False, timeout=2)
    deadline = time.monotonic() + _READY_SECONDS
    missing: set[tuple[str, str]] | None = None
    while time.monotonic() < deadline and not stop.is_set():
        for report in supervision.reports():
            click.echo(report, err=True)
        # A gateway that does not listen yet refuses the connection.
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            answer = http.request("GET", f"{base}/readyz")
            if answer.status == 200:
                return set()
            missing = _find_missing_needs(answer.json())
        stop.wait(0.1)
    return missing


def _find_missing_needs(report: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    needs = ((service, need, is_met) for service, state in report.items() for need, is_met in state.items())
    return {(service, need) for service, need, is_met in needs if is_met is False and need != QUARANTINE}


@contextlib.contextmanager
def _catch_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set; they do not end the process at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A user who starts the suite with nohup wants it to stay.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    yield stop


def _greet(home: Home, base: str, grpc_port: int, demo: bool) -> None:
    click.echo(f"\n  portal   {base}/\n  API      {base}/docs  {base}/openapi.json\n  gRPC     127.0.0.1:{grpc_port}")
    click.echo(f"  home     {home.path}")
    if base.startswith("https:"):
        exports = [f"{name}={os.environ[name]}" for name in TRUST_VARIABLES if os.environ.get(name)]
        click.echo(f"\nCommands in another shell take the same:\n  export {' '.join(exports)}")
    if demo:
        click.echo("\nDemonstration people, good only in this world:")
        click.echo((home.path / "demo" / "credentials.txt").read_text())
    click.echo("In another shell: chengxin tour. Ctrl-C stops everything.\n")
