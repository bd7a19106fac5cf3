"""`chengxin disclosure`: makes anew what the disclosure service derives from the feeds."""

import threading
from typing import Any

import click
from rich.progress import Progress

from chengxin.errors import Problem
from chengxin_cli.ending import after
from chengxin_cli.gateway_client import GATEWAY_UNREACHABLE
from chengxin_cli.officer_session import OfficerOptions, as_officer
from chengxin_cli.output import OutputConsole, print_json

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
    if status:
        progress = officer.call("GET", _PATH)
        print_json(progress, indent=1)
    else:
        progress = officer.call("POST", _PATH)
        again = "It goes on all the same; look with: chengxin disclosure rebuild --status"
        with after("the rebuild has begun", again) as step, step("how it goes is not known here"):
            progress = _wait(officer, progress)
            print_json(progress, indent=1)
    if progress["state"] == "failed":
        raise click.exceptions.Exit(1)


def _wait(officer: OfficerOptions, progress: dict[str, Any]) -> dict[str, Any]:
    pause = threading.Event()
    with Progress(console=OutputConsole(stderr=True), transient=True) as bar:
        task = bar.add_task("rebuilding", total=None)
        while progress["state"] in ("asked", "filling"):
            goal = sum(progress["goal"].values())
            bar.update(task, total=goal or None, completed=sum(progress["positions"].values()))
            pause.wait(1)
            progress = _poll(officer, progress)
    return progress


def _poll(officer: OfficerOptions, last_progress: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(officer.call("GET", _PATH))
    except Problem as e:
        if e.type is not GATEWAY_UNREACHABLE:
            raise
    except click.ClickException as e:
        if "UNAVAILABLE" not in e.message:
            raise
    # The service may be restarting; the rebuild goes on afterwards.
    return last_progress
