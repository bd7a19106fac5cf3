"""`chengxin quarantine`: lists what the services could not apply and have set aside, and has it tried again."""

from typing import Final

import click

from chengxin_cli.ending import after
from chengxin_cli.gateway_client import at
from chengxin_cli.officer_session import OfficerOptions, as_officer
from chengxin_cli.output import print_json

# Each service keeps what it set aside in its own store.
_SERVICES: Final = ("gateway", "catalog", "ingest", "disclosure", "objection")
_SERVICE = click.option(
    "--service", "services", multiple=True, type=click.Choice(_SERVICES), help="Of which service [all]."
)


@click.group("quarantine")
def command() -> None:
    """See what could not be applied, and why; try it again. For officers of the centre."""


@command.command("list")
@_SERVICE
@as_officer
def list_(officer: OfficerOptions, services: tuple[str, ...]) -> None:
    """List what is set aside, one JSON object a line, with the service."""
    for service in services or _SERVICES:
        for item in officer.all(f"/v1/operations/{service}/quarantine", "items"):
            print_json({"service": service} | item)


@command.command("retry")
@click.argument("row_id", required=False)
@_SERVICE
@as_officer
def retry(officer: OfficerOptions, row_id: str | None, services: tuple[str, ...]) -> None:
    """Try ROW_ID again, or all that failed; exits 1 when something is still set aside."""
    unresolved = 0
    for service in services or _SERVICES:
        base = f"/v1/operations/{service}/quarantine"
        items = list(officer.all(base, "items"))
        for item in items:
            if row_id == item["id"] or (row_id is None and item["state"] == "failed"):
                answer = officer.call("POST", at(base, item["id"]) + "/retry")
                unresolved += not answer["resolved"]
                with (
                    after("it was tried again", "Look with: chengxin quarantine list") as step,
                    step("it is not shown"),
                ):
                    print_json({"service": service, "id": item["id"]} | answer)
    if unresolved:
        raise click.exceptions.Exit(1)
