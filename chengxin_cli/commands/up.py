"""`chengxin up`: the whole suite on one machine."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import urllib3

from chengxin.auth.tls import Trust, pool
from chengxin.feeds.quarantine import QUARANTINE
from chengxin.process import stop_signals
from chengxin.process.readiness import ON_RECORD
from chengxin_cli.input_files import FilePath, read_json, read_text
from chengxin_cli.output import print_lines
from chengxin_cli.suite import stores
from chengxin_cli.suite.edge_tls import TRUST_VARIABLES, trust_of_edges
from chengxin_cli.suite.home import (
    PDEATHSIG,
    PROCESSES,
    SERVICES,
    Home,
    lock_home,
    parent_environment,
    write_private,
)
from chengxin_cli.suite.stores_watch import StoreAnswer, StoreProber, StoreWatch
from chengxin_cli.suite.supervision import UNREACHABLE, Supervision
from chengxin_cli.suite.waiting import Awaited, Stopped, wait_for

# The gateway answers within its own deadline; a busy machine takes longer.
_READINESS_SECONDS: Final = 10
# What is missing of a gateway that does not answer at all, and what it says of a service that does not.
_ANSWER: Final = "answer"
_REACHABLE: Final = "reachable"
# What is set aside is tried again by the suite that runs, and by its officers.
_NOT_AWAITED: Final = (QUARANTINE, ON_RECORD)
# What disclosure makes from the feeds before it answers queries. In a large city this takes an hour the first time;
# everything else works meanwhile, and the stores must be watched.
# And an audit log that was altered still takes events: a city must not stand still for a row that can be made again.
_MADE_ANEW: Final = {("disclosure", "views"), ("disclosure", "search"), ("audit", "sound")}
_PROGRAM_PAUSE_SECONDS: Final = 0.05
_PORT: Final = click.IntRange(1, 65535)


@click.command("up")
@click.option("--demo", is_flag=True, help="With the demonstration world: organisations, people, records.")
@click.option("--home", type=FilePath(), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--http-port", type=_PORT, envvar="CHENGXIN_HTTP_PORT", default=8080, show_default=True)
@click.option("--grpc-port", type=_PORT, envvar="CHENGXIN_GRPC_PORT", default=9090, show_default=True)
def command(demo: bool, home: Path | None, http_port: int, grpc_port: int) -> None:
    """Run the whole suite on embedded stores; stays in the foreground until Ctrl-C."""
    suite_home = Home(home.absolute()) if home else Home.default()
    trust = trust_of_edges()
    base = f"{'https' if trust else 'http'}://127.0.0.1:{http_port}"
    if http_port == grpc_port:
        raise click.ClickException(f"HTTP and gRPC cannot both have port {http_port}; choose another with --grpc-port")
    # Before anything is made and any thread is started: from here on a stop leaves nothing half done.
    stop = threading.Event()
    stop_signals.on_stop(stop.set)
    with lock_home(suite_home):
        for port, option in ((http_port, "--http-port"), (grpc_port, "--grpc-port")):
            _check_free(port, option)
        suite_home.make()
        with contextlib.suppress(Stopped):
            stores.create_accounts(suite_home, stop)
            with Supervision(suite_home, _make_programs(suite_home, demo, base, grpc_port), stop) as supervision:
                try:
                    _run(suite_home, demo, base, grpc_port, supervision, stop)
                finally:
                    suite_home.suite.unlink(missing_ok=True)
                    print_lines("stopping …")


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
    missing = _wait_ready(home, base, supervision, stop)
    if missing:
        print_lines(
            "not all is there yet, what needs it is refused until then; chengxin status tells how far it is: "
            + ", ".join(sorted(f"{service} {need}" for service, need in missing))
        )
    else:
        print_lines(f"ready after {time.monotonic() - began:.1f} s")
    if demo and not (home.path / "demo" / "loaded").exists():
        print_lines("loading the demonstration world …")
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
                print_lines(report, err=True)
            for name, answer in watch.round(partial(_list_store_pids, supervision)).items():
                print_lines(f"{name}-store {answer.value}; it is started again", err=True)
                restarts.submit(_restart, supervision, f"{name}-store")


def _restart(supervision: Supervision, program: str) -> None:
    try:
        supervision.restart(program)
    # Nothing waits for the restart, so an error would be lost without a report.
    except xmlrpc.client.Fault as e:
        print_lines(f"{program} cannot be started again: {e.faultString}", err=True)


def _list_programs(supervision: Supervision) -> dict[str, tuple[str, int]]:
    """The state and pid of each program; empty while the supervisor does not answer."""
    with contextlib.suppress(*UNREACHABLE):
        return {s["name"]: (s["statename"], s["pid"]) for s in supervision.states()}
    return {}


def _list_store_pids(supervision: Supervision) -> dict[str, int]:
    """The pid of each store that runs, by its process."""
    return {
        name.removesuffix("-store"): pid
        for name, (_, pid) in _list_programs(supervision).items()
        if name.endswith("-store")
    }


def _bootstrap(home: Home, demo: bool, supervision: Supervision, stop: threading.Event) -> None:
    """Starts the stores and gives the gateway its accounts: services, and in the demonstration world its people."""
    supervision.start([f"{p}-store" for p in PROCESSES])
    _wait_for_stores(home, supervision, stop)
    accounts: dict[str, Any] = {"services": home.service_clients()}
    if demo:
        _run_program([sys.executable, "-m", "demo", "people", str(home.path)], "making people", stop)
        accounts |= read_json(home.path / "demo" / "accounts.json", dict[str, Any])
    file = home.path / "keys" / f"bootstrap-{secrets.token_hex(4)}.json"
    write_private(file, json.dumps(accounts).encode())
    try:
        command = [sys.executable, "-m", "gateway", "bootstrap", str(file)]
        _run_program(command, "writing the gateway's accounts", stop, **supervision.environment("gateway"))
    finally:
        file.unlink()


def _wait_for_stores(home: Home, supervision: Supervision, stop: threading.Event) -> None:
    """Waits until every store answers. Raises `Stopped` and `Standstill`."""
    with contextlib.closing(StoreProber(home)) as ask, ThreadPoolExecutor(len(ask.processes)) as askers:

        def look() -> list[Awaited]:
            answers = zip(ask.processes, askers.map(ask, ask.processes), strict=True)
            missing = {f"{name}-store": answer for name, answer in answers if answer is not StoreAnswer.WORKS}
            if not missing:
                return []
            states = _list_programs(supervision)
            return [
                Awaited(name, f"it {answer.value}", home.log(name), *states.get(name, ("not known", 0)))
                for name, answer in missing.items()
            ]

        wait_for(look, stop)


def _run_program(command: list[str], what: str, stop: threading.Event, **environment: str) -> None:
    """Runs a program to its end. Raises `Stopped`, after it has ended the program, and `ClickException`."""
    # In a session of its own, Ctrl-C in the terminal reaches only this process. It ends the program, which can be run
    # again: what it does it does whole or not at all, step by step.
    program = subprocess.Popen(
        [sys.executable, "-I", str(PDEATHSIG), *command],
        env=parent_environment() | environment,
        start_new_session=True,
    )
    while program.poll() is None:
        if stop.wait(_PROGRAM_PAUSE_SECONDS):
            program.terminate()
            program.wait()
            raise Stopped
    if program.returncode:
        raise click.ClickException(f"{what} failed (exit {program.returncode}); the messages are above")


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


def _wait_ready(home: Home, base: str, supervision: Supervision, stop: threading.Event) -> set[tuple[str, str]]:
    """Waits until the suite can serve. Returns the service and name of each need that is still being made.

    Raises `Stopped` and `Standstill`.
    """
    http = pool(Trust.of_environment(), retries=False, timeout=_READINESS_SECONDS)
    missing: set[tuple[str, str]] = set()

    def look() -> list[Awaited]:
        nonlocal missing
        missing = _ask_readiness(http, base)
        return _describe_needs(home, supervision, missing - _MADE_ANEW)

    wait_for(look, stop)
    return missing


def _ask_readiness(http: Any, base: str) -> set[tuple[str, str]]:
    # A gateway that does not listen yet refuses the connection.
    with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
        answer = http.request("GET", f"{base}/readyz")
        return set() if answer.status == 200 else _find_missing_needs(answer.json())
    return {("gateway", _ANSWER)}


def _describe_needs(home: Home, supervision: Supervision, missing: set[tuple[str, str]]) -> list[Awaited]:
    """Tells what happened meanwhile, and for each missing need the program that it takes."""
    for report in supervision.reports():
        print_lines(report, err=True)
    states = _list_programs(supervision)
    awaited = []
    for service, need in sorted(missing):
        # A service that does not answer starts, or waits for its store. One that answers only asks again and again.
        starting = need in (_ANSWER, _REACHABLE)
        programs = [service] if need != "store" else []
        if starting or need == "store":
            programs.append(f"{service}-store")
        for program in programs:
            state, pid = states.get(program, ("not known", 0))
            works = starting or program != service
            awaited.append(Awaited(program, f"{service}: {need}", home.log(program), state, pid if works else 0))
    return awaited


def _find_missing_needs(report: dict[str, dict[str, Any]]) -> set[tuple[str, str]]:
    needs = ((service, need, is_met) for service, state in report.items() for need, is_met in state.items())
    return {(service, need) for service, need, is_met in needs if is_met is False and need not in _NOT_AWAITED}


def _greet(home: Home, base: str, grpc_port: int, demo: bool) -> None:
    print_lines(
        "", f"  portal   {base}/", f"  API      {base}/docs  {base}/openapi.json", f"  gRPC     127.0.0.1:{grpc_port}"
    )
    print_lines(f"  home     {home.path}")
    if base.startswith("https:"):
        exports = [f"{name}={os.environ[name]}" for name in TRUST_VARIABLES if os.environ.get(name)]
        print_lines("", "Commands in another shell take the same:", f"  export {' '.join(exports)}")
    if demo:
        people = read_text(home.path / "demo" / "credentials.txt")
        print_lines("", "Demonstration people, good only in this world:", *people.split("\n"))
    print_lines("In another shell: chengxin tour. Ctrl-C stops everything.", "")
