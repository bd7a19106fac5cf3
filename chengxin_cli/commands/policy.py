"""`chengxin policy`: the authorization table, as the services declare it."""

import json
import subprocess
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from chengxin_cli.suite.home import PROCESSES


def rows() -> list[dict[str, Any]]:
    """Every HTTP route and gRPC method with its rule, asked of each composition root."""
    table: list[dict[str, Any]] = []
    for name in PROCESSES:
        module = name if name == "gateway" else f"services.{name}"
        done = subprocess.run([sys.executable, "-m", module, "--policy"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise click.ClickException(f"{name}: {done.stderr.strip().splitlines()[-1]}")
        table.extend(json.loads(done.stdout))
    return table


@click.command("policy")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Who may do what: every HTTP route and gRPC method with its rule."""
    found = rows()
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    table = Table("service", "face", "roles", "identity", "conditions", "articles", "act")
    for row in found:
        if "open_to_all" in row:
            table.add_row(row["service"], row["face"], "(open)", "", row["open_to_all"], "", "")
        else:
            conditions = "\n".join(row["conditions"])
            articles = ", ".join(row["articles"])
            identity = "" if row["assurance"] == "none" else row["assurance"]
            roles = ", ".join(row["roles"])
            table.add_row(row["service"], row["face"], roles, identity, conditions, articles, row["act"])
    # Where it is read by a program or kept in a file, no cell is cut.
    Console(width=None if sys.stdout.isatty() else 400).print(table)
