"""`chengxin status`: how a running suite is."""

import json
import sys
import xmlrpc.client
from pathlib import Path
from typing import Any

import click
import urllib3
from rich.console import Console
from rich.table import Table

from chengxin.cli.home import Home
from chengxin.cli.supervision import UnixTransport
from chengxin.tls import Trust, pool


@click.command("status")
@click.option("--home", type=click.Path(path_type=Path), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(home: Path | None, as_json: bool) -> None:
    """Each process, the readiness of each service with its feeds, the last checkpoint; exits 1 unless all is well."""
    here = Home(home.absolute()) if home else Home.default()
    addresses = here.running()
    report: dict[str, Any] = {
        "processes": _processes(Path(addresses["supervisor"])),
        "ready": _get(f"{addresses['http']}/readyz"),
        "checkpoint": _get(f"{addresses['http']}/tlog/checkpoint"),
    }
    ok = all(p["state"] == "RUNNING" for p in report["processes"]) and report["ready"]["status"] == 200
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        table = Table("process", "state", "pid")
        for process in report["processes"]:
            table.add_row(process["name"], process["state"], str(process["pid"]))
        Console().print(table)
        click.echo(f"ready: {json.dumps(report['ready']['body'], ensure_ascii=False)}")
        click.echo(f"checkpoint:\n{report['checkpoint']['body']}")
    sys.exit(0 if ok else 1)


def _processes(socket: Path) -> list[dict[str, Any]]:
    try:
        with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(socket)) as rpc:
            found: Any = rpc.supervisor.getAllProcessInfo()
    except OSError as e:
        raise click.ClickException(f"the suite is starting or stopping: its supervisor does not answer ({e})") from None
    return [{"name": p["name"], "state": p["statename"], "pid": p["pid"]} for p in found]


def _get(url: str) -> dict[str, Any]:
    try:
        answer = pool(Trust.of_environment(), retries=False, timeout=5).request("GET", url)
    except urllib3.exceptions.HTTPError as e:
        return {"status": 0, "body": str(e)}
    parsed = answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.data.decode()
    return {"status": answer.status, "body": parsed}
