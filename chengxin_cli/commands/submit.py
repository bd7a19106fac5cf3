"""`chengxin submit`: a provider's client. It delivers a file over gRPC, resumes after a break, keeps the receipt."""

import hashlib
import json
import sys
from pathlib import Path
from typing import IO, Any, Final, TypedDict

import click
from rich.table import Table

from chengxin.auth.access_tokens import load_private_key
from chengxin.concurrency.shares import Claimant
from chengxin.tabular.batches import in_batches
from chengxin.tabular.columns import Columns
from chengxin.tabular.problems import FILE_NO_RECORDS
from chengxin.tabular.rejects import write_rejects
from chengxin.tabular.source import Source, id_of_file, kind_of, open_source
from chengxin.values.provider_statement import digest_of, must_be_about, statement
from chengxin.values.provider_statement import sign as signed_by
from chengxin_cli.ending import LANGUAGE, ExitCode, after
from chengxin_cli.gateway_client import Caller, Edge, at
from chengxin_cli.input_files import DIRECTORY, EXISTING_FILE, FilePath, naming, read_json
from chengxin_cli.option_types import GRPC_ADDRESS, HTTP_ADDRESS
from chengxin_cli.output import OutputConsole, print_lines
from chengxin_cli.output_files import save_without_loss
from chengxin_cli.submission import FileSubmission, verified
from chengxin_cli.suite.home import ClientCredentials, Home

_AGAIN: Final = (
    "Run the same command again, where there is room and leave to write (--save-to DIRECTORY): it records nothing twice,"
    " and saves what is missing"
)


class _DemoAccount(TypedDict):
    client_id: str
    org: str


class _DemoAccounts(TypedDict):
    clients: list[_DemoAccount]


@click.command("submit")
@click.argument("file", type=EXISTING_FILE)
@click.option("--catalog", "entry_code", required=True, help="Code of the catalog entry, for example XZXK.")
@click.option("--client-id", help="Your client id [demonstration: the entry's provider].")
@click.option("--key", "key_file", type=EXISTING_FILE, help="Its private key.")
@click.option("--sign/--no-sign", default=True, show_default=True, help="Sign the delivery by that key.")
@click.option("--submission-id", help="Name of this delivery [from the entry and the file's content].")
@click.option("--save-to", type=DIRECTORY, help="Where receipt and rejects are kept [beside FILE].")
@click.option("--home", type=FilePath(), help="Directory of a suite here [$CHENGXIN_HOME, ~/.chengxin].")
@click.option(
    "--http", type=HTTP_ADDRESS, help="HTTP address of the gateway, with http:// or https:// [from the home]."
)
@click.option(
    "--grpc", "grpc_address", type=GRPC_ADDRESS, help="gRPC address of the gateway, host:port [from the home]."
)
@LANGUAGE
def command(
    file: Path,
    entry_code: str,
    client_id: str | None,
    key_file: Path | None,
    sign: bool,
    submission_id: str | None,
    save_to: Path | None,
    home: Path | None,
    http: str | None,
    grpc_address: str | None,
    language: str,
) -> None:
    """Deliver FILE (CSV, XLSX or JSON Lines) of records; ends with a receipt, and a file of what was rejected."""
    suite_home = Home(home.absolute()) if home else Home.default()
    # What is given is looked at before anybody is asked.
    sha256 = _digest(file)
    if bool(client_id) != bool(key_file):
        raise click.ClickException("--client-id and --key belong together")
    if key_file:
        load_private_key(key_file)
    edge = edge_of(home, http, grpc_address, language)
    entry = edge.anonymous().get(at("/v1/catalog/entries", entry_code))
    client_id, key_file = _choose_client(suite_home, entry, client_id, key_file)
    provider = edge.machine(client_id, key_file, scope="provider")
    beside = (save_to or file.parent) / file.name
    rejected = _deliver(provider, entry, file, sha256, submission_id, key_file if sign else None, beside)
    sys.exit(ExitCode.SOME_REJECTED if rejected else ExitCode.DONE)


def _digest(file: Path) -> str:
    with naming(file), file.open("rb") as content:
        kind_of(content, file.name)
        content.seek(0)
        return hashlib.file_digest(content, "sha256").hexdigest()


def _deliver(
    provider: Caller,
    entry: dict[str, Any],
    file: Path,
    sha256: str,
    submission_id: str | None,
    key_file: Path | None,
    beside: Path,
) -> int:
    console = OutputConsole(stderr=True)
    mapping = provider.get(f"/v1/submissions/mappings/{entry['code']}")["columns"]
    columns = Columns.of_entry(entry, mapping)
    with file.open("rb") as content, console.status(f"{file.name}: …"):
        source = open_source(content, file.name, columns, Claimant("this user"))
    with source:
        return _send(
            provider,
            entry,
            file,
            source,
            columns,
            sha256,
            submission_id or id_of_file(entry["code"], sha256, mapping),
            key_file,
            console,
            beside,
        )


