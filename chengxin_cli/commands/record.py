"""`chengxin record`: a provider's later changes of its records (Art. 11), signed, and receipted to be kept."""

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
from chengxin_cli.commands.receipt import provider_says, system_says
from chengxin_cli.commands.submit import edge_of, told
from chengxin_cli.gateway_client import Caller, HttpRefused
from chengxin_cli.output_files import keep

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTCOMES: Final = {
    pb.OUTCOME_AMENDED: "amended",
    pb.OUTCOME_UNCHANGED: "unchanged: it says this already",
    pb.OUTCOME_REVOKED: "revoked",
}


@click.group("record")
def command() -> None:
    """Find, amend or revoke a record of yours (Art. 11)."""


def _with(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Puts options on a command, in this order."""

    def decorate(made: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            made = option(made)
        return made

    return decorate


# By whom, and where.
_ASKING: Final = (
    click.option("--client-id", required=True, help="Your client id."),
    click.option("--key", "key_file", type=_FILE, required=True, help="Its private key."),
    click.option("--home", type=click.Path(path_type=Path), help="Directory of a suite here."),
    click.option("--http", help="HTTP address of the gateway, with http:// or https:// [from the home]."),
    click.option("--grpc", "grpc_address", help="gRPC address of the gateway, host:port [from the home]."),
    click.option("--language", type=click.Choice(["zh-CN", "en"]), default="zh-CN", help="Of reasons."),
)
# What both acts take.
_CHANGING: Final = _with(
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
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to keep the receipt [<record>.<version>.receipt.json here].",
    ),
    *_ASKING,
)


def _items_given(_: click.Context, __: click.Parameter, changes: tuple[str, ...]) -> dict[str, str]:
    given = {}
    for change in changes:
        code, equals, given[code] = change.partition("=")
        # Without it nobody said what the value is: to take it for none would erase the item.
        if not code or not equals:
            raise click.BadParameter(f"'{change}' is not ITEM=VALUE; ITEM= takes the item away")
    return given


@command.command("show")
@click.option("--catalog", required=True, help="Code of the entry.")
@click.option(
    "--item",
    "key",
    multiple=True,
    required=True,
    metavar="ITEM=VALUE",
    callback=_items_given,
    help="What identifies the record.",
)
@_with(*_ASKING)
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
    asked = {"catalog": catalog, "key": key, "page_size": 200}
    try:
        provider = edge_of(home, http, grpc_address, language).machine(client_id, key_file, scope="provider")
        found = provider.post("/v1/records/queries", asked)
        while token := found["next_page_token"]:
            found = provider.post("/v1/records/queries", asked | {"page_token": token})
    except Problem as e:
        raise click.ClickException(told(e, language)) from None
    except HttpRefused as e:
        raise click.ClickException(str(e)) from None
    current = found["versions"][-1]
    shown = {"record_id": found["record_id"]} | {name: current[name] for name in ("version", "revoked", "items")}
    click.echo(json.dumps(shown, ensure_ascii=False, indent=1))


@command.command("amend")
@click.option(
    "--set",
    "given",
    multiple=True,
    required=True,
    metavar="ITEM=VALUE",
    callback=_items_given,
    help="An item's new value; ITEM= takes the item away.",
)
@_CHANGING
def amend(given: dict[str, str], **options: Any) -> None:
    """Amend RECORD_ID: the other items stay as they are."""

    def items(current: Mapping[str, str]) -> dict[str, str]:
        return {code: value for code, value in (dict(current) | given).items() if value}

    _run(items, **options)


@command.command("revoke")
@_CHANGING
def revoke(**options: Any) -> None:
    """Revoke RECORD_ID: it ceases to have effect, and stays in history."""
    _run(None, **options)


def _run(
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
    **words: str,
) -> None:
    try:
        edge = edge_of(home, http, grpc_address, language)
        # Asked first, they say before anything is changed that the receipt can be verified.
        keys = edge.anonymous().get("/v1/submissions/keys")
        provider = edge.machine(client_id, key_file, scope="provider")
        name = request_id or secrets.token_urlsafe(24)
        asking = {
            version.version: ChangeStatement(name, items=items(version.items) if items else None, **words)
            for version in versions(provider, record_id)
        }
        asked, outcome = ask_again(provider, record_id, asking, key_file if signing else None)
    except Problem as e:
        raise click.ClickException(told(e, language)) from None
    except HttpRefused as e:
        raise click.ClickException(str(e)) from None
    kept = receipt_of(outcome.receipt, asked, keys["keys"])
    content = json.dumps(kept, ensure_ascii=False, indent=1).encode()
    wanted = receipt_file or Path(f"{record_id}.{outcome.version}.receipt.json")
    file = keep(wanted, lambda out: out.write(content))
    click.echo(f"record {record_id} version {outcome.version}: {_OUTCOMES[outcome.outcome]}{_lateness(outcome)}")
    click.echo(f"receipt, signatures verified: {file}")


def _lateness(outcome: pb.RecordOutcome) -> str:
    if outcome.late_undetermined:
        return ", lateness undetermined: the calendar of a year is missing"
    return f", {outcome.late_working_days} working days late" if outcome.late_working_days else ""


def versions(provider: Caller, record_id: str) -> list[pb.DeliveredVersion]:
    """Every version of a record of the provider, oldest first. Raises `Problem`."""
    request = pb.GetRecordRequest(record_id=record_id, page_size=1000)
    found: list[pb.DeliveredVersion] = []
    while True:
        page: pb.RecordHistory = provider.rpc("IngestService/GetRecord", request)
        found.extend(page.versions)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def ask_again(
    provider: Caller, record_id: str, asking: Mapping[int, ChangeStatement], key_file: Path | None
) -> tuple[ChangeStatement, pb.RecordOutcome]:
    """Asks for the change that was or will be made under a request id; `asking` is what it says, by version it bases on.

    A request id is new, and good for the latest version; or it was used for an earlier one, and is good for that alone:
    for all others the system refuses it. Raises `Problem`; nothing is changed then.
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
    what = fields | {"record_id": record_id, "based_on_version": version, "signature": signature}
    method, request = ("Revoke", pb.RevokeRequest) if asked.items is None else ("Amend", pb.AmendRequest)
    outcome: pb.RecordOutcome = provider.rpc(f"IngestService/{method}", request(**what))
    return outcome


def receipt_of(jws: str, asked: ChangeStatement, keys: list[dict[str, str]]) -> dict[str, Any]:
    """What to keep of a change: its receipt, verified, with what was asked. Raises `ValueError`, `jwt.PyJWTError`."""
    says = system_says({"jws": jws}, {"keys": keys})
    provider_says(says)
    if says["content_sha256"] != asked.sha256():
        raise ValueError("the receipt is about something else than was asked")
    fields = {name: value for name, value in asdict(asked).items() if value is not None}
    return {"receipt": says, "asked": json.loads(canonical(fields)), "jws": jws, "keys": keys}
