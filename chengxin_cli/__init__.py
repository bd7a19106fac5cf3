"""The command `chengxin`.

Each subcommand is a module of `commands` with a click object `command`; it is loaded when it is called.
"""

import importlib
from typing import Any

import click

from chengxin_cli.commands import COMMANDS
from chengxin_cli.ending import ending, prepare_streams


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"chengxin_cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        prepare_streams()
        with ending({}):
            _require_text(args)
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with ending(ctx.meta):
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup)
@click.version_option(package_name="chengxin")
def main() -> None:
    """Chengxin (诚信): the public credit information system of a city."""


def _require_text(arguments: list[str]) -> None:
    """Refuses what neither a request nor a message could hold."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="backslashreplace").decode()
            raise click.UsageError(f"'{shown}' is not text in the encoding of this terminal; rename the file") from None
