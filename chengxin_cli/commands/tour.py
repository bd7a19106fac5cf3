"""`chengxin tour`: the main job from end to end, as outside clients would do it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
import urllib3

from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge, HttpRefused
from chengxin_cli.suite.home import Home
from chengxin_cli.tour.frame import StepFailed, Tour
from chengxin_cli.tour.steps import STEPS


@click.command("tour")
@click.option("--home", type=click.Path(path_type=Path), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--http", help="HTTP address of the gateway [from the home].")
@click.option("--grpc", "grpc_address", help="gRPC address of the gateway [from the home].")
@click.option("--json", "as_json", is_flag=True, help="Every step with its figures, as JSON.")
def command(home: Path | None, http: str | None, grpc_address: str | None, as_json: bool) -> None:
    """Walk the main job against a running suite; exits non-zero at the first step that fails."""
    here = Home(home.absolute()) if home else Home.default()
    running = _addresses(here, http, grpc_address)
    people = here.path / "demo" / "credentials.json"
    if not people.exists():
        raise click.ClickException(f"no demonstration people in {here.path}; start the suite with --demo")
    tour = Tour(Edge(running["http"], running["grpc"]), json.loads(people.read_text()), here.path / "demo")
    done: list[dict[str, Any]] = []
    began = time.perf_counter()
    for number, step in enumerate(STEPS, 1):
        entry = _walk(tour, number, step)
        done.append(entry)
        if not as_json:
            mark = "✓" if entry["ok"] else "✗"
            click.echo(f"{mark} {number:2}. {entry['step']}  ({entry['milliseconds']} ms)")
            for name, value in entry["figures"].items():
                click.echo(f"       {name}: {value}")
            if not entry["ok"]:
                click.echo(f"       {entry['error']}")
        if not entry["ok"]:
            break
    ok = all(entry["ok"] for entry in done)
    seconds = round(time.perf_counter() - began, 2)
    if as_json:
        report = {"ok": ok, "seconds": seconds, "steps": done, "of": len(STEPS)}
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        click.echo(f"{len(done)} of {len(STEPS)} steps in {seconds} s: {'all well' if ok else 'FAILED'}")
    sys.exit(0 if ok else 1)


def _addresses(home: Home, http: str | None, grpc_address: str | None) -> dict[str, str]:
    known = home.addresses()
    found = {"http": http or known.get("http", ""), "grpc": grpc_address or known.get("grpc", "")}
    if not all(found.values()):
        raise click.ClickException(
            f"no suite runs in {home.path}; start one with `chengxin up --demo`, or give addresses"
        )
    return found


def _walk(tour: Tour, number: int, step: Any) -> dict[str, Any]:
    began = time.perf_counter()
    entry: dict[str, Any] = {"number": number, "step": step.__doc__.strip().split("\n")[0], "ok": True, "figures": {}}
    try:
        entry["figures"] = step(tour) or {}
    except (StepFailed, HttpRefused, Problem, urllib3.exceptions.HTTPError, KeyError) as e:
        entry |= {"ok": False, "error": f"{type(e).__name__}: {e}"}
    entry["milliseconds"] = round((time.perf_counter() - began) * 1000)
    return entry
