"""`chengxin audit`: verifies or exports the audit log, and has what is derived in its store repaired."""

import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import click

from chengxin.errors import Problem
from chengxin.tlog.signed_note import NoteError
from chengxin_cli.audit_log.export import KEY, FetchError, export_log
from chengxin_cli.audit_log.verify import Findings, verify_directory
from chengxin_cli.gateway_client import Edge, HttpRefused
from chengxin_cli.officer_session import OfficerOptions, as_officer
from chengxin_cli.suite.home import Home

_REPAIR: Final = "/v1/operations/audit/repair"
_HOME = click.option(
    "--home", type=click.Path(path_type=Path), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin]."
)
_HTTP = click.option("--http", help="HTTP address of the gateway [from the home].")
_TOKEN = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a supervisor's access token [signs in as the demonstration supervisor].",
)


@click.group("audit")
def command() -> None:
    """Verify, export or repair the audit log."""


@command.command("verify")
@_HOME
@_HTTP
@_TOKEN
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A log exported before; nothing is fetched.",
)
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint kept from earlier: the log must be a continuation of it.",
)
@click.option("--vkey", help="Key of the log, name+hash+base64 [the key file in the directory].")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def verify(
    home: Path | None,
    http: str | None,
    token_file: Path | None,
    directory: Path | None,
    checkpoint: Path | None,
    vkey: str | None,
    as_json: bool,
) -> None:
    """Verify the whole log from its tiles; exits 1 and says where when anything is wrong."""
    earlier = checkpoint.read_text() if checkpoint else ""
    if directory is not None:
        findings = _verify(directory, vkey, earlier)
    else:
        with tempfile.TemporaryDirectory(prefix="chengxin-log-") as temporary:
            copy = Path(temporary)
            _export(home, http, token_file, copy)
            findings = _verify(copy, vkey, earlier)
    if as_json:
        click.echo(json.dumps(findings.to_dict(), indent=1))
    elif findings.ok:
        click.echo(f"✓ {findings.tree_size} events of {findings.origin}, root {findings.root_hash}")
        if earlier:
            click.echo("✓ a continuation of the earlier checkpoint")
    else:
        for place in findings.problems:
            click.echo(f"✗ {place}", err=True)
        if findings.more:
            click.echo(f"✗ and {findings.more} more", err=True)
        click.echo("what is derived can be made again: chengxin audit repair; docs/operations/audit-log.md", err=True)
    sys.exit(0 if findings.ok else 1)


@command.command("export")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@_HOME
@_HTTP
@_TOKEN
def export(directory: Path, home: Path | None, http: str | None, token_file: Path | None) -> None:
    """Copy the log into DIRECTORY: checkpoint, key, tiles, entries, as C2SP tlog-tiles lays them out."""
    size = _export(home, http, token_file, directory)
    click.echo(f"{size} events in {directory}")


@command.command("repair")
@click.option("--yes", is_flag=True, help="Do not ask before the repair.")
@as_officer
def repair(officer: OfficerOptions, yes: bool) -> None:
    """Have derived rows of the log's store that were altered made again; for officers of the centre.

    Tells what is altered and what will be done, and asks first. Groups (the events) and checkpoints (what was signed) are
    never written. Exits 1 when something altered is left.
    """
    condition = officer.call("GET", _REPAIR)
    for row in condition["alterations"]:
        remedy = "will be made again from the events" if row["derived"] else "cannot be made again: restore a backup"
        fields = f" ({row['fields']})" if row["fields"] else ""
        click.echo(f"✗ {row['collection']} {row['key']} {row['fault']}{fields}: {remedy}")
    if condition["sound"]:
        click.echo(f"✓ nothing is altered, as far as {condition['inspections']} inspections of the whole store tell")
        return
    if not yes:
        click.confirm("The repair goes on record. Begin?", abort=True)
    condition = officer.call("POST", _REPAIR)
    pause = threading.Event()
    while condition["repair_due"]:
        pause.wait(1)
        condition = officer.call("GET", _REPAIR)
    click.echo("✓ repaired" if condition["sound"] else "✗ something altered is left", err=not condition["sound"])
    if not condition["sound"]:
        raise click.exceptions.Exit(1)


def _verify(directory: Path, vkey: str | None, earlier: str) -> Findings:
    if vkey is None:
        if not (directory / KEY).exists():
            raise click.ClickException(f"{directory} has no file {KEY}; give the log's key with --vkey")
        vkey = (directory / KEY).read_text()
    return verify_directory(directory, vkey, earlier)


def _export(home: Path | None, http: str | None, token_file: Path | None, directory: Path) -> int:
    suite_home = Home(home.absolute()) if home else Home.default()
    if http is None:
        if not (addresses := suite_home.addresses()):
            raise click.ClickException(f"no suite runs in {suite_home.path}; start one, or give --http or --directory")
        http = str(addresses["http"])
    try:
        token = _read_token(token_file) if token_file else _obtain_supervisor_token(suite_home, http)
        return export_log(http, directory, token)
    except (FetchError, HttpRefused, Problem, NoteError, UnicodeDecodeError) as e:
        raise click.ClickException(f"the log cannot be copied: {e}") from None


def _read_token(file: Path) -> str:
    token = file.read_text().strip()
    if not token.isascii() or len(token.split()) != 1:
        raise click.ClickException(f"{file} is not an access token: one line of ASCII without spaces is one")
    return token


def _obtain_supervisor_token(home: Home, http: str) -> str:
    credentials_file = home.path / "demo" / "credentials.json"
    if not credentials_file.exists():
        raise click.ClickException(f"no demonstration people in {home.path}; give a supervisor's --token-file")
    credentials = json.loads(credentials_file.read_text())["officers"]["supervisor"]
    officer = Edge(http, "").officer(credentials["username"], credentials["password"], credentials["totp_secret"])
    return officer.token()
