"""`chengxin disclosure`: makes anew what the disclosure service derives from the feeds."""

import json
import threading
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from chengxin_cli.officer_session import OfficerOptions, as_officer

_PATH = "/v1/operations/disclosure/rebuild"


@click.group("disclosure")
def command() -> None:
    """Make what is shown anew from the feeds. For officers of the centre."""


@command.command("rebuild")
@click.option("--status", is_flag=True, help="Only tell how far the last one is.")
@as_officer
def rebuild(officer: OfficerOptions, status: bool) -> None:
    """Make everything derived again, beside what is in use; compare it, list differences, and put it in its place.

    Ctrl-C ends the waiting, not the rebuild. Exits 1 when it failed.
    """
    progress = officer.call("GET" if status else "POST", _PATH)
    pause = threading.Event()
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rebuilding", total=None)
        while not status and progress["state"] in ("asked", "filling"):
            goal = sum(progress["goal"].values())
            bar.update(task, total=goal or None, completed=sum(progress["positions"].values()))
            pause.wait(1)
            progress = _poll(officer, progress)
    click.echo(json.dumps(progress, ensure_ascii=False, indent=1))
    if progress["state"] == "failed":
        raise click.exceptions.Exit(1)


def _poll(officer: OfficerOptions, last_progress: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(officer.call("GET", _PATH))
    except click.ClickException as e:
        # The service may be restarting; the rebuild goes on afterwards.
        if "UNAVAILABLE" not in e.message:
            raise
        return last_progress
