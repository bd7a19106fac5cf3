"""The command `chengxin`.

Each subcommand is a module of `commands` with a click object `command`; it is loaded when it is called.
"""

import importlib

import click

_COMMANDS = {
    "up": "Run the whole suite on embedded stores.",
    "status": "Each process, its health, the last checkpoint.",
    "quarantine": "What could not be applied: why, and another attempt.",
    "tour": "Walk the main job against a running suite, as outside clients would.",
    "submit": "Deliver a file of records.",
    "record": "Amend or revoke a record, signed.",
    "receipt": "Verify the receipt of a delivery or of a change, offline.",
    "audit": "Verify or export the audit log.",
    "witness": "Cosign the audit log as an independent witness.",
    "policy": "The authorization table.",
    "client": "Agencies' and providers' systems: registration, keys, grants, suspension.",
    "disclosure": "Make anew what is derived from the feeds.",
    "subject": "Subjects of whom providers tell facts differently.",
    "officer": "Officers: sign in, accounts, grants.",
    "keys": "Signing keys of the gateway; key files.",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"chengxin_cli.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup)
@click.version_option(package_name="chengxin")
def main() -> None:
    """Chengxin (诚信): the public credit information system of a city."""
