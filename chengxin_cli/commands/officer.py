"""`chengxin officer`: sign-in, officers' accounts, and the grants that take two officers."""

from pathlib import Path
from urllib.parse import urlencode

import click

from chengxin_cli.gateway_client import at
from chengxin_cli.input_files import EXISTING_FILE, read_text
from chengxin_cli.officer_session import OfficerOptions, as_officer, present_code

_BASE = "/v1/identity/officers"
# Each service keeps what was proposed there.
_PROPOSALS = {
    "gateway": "/v1/identity",
    "catalog": "/v1/catalog",
    "ingest": "/v1/submissions",
    "disclosure": "/v1/subjects",
}
_SERVICE = click.option(
    "--service",
    type=click.Choice(tuple(_PROPOSALS)),
    default="gateway",
    show_default=True,
    help="Where it was proposed.",
)
# The number is not an argument, because it would stay in the shell's history and show in the list of processes.
_IDENTITY_NUMBER_HELP = "The number of the person's document, in place of asking for it."
_DOCUMENT_HELP = (
    "resident_identity_card, temporary_identity_card, residence_permit, permanent_residence_card, hk_macao_travel_permit,"
    " taiwan_travel_permit, passport."
)
_USERNAME = click.argument("target", metavar="USERNAME")


@click.group("officer")
def command() -> None:
    """Sign in; officers' accounts; grants."""


@command.command("sign-in")
@click.argument("who", metavar="USERNAME")
@click.option("--password-file", type=EXISTING_FILE, help="Else it is asked for.")
@click.option("--totp-secret-file", type=EXISTING_FILE, help="Makes the code of itself.")
@click.option("--totp", help="The present code, else it is asked for.")
@click.option("--change-password", is_flag=True, help="Asks for another; required in place of an initial one.")
@click.option("--new-password-file", type=EXISTING_FILE, help="In place of asking.")
@as_officer
def sign_in(
    officer: OfficerOptions,
    who: str,
    password_file: Path | None,
    totp_secret_file: Path | None,
    totp: str | None,
    change_password: bool,
    new_password_file: Path | None,
) -> None:
    """Sign in; the other commands use this session until it expires."""
    password = read_text(password_file).strip() if password_file else click.prompt("Password", hide_input=True)
    proof = {"password": password, "totp": present_code(totp_secret_file, totp)}
    if new_password_file:
        proof["new_password"] = read_text(new_password_file).strip()
    elif change_password:
        proof["new_password"] = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    officer.sign_in(who, proof)


@command.command("sign-out")
@as_officer
def sign_out(officer: OfficerOptions) -> None:
    """End the session, everywhere."""
    officer.sign_out()


@command.command("list")
@as_officer
def list_(officer: OfficerOptions) -> None:
    """List the officers of your region."""
    officer.show_all(_BASE, "officers")


@command.command("show")
@_USERNAME
@as_officer
def show(officer: OfficerOptions, target: str) -> None:
    """Show one officer: account, lock, current sign-ins."""
    officer.show(at(_BASE, target))


@command.command("create")
@_USERNAME
@click.option("--name", required=True)
@click.option("--org", required=True, help="Unified social credit code of the officer's organisation.")
@click.option("--region", default="", help="Where the officer acts, six digits; left out: everywhere.")
@as_officer
def create(officer: OfficerOptions, target: str, name: str, org: str, region: str) -> None:
    """Make an account. Prints its initial password and TOTP secret, once."""
    officer.change("POST", _BASE, json={"username": target, "name": name, "org": org, "region": region})


@command.command("roles")
@_USERNAME
@click.argument("roles", nargs=-1)
@as_officer
def roles(officer: OfficerOptions, target: str, roles: tuple[str, ...]) -> None:
    """Propose which ROLES an officer holds; none takes all away."""
    officer.change("POST", at(_BASE, target) + "/roles", json={"roles": list(roles)})


@command.command("proposals")
@click.option("--state", default="open", help="open, applied, approved, rejected, outdated; empty: all.")
@_SERVICE
@as_officer
def proposals(officer: OfficerOptions, state: str, service: str) -> None:
    """List what waits for a second officer."""
    officer.show_all(f"{_PROPOSALS[service]}/proposals?{urlencode({'state': state})}", "proposals")


