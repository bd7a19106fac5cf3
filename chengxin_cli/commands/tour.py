"""`chengxin tour`: the main job from end to end, as outside clients would do it."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from chengxin_cli.gateway_client import Edge
from chengxin_cli.input_files import FilePath
from chengxin_cli.option_types import GRPC_ADDRESS, HTTP_ADDRESS
from chengxin_cli.output import print_json, print_lines
from chengxin_cli.suite.home import Home
from chengxin_cli.tour.frame import Tour
from chengxin_cli.tour.steps import STEPS


@click.command("tour")
@click.option("--home", type=FilePath(), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--http", type=HTTP_ADDRESS, help="HTTP address of the gateway [from the home].")
@click.option("--grpc", "grpc_address", type=GRPC_ADDRESS, help="gRPC address of the gateway [from the home].")
@click.option("--json", "as_json", is_flag=True, help="Every step with its figures, as JSON.")
def command(home: Path | None, http: str | None, grpc_address: str | None, as_json: bool) -> None:
    """Walk the main job against a running suite; exits non-zero at the first step that fails."""
    suite_home = Home(home.absolute()) if home else Home.default()
    addresses = _find_addresses(suite_home, http, grpc_address)
    people = suite_home.demo_credentials()
    if people is None:
        raise click.ClickException(f"no demonstration people in {suite_home.path}; start the suite with --demo")
    tour = Tour(Edge(addresses["http"], addresses["grpc"]), dict(people), suite_home.path / "demo")
    results: list[dict[str, Any]] = []
    began = time.perf_counter()
    for number, step in enumerate(STEPS, 1):
        entry = _run_step(tour, number, step)
        results.append(entry)
        if not as_json:
            mark = "✓" if entry["ok"] else "✗"
            print_lines(f"{mark} {number:2}. {entry['step']}  ({entry['milliseconds']} ms)")
            for name, value in entry["figures"].items():
                print_lines(f"       {name}: {value}")
            if not entry["ok"]:
                print_lines(f"       {entry['error']}")
        if not entry["ok"]:
            break
    ok = all(entry["ok"] for entry in results)
    seconds = round(time.perf_counter() - began, 2)
    if as_json:
        report = {"ok": ok, "seconds": seconds, "steps": results, "of": len(STEPS)}
        print_json(report, indent=1)
    else:
        print_lines(f"{len(results)} of {len(STEPS)} steps in {seconds} s: {'all well' if ok else 'FAILED'}")
    sys.exit(0 if ok else 1)


def _find_addresses(home: Home, http: str | None, grpc_address: str | None) -> dict[str, str]:
    running = home.addresses()
    addresses = {"http": http or running.get("http", ""), "grpc": grpc_address or running.get("grpc", "")}
    if not all(addresses.values()):
        raise click.ClickException(
            f"no suite runs in {home.path}; start one with `chengxin up --demo`, or give addresses"
        )
    return addresses


def _run_step(tour: Tour, number: int, step: Any) -> dict[str, Any]:
    began = time.perf_counter()
    entry: dict[str, Any] = {"number": number, "step": step.__doc__.strip().split("\n")[0], "ok": True, "figures": {}}
    try:
        entry["figures"] = step(tour) or {}
    # Any error is reported as this step's, and ends the tour: the next steps need what this one leaves.
    except Exception as e:
        entry |= {"ok": False, "error": f"{type(e).__name__}: {e}"}
    entry["milliseconds"] = round((time.perf_counter() - began) * 1000)
    return entry
