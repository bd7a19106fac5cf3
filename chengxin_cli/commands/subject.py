"""`chengxin subject`: what an officer of the centre or the authority oversees across all subjects."""

import click

from chengxin_cli.officer_session import OfficerOptions, as_officer


@click.group("subject")
def command() -> None:
    """Subjects: where providers differ."""


@command.command("disagreements")
@as_officer
def disagreements(officer: OfficerOptions) -> None:
    """Every subject of which providers tell a fact differently, the longest standing first, one a line."""
    officer.show_all("/v1/subjects/disagreements", "disagreements")