@command.command("approve")
@click.argument("proposal_id")
@_SERVICE
@as_officer
def approve(officer: OfficerOptions, proposal_id: str, service: str) -> None:
    """Approve a proposal, as the second officer: what it proposes is done."""
    officer.change("POST", at(f"{_PROPOSALS[service]}/proposals", proposal_id) + "/approve")


@command.command("reject")
@click.argument("proposal_id")
@_SERVICE
@as_officer
def reject(officer: OfficerOptions, proposal_id: str, service: str) -> None:
    """Reject a proposal, or take back your own."""
    officer.change("POST", at(f"{_PROPOSALS[service]}/proposals", proposal_id) + "/reject")


@command.command("reset")
@_USERNAME
@as_officer
def reset(officer: OfficerOptions, target: str) -> None:
    """Make a new password and TOTP secret, printed once; all earlier sign-ins end.

    The account works again when its holder has chosen a password and another officer has approved the proposal.
    """
    officer.change("POST", at(_BASE, target) + "/reset")


@command.command("suspend")
@_USERNAME
@as_officer
def suspend(officer: OfficerOptions, target: str) -> None:
    """Suspend an officer; the officer's tokens are refused within a minute."""
    officer.change("POST", at(_BASE, target) + "/suspend")


@command.command("resume")
@_USERNAME
@as_officer
def resume(officer: OfficerOptions, target: str) -> None:
    """Propose to end an officer's suspension."""
    officer.change("POST", at(_BASE, target) + "/resume")


@command.command("unlock")
@_USERNAME
@as_officer
def unlock(officer: OfficerOptions, target: str) -> None:
    """Forget the failed sign-ins that lock a user name."""
    officer.change("POST", at(_BASE, target) + "/unlock")


@command.command("end-sessions")
@_USERNAME
@click.option("--session", default="", help="Only this one (its jti).")
@as_officer
def end_sessions(officer: OfficerOptions, target: str, session: str) -> None:
    """Sign an officer out."""
    if session:
        officer.change("DELETE", at(at(_BASE, target) + "/sessions", session))
    else:
        officer.change("POST", at(_BASE, target) + "/sign-out")


@command.command("counter-code")
@click.option("--document", default="resident_identity_card", help=_DOCUMENT_HELP)
@click.option("--counter", default="", help="Which counter: the person is told, beside your user name.")
@click.option("--identity-number-file", type=EXISTING_FILE, help=_IDENTITY_NUMBER_HELP)
@as_officer
def counter_code(officer: OfficerOptions, document: str, counter: str, identity_number_file: Path | None) -> None:
    """Print a one-time code, once, for a person whose document you have checked."""
    number = _read_identity_number(identity_number_file)
    body = {"identity_number": number, "document": document, "counter": counter}
    officer.change("POST", "/v1/identity/counter/codes", json=body)


@command.command("represent")
@click.argument("uscc")
@click.option("--document", default="resident_identity_card", help=_DOCUMENT_HELP)
@click.option("--capacity", required=True, help="legal_representative, or agent.")
@click.option("--authorization", default="", help="For an agent: number of the authorization.")
@click.option("--until", default="", help="For an agent: its last day, YYYY-MM-DD.")
@click.option("--identity-number-file", type=EXISTING_FILE, help=_IDENTITY_NUMBER_HELP)
@as_officer
def represent(
    officer: OfficerOptions,
    uscc: str,
    document: str,
    capacity: str,
    authorization: str,
    until: str,
    identity_number_file: Path | None,
) -> None:
    """Propose that a person may act for an organisation; another officer approves."""
    body = {"identity_number": _read_identity_number(identity_number_file), "uscc": uscc, "capacity": capacity}
    body |= {"document": document, "authorization": authorization, "until": until}
    officer.change("POST", "/v1/identity/representations", json=body)


@command.command("representatives")
@click.argument("uscc")
@as_officer
def representatives(officer: OfficerOptions, uscc: str) -> None:
    """List who may act for an organisation, by pseudonym."""
    officer.show(f"/v1/identity/representations?{urlencode({'uscc': uscc})}")


@command.command("end-representation")
@click.argument("representation_id")
@as_officer
def end_representation(officer: OfficerOptions, representation_id: str) -> None:
    """End it; tokens for the organisation are refused within a minute."""
    officer.change("DELETE", at("/v1/identity/representations", representation_id))


def _read_identity_number(file: Path | None) -> str:
    return read_text(file).strip() if file else str(click.prompt("Number of the document")).strip()
