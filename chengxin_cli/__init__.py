"""The command `chengxin`.

Each subcommand is a module of `commands` with a click object `command`; it is loaded when it is called.
"""

import importlib
from typing import Any

import click

from chengxin.process import stop_signals
from chengxin_cli.commands import COMMANDS


class Interrupted(click.ClickException):
    """Ctrl-C ended the command."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped by Ctrl-C; what the system has answered is done, run the command again for the rest")


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"chengxin_cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # A second one would interrupt the end.
            stop_signals.take_no_more()
            raise Interrupted from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup)
@click.version_option(package_name="chengxin")
def main() -> None:
    """Chengxin (诚信): the public credit information system of a city."""
