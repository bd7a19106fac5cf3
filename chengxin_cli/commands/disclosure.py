"""`chengxin disclosure`: making anew what the disclosure service derives from the feeds."""

import json
import threading
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from chengxin_cli.officer_session import OfficerOptions, as_officer

_ADDRESS = "/v1/operations/disclosure/rebuild"


@click.group("disclosure")
def command() -> None:
    """What is shown: made anew from the feeds. For officers of the centre."""


@command.command("rebuild")
@click.option("--status", is_flag=True, help="Only tell how far the last one is.")
@as_officer
def rebuild(officer: OfficerOptions, status: bool) -> None:
    """Make everything derived again, beside what is in use; compare it, list differences, and put it in its place.

    Ctrl-C ends the waiting, not the rebuild. Exits 1 when it failed.
    """
    found = officer.call("GET" if status else "POST", _ADDRESS)
    pause = threading.Event()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rebuilding", total=None)
        while not status and found["state"] in ("asked", "filling"):
            goal = sum(found["goal"].values())
            bar.update(task, total=goal or None, completed=sum(found["positions"].values()))
            pause.wait(1)
            found = _again(officer, found)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    if found["state"] == "failed":
        raise click.exceptions.Exit(1)


def _again(officer: OfficerOptions, found: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(officer.call("GET", _ADDRESS))
    except click.ClickException as e:
        # The service is started again, say; the rebuild goes on then.
        if "UNAVAILABLE" not in e.message:
            raise
        return found
