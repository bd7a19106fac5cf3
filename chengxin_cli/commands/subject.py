"""`chengxin subject`: what an officer of the centre or the authority oversees across all subjects."""

import click

from chengxin_cli.officer_session import OfficerOptions, as_officer


@click.group("subject")
def command() -> None:
    """See where providers differ about subjects."""


@command.command("disagreements")
@as_officer
def disagreements(officer: OfficerOptions) -> None:
    """List the subjects about which providers tell a fact differently, the oldest difference first, one a line."""
    officer.show_all("/v1/subjects/disagreements", "disagreements")
