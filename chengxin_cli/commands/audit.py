"""`chengxin audit`: verifies or exports the audit log, and has what is derived in its store repaired."""

import sys
import tempfile
import threading
from pathlib import Path
from typing import Final

import click

from chengxin.tlog.signed_note import Checkpoint, NoteError, VerifierKey, split_note
from chengxin_cli.audit_log.export import KEY, FetchError, export_log
from chengxin_cli.audit_log.verify import GIVEN, Findings, verify_directory
from chengxin_cli.ending import after
from chengxin_cli.gateway_client import Edge
from chengxin_cli.input_files import (
    DIRECTORY,
    EXISTING_DIRECTORY,
    EXISTING_FILE,
    FilePath,
    FileUnusable,
    read_note,
    read_text,
    read_word,
)
from chengxin_cli.officer_session import OfficerOptions, as_officer
from chengxin_cli.option_types import HTTP_ADDRESS, LOG_KEY
from chengxin_cli.output import print_json, print_lines
from chengxin_cli.suite.home import Home

_REPAIR: Final = "/v1/operations/audit/repair"
_HOME = click.option("--home", type=FilePath(), help="Directory of the suite [$CHENGXIN_HOME, ~/.chengxin].")
_HTTP = click.option("--http", type=HTTP_ADDRESS, help="HTTP address of the gateway [from the home].")
_TOKEN = click.option(
    "--token-file",
    type=EXISTING_FILE,
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
    type=EXISTING_DIRECTORY,
    help="A log exported before; nothing is fetched.",
)
@click.option(
    "--checkpoint",
    type=EXISTING_FILE,
    help="A checkpoint kept from earlier: the log must be a continuation of it.",
)
@click.option("--vkey", type=LOG_KEY, help="Key of the log, name+hash+base64 [the key file in the directory].")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def verify(
    home: Path | None,
    http: str | None,
    token_file: Path | None,
    directory: Path | None,
    checkpoint: Path | None,
    vkey: VerifierKey | None,
    as_json: bool,
) -> None:
    """Verify the whole log from its tiles; exits 1 and says where when anything is wrong."""
    # What is given is looked at before anybody signs in.
    earlier = _read_checkpoint(checkpoint) if checkpoint else None
    if directory is not None:
        findings = _verify(directory, vkey, earlier)
    else:
        with tempfile.TemporaryDirectory(prefix="chengxin-log-") as temporary:
            copy = Path(temporary)
            _export(home, http, token_file, copy)
            findings = _verify(copy, vkey, earlier)
    if as_json:
        print_json(findings.to_dict(), indent=1)
    elif findings.ok:
        print_lines(f"✓ {findings.tree_size} events of {findings.origin}, root {findings.root_hash}")
        if findings.continues is not None:
            print_lines(f"✓ a continuation of the earlier checkpoint, of {findings.continues} events")
        if vkey is None:
            print_lines("  the key came with the log: compare it with the one that the system published (--vkey)")
    else:
        for place in findings.problems:
            print_lines(f"✗ {place}", err=True)
        if findings.more:
            print_lines(f"✗ and {findings.more} more", err=True)
        if any(place.path != GIVEN for place in findings.problems):
            print_lines(
                "what is derived can be made again: chengxin audit repair; docs/operations/audit-log.md", err=True
            )
    sys.exit(0 if findings.ok else 1)


@command.command("export")
@click.argument("directory", type=DIRECTORY)
@_HOME
@_HTTP
@_TOKEN
def export(directory: Path, home: Path | None, http: str | None, token_file: Path | None) -> None:
    """Copy the log into DIRECTORY: checkpoint, key, tiles, entries, as C2SP tlog-tiles lays them out."""
    size = _export(home, http, token_file, directory)
    print_lines(f"{size} events in {directory}")


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
        print_lines(f"✗ {row['collection']} {row['key']} {row['fault']}{fields}: {remedy}")
    if condition["sound"]:
        print_lines(f"✓ nothing is altered, as far as {condition['inspections']} inspections of the whole store tell")
        return
    if not yes:
        click.confirm("The repair goes on record. Begin?", abort=True)
    condition = officer.call("POST", _REPAIR)
    again = "It goes on all the same; the same command tells what is left"
    with after("the repair has begun", again) as step, step("what became of it is not known here"):
        pause = threading.Event()
        while condition["repair_due"]:
            pause.wait(1)
            condition = officer.call("GET", _REPAIR)
        print_lines("✓ repaired" if condition["sound"] else "✗ something altered is left", err=not condition["sound"])
    if not condition["sound"]:
        raise click.exceptions.Exit(1)


def _read_checkpoint(file: Path) -> str:
    note = read_note(file)
    try:
        Checkpoint.parse(split_note(note)[0])
    except NoteError as e:
        raise FileUnusable(file, str(e)) from None
    return note


def _verify(directory: Path, vkey: VerifierKey | None, earlier: str | None) -> Findings:
    if vkey is None and not (directory / KEY).exists():
        raise click.ClickException(f"{directory} has no file {KEY}; give the log's key with --vkey")
    return verify_directory(directory, read_text(directory / KEY) if vkey is None else str(vkey), earlier)


def _export(home: Path | None, http: str | None, token_file: Path | None, directory: Path) -> int:
    suite_home = Home(home.absolute()) if home else Home.default()
    if http is None:
        if not (addresses := suite_home.addresses()):
            raise click.ClickException(f"no suite runs in {suite_home.path}; start one, or give --http or --directory")
        http = str(addresses["http"])
    token = read_word(token_file, "an access token") if token_file else _obtain_supervisor_token(suite_home, http)
    try:
        return export_log(http, directory, token)
    except (FetchError, NoteError, UnicodeDecodeError) as e:
        raise click.ClickException(f"the log cannot be copied: {e}") from None


def _obtain_supervisor_token(home: Home, http: str) -> str:
    people = home.demo_credentials()
    if people is None:
        raise click.ClickException(f"no demonstration people in {home.path}; give a supervisor's --token-file")
    credentials = people["officers"]["supervisor"]
    officer = Edge(http, "").officer(credentials["username"], credentials["password"], credentials["totp_secret"])
    return officer.token()
