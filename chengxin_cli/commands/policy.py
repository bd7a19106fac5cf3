"""`chengxin policy`: the authorization table, as the services declare it."""

import json
import subprocess
import sys
from typing import Any

import click
from rich.table import Table

from chengxin_cli.output import OutputConsole, print_json
from chengxin_cli.suite.home import PROCESSES


def rows() -> list[dict[str, Any]]:
    """Every HTTP route and gRPC method with its rule, as each composition root reports it. Raises `ClickException`."""
    table: list[dict[str, Any]] = []
    for name in PROCESSES:
        module = name if name == "gateway" else f"services.{name}"
        completed = subprocess.run(
            [sys.executable, "-m", module, "--policy"], capture_output=True, text=True, check=False
        )
        if completed.returncode:
            said = completed.stderr.strip().splitlines() or [f"it ended with {completed.returncode}"]
            raise click.ClickException(f"{name}: {said[-1]}")
        table.extend(json.loads(completed.stdout))
    return table


@click.command("policy")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(as_json: bool) -> None:
    """Who may do what: every HTTP route and gRPC method with its rule."""
    rules = rows()
    if as_json:
        print_json(rules, indent=1)
        return
    table = Table("service", "face", "roles", "identity", "conditions", "articles", "act")
    for rule in rules:
        articles = ", ".join(rule.get("articles", ()))
        if "open_to_all" in rule:
            act = rule.get("act", "")
            table.add_row(rule["service"], rule["face"], "(open)", "", rule["open_to_all"], articles, act)
        else:
            conditions = "\n".join(rule["conditions"])
            identity = "" if rule["assurance"] == "none" else rule["assurance"]
            roles = ", ".join(rule["roles"])
            table.add_row(rule["service"], rule["face"], roles, identity, conditions, articles, rule["act"])
    # When a program reads the table or a file keeps it, no cell is cut.
    OutputConsole(width=None if sys.stdout.isatty() else 400).print(table)