def _send(
    provider: Caller,
    entry: dict[str, Any],
    file: Path,
    source: Source,
    columns: Columns,
    sha256: str,
    name: str,
    key_file: Path | None,
    console: OutputConsole,
    beside: Path,
) -> int:
    if source.unread:
        print_lines(f"{file.name}: only the first visible sheet is read, not {', '.join(source.unread)}", err=True)
    delivered_columns = [(column.label.strip(), column.code) for column in source.columns(columns) if column.code]
    with console.status(f"{file.name}: …"):
        count, content_digest = digest_of(in_batches(source.rows(columns)))
    if not count:
        raise FILE_NO_RECORDS()
    provider_statement = statement(name, entry["code"], count, content_digest, sha256)
    signature = signed_by(provider_statement, load_private_key(key_file)) if key_file else ""
    submission = FileSubmission(provider, name, entry["code"], file.name, sha256, count, console, signature)
    # The keys are fetched first, so that before any delivery it is sure that the receipt can be verified.
    keys = provider.get("/v1/submissions/keys")
    earlier_receipt = submission.delivered()
    receipt = earlier_receipt or submission.send(source, columns)
    if earlier_receipt:
        # An id that the user chose may belong to another file, whose receipt proves nothing about this one.
        must_be_about(verified(receipt.jws, keys), provider_statement)

    def write_out(out: IO[bytes]) -> None:
        write_rejects(out, source.kind, source.encoding, delivered_columns, submission.rejects())

    with after(_describe_counts(name, receipt.counts), _AGAIN) as step:
        with step("the receipt cannot be saved"):
            signed = verified(receipt.jws, keys)
            must_be_about(signed, provider_statement)
            saved = {"receipt": signed, "jws": receipt.jws, "keys": keys["keys"]}
            proof = json.dumps(saved, ensure_ascii=False, indent=1).encode() + b"\n"
            receipt_file = save_without_loss(
                beside.with_name(f"{beside.name}.receipt.json"), lambda out: out.write(proof)
            )
            with step("the receipt cannot be shown"):
                if earlier_receipt:
                    print_lines("this file was delivered before: nothing is added, this is what became of it then")
                _print_receipt(receipt, signed, receipt_file)
        if receipt.counts.rejected:
            with step("the rejected records cannot be saved"):
                rejects_file = save_without_loss(beside.with_name(f"{beside.name}.rejects.{source.kind}"), write_out)
                with step("the rejected records cannot be shown"):
                    _print_rejects(submission, receipt.counts.rejected, rejects_file)
    return int(receipt.counts.rejected)


def _describe_counts(name: str, counts: Any) -> str:
    recorded = counts.accepted + counts.amended + counts.unchanged
    return f"delivered as submission {name}: {recorded} of {counts.total} records are on record, {counts.rejected} rejected"


def _print_rejects(submission: FileSubmission, count: int, file: Path) -> None:
    print_lines(f"{count} rejected: mend {file} and deliver it")
    shown = submission.first_rejects()
    for reject in shown:
        reasons = "; ".join(v.message for v in reject.violations)
        print_lines(f"  row {reject.row}: {reasons}")
    if count > len(shown):
        print_lines(f"  … and {count - len(shown)} more in that file")


def _print_receipt(receipt: Any, signed: dict[str, Any], receipt_file: Path) -> None:
    table = Table("accepted", "amended", "unchanged", "rejected", "total")
    counts = receipt.counts
    table.add_row(*(str(n) for n in (counts.accepted, counts.amended, counts.unchanged, counts.rejected, counts.total)))
    OutputConsole().print(table)
    print_lines(
        f"submission {signed['submission_id']}, closed {signed['closed_at']}",
        f"receipt, signature verified: {receipt_file}",
    )


def edge_of(home: Path | None, http: str | None, grpc_address: str | None, language: str) -> Edge:
    """The gateway at these addresses, else that of the suite in `home` or the default home; asked in `language`.

    Raises `ClickException`.
    """
    suite_home = Home(home.absolute()) if home else Home.default()
    addresses = suite_home.addresses()
    http, grpc_address = http or addresses.get("http"), grpc_address or addresses.get("grpc")
    if not http or not grpc_address:
        raise click.ClickException(
            f"no suite runs in {suite_home.path}; give the gateway's addresses by --http and --grpc"
        )
    return Edge(http, grpc_address, language=language)


def _choose_client(home: Home, entry: dict[str, Any], client_id: str | None, key_file: Path | None) -> tuple[str, Path]:
    if client_id and key_file:
        return client_id, key_file
    client = _find_demo_client(home, entry)
    if client is None:
        raise click.ClickException("give --client-id and --key of your organisation's system")
    return str(client["client_id"]), home.path / "demo" / client["key_file"]


def _find_demo_client(home: Home, entry: dict[str, Any]) -> ClientCredentials | None:
    """The demonstration client of the first of the entry's providers that has one."""
    people = home.demo_credentials()
    if people is None:
        return None
    credentials = {client["client_id"]: client for client in people["clients"].values()}
    clients = read_json(home.path / "demo" / "accounts.json", _DemoAccounts)["clients"]
    by_org = {
        client["org"]: credentials[client["client_id"]] for client in clients if client["client_id"] in credentials
    }
    return next((by_org[p["uscc"]] for p in entry["providers"] if p["uscc"] in by_org), None)
