"""`chengxin record`: a provider changes its records later (Art. 11), signs each change and keeps the receipt."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from chengxin.auth.access_tokens import load_private_key
from chengxin.errors import IDEMPOTENCY_CONFLICT, Problem
from chengxin.values.canonical_json import canonical
from chengxin.values.provider_statement import ChangeStatement, change_statement, sign
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_cli.commands.receipt import verify_provider_statement, verify_system_statement
from chengxin_cli.commands.submit import edge_of
from chengxin_cli.ending import LANGUAGE, Ended, ExitCode, after, describe
from chengxin_cli.gateway_client import Caller
from chengxin_cli.input_files import EXISTING_FILE, FILE, FilePath
from chengxin_cli.option_types import GRPC_ADDRESS, HTTP_ADDRESS
from chengxin_cli.output import print_json, print_lines
from chengxin_cli.output_files import save_without_loss
from chengxin_cli.submission import is_transient

_OUTCOMES: Final = {
    pb.OUTCOME_AMENDED: "amended",
    pb.OUTCOME_UNCHANGED: "unchanged: it says this already",
    pb.OUTCOME_REVOKED: "revoked",
}


@click.group("record")
def command() -> None:
    """Find, amend or revoke a record of yours (Art. 11)."""


def _add_options(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Puts options on a command, in this order."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


# The client that asks, and where the gateway is.
_CLIENT_OPTIONS: Final = (
    click.option("--client-id", required=True, help="Your client id."),
    click.option("--key", "key_file", type=EXISTING_FILE, required=True, help="Its private key."),
    click.option("--home", type=FilePath(), help="Directory of a suite here."),
    click.option(
        "--http", type=HTTP_ADDRESS, help="HTTP address of the gateway, with http:// or https:// [from the home]."
    ),
    click.option(
        "--grpc", "grpc_address", type=GRPC_ADDRESS, help="gRPC address of the gateway, host:port [from the home]."
    ),
    LANGUAGE,
)
# The options of both acts.
_CHANGE_OPTIONS: Final = _add_options(
    click.argument("record_id"),
    click.option("--reason", required=True, help="Why, in words."),
    click.option("--document-number", default="", help="The legal document of the change."),
    click.option("--effective-date", default="", help="When it took legal effect, YYYY-MM-DD."),
    click.option("--objection-no", default="", help="Objection that led to it, if one did."),
    click.option("--request-id", help="Name of this request: given again, it is not made twice [random]."),
    click.option("--sign/--no-sign", "signing", default=True, show_default=True, help="Sign it by that key."),
    click.option(
        "--receipt",
        "receipt_file",
        type=FILE,
        help="Where to keep the receipt [<record>.<version>.receipt.json here].",
    ),
    *_CLIENT_OPTIONS,
)


def _parse_items(_: click.Context, __: click.Parameter, changes: tuple[str, ...]) -> dict[str, str]:
    items = {}
    for change in changes:
        code, equals, items[code] = change.partition("=")
        # Without the equals sign no value was typed: to take that for an empty value would erase the item.
        if not code or not equals:
            raise click.BadParameter(f"'{change}' is not ITEM=VALUE; ITEM= takes the item away")
    return items


@command.command("show")
@click.option("--catalog", required=True, help="Code of the entry.")
@click.option(
    "--item",
    "key",
    multiple=True,
    required=True,
    metavar="ITEM=VALUE",
    callback=_parse_items,
    help="What identifies the record.",
)
@_add_options(*_CLIENT_OPTIONS)
def show(
    catalog: str,
    key: dict[str, str],
    client_id: str,
    key_file: Path,
    home: Path | None,
    http: str | None,
    grpc_address: str | None,
    language: str,
) -> None:
    """Show your record of an entry by the items that identify it: its id, its version, its items."""
    query = {"catalog": catalog, "key": key, "page_size": 200}
    provider = edge_of(home, http, grpc_address, language).machine(client_id, key_file, scope="provider")
    history = provider.post("/v1/records/queries", query)
    while token := history["next_page_token"]:
        history = provider.post("/v1/records/queries", query | {"page_token": token})
    current = history["versions"][-1]
    shown = {"record_id": history["record_id"]} | {name: current[name] for name in ("version", "revoked", "items")}
    print_json(shown, indent=1)


@command.command("amend")
@click.option(
    "--set",
    "given",
    multiple=True,
    required=True,
    metavar="ITEM=VALUE",
    callback=_parse_items,
    help="An item's new value; ITEM= takes the item away.",
)
@_CHANGE_OPTIONS
def amend(given: dict[str, str], **options: Any) -> None:
    """Amend RECORD_ID: the other items stay as they are."""

    def items(current: Mapping[str, str]) -> dict[str, str]:
        return {code: value for code, value in (dict(current) | given).items() if value}

    _change(items, **options)


@command.command("revoke")
@_CHANGE_OPTIONS
def revoke(**options: Any) -> None:
    """Revoke RECORD_ID: it ceases to have effect, and stays in history."""
    _change(None, **options)


def _change(
    items: Callable[[Mapping[str, str]], dict[str, str]] | None,
    record_id: str,
    client_id: str,
    key_file: Path,
    signing: bool,
    receipt_file: Path | None,
    home: Path | None,
    http: str | None,
    grpc_address: str | None,
    language: str,
    request_id: str | None,
    **statement_fields: str,
) -> None:
    edge = edge_of(home, http, grpc_address, language)
    provider = edge.machine(client_id, key_file, scope="provider")
    # The keys are fetched first, so that before any change it is sure that the receipt can be verified.
    keys = edge.anonymous().get("/v1/submissions/keys")
    name = request_id or secrets.token_urlsafe(24)
    again = f"Repeat the command with --request-id={name}: it changes nothing twice"
    statements = {
        version.version: ChangeStatement(name, items=items(version.items) if items else None, **statement_fields)
        for version in versions(provider, record_id)
    }
    try:
        statement, outcome = ask_again(provider, record_id, statements, key_file if signing else None)
    except Problem as e:
        if not is_transient(e):
            raise
        raise Ended(
            f"{describe(e, language)}; it is not known whether it was done. {again}", ExitCode.NOT_KNOWN
        ) from None
    done = f"record {record_id} version {outcome.version}: {_OUTCOMES[outcome.outcome]}{_describe_lateness(outcome)}"
    again += ", and saves the receipt (--receipt FILE)"
    with after(done, again) as step, step("the receipt cannot be saved"):
        receipt = receipt_of(outcome.receipt, statement, keys["keys"])
        content = json.dumps(receipt, ensure_ascii=False, indent=1).encode()
        wanted = receipt_file or Path(f"{record_id}.{outcome.version}.receipt.json")
        file = save_without_loss(wanted, lambda out: out.write(content))
        with step("this cannot be shown"):
            print_lines(done, f"receipt, signatures verified: {file}")


def _describe_lateness(outcome: pb.RecordOutcome) -> str:
    if outcome.late_undetermined:
        return ", lateness undetermined: the calendar of a year is missing"
    return f", {outcome.late_working_days} working days late" if outcome.late_working_days else ""


def versions(provider: Caller, record_id: str) -> list[pb.DeliveredVersion]:
    """Every version of a record of the provider, oldest first. Raises `Problem`."""
    request = pb.GetRecordRequest(record_id=record_id, page_size=1000)
    delivered: list[pb.DeliveredVersion] = []
    while True:
        page: pb.RecordHistory = provider.rpc("IngestService/GetRecord", request)
        delivered.extend(page.versions)
        if not page.next_page_token:
            return delivered
        request.page_token = page.next_page_token


def ask_again(
    provider: Caller, record_id: str, asking: Mapping[int, ChangeStatement], key_file: Path | None
) -> tuple[ChangeStatement, pb.RecordOutcome]:
    """Asks for the change of one request id, whether it was made before or not; returns its statement and outcome.

    `asking` holds the statement of the change by the version that it bases on. A new request id is good for the latest
    version. One that was used for an earlier version is good for that version alone: the system refuses it for all
    others. Raises `Problem`; nothing is changed then.
    """
    *later, first = sorted(asking, reverse=True)
    for version in later:
        try:
            return asking[version], ask(provider, record_id, version, asking[version], key_file)
        except Problem as e:
            if e.code != IDEMPOTENCY_CONFLICT.code:
                raise
    return asking[first], ask(provider, record_id, first, asking[first], key_file)


def ask(
    provider: Caller, record_id: str, version: int, asked: ChangeStatement, key_file: Path | None
) -> pb.RecordOutcome:
    """Asks for a change of a version of a record, signed when there is a key. Raises `Problem`."""
    signature = sign(change_statement(asked, record_id, version), load_private_key(key_file)) if key_file else ""
    fields = {name: value for name, value in asdict(asked).items() if value is not None}
    request_fields = fields | {"record_id": record_id, "based_on_version": version, "signature": signature}
    method, request = ("Revoke", pb.RevokeRequest) if asked.items is None else ("Amend", pb.AmendRequest)
    outcome: pb.RecordOutcome = provider.rpc(f"IngestService/{method}", request(**request_fields))
    return outcome


def receipt_of(jws: str, asked: ChangeStatement, keys: list[dict[str, str]]) -> dict[str, Any]:
    """What to keep of a change: its verified receipt, and what was asked. Raises `ValueError`, `jwt.PyJWTError`."""
    says = verify_system_statement({"jws": jws}, {"keys": keys})
    verify_provider_statement(says)
    if says["content_sha256"] != asked.sha256():
        raise ValueError("the receipt is about something else than was asked")
    fields = {name: value for name, value in asdict(asked).items() if value is not None}
    return {"receipt": says, "asked": json.loads(canonical(fields)), "jws": jws, "keys": keys}
