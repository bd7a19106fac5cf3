"""`chengxin submit`: a provider's client. Delivers a file over gRPC, goes on where it broke off, keeps the receipt."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from chengxin.cli.home import Home
from chengxin.cli.submission import Sending, verified
from chengxin.client import Caller, Edge, Refused
from chengxin.errors import Problem
from chengxin.tabular.columns import Columns
from chengxin.tabular.rejects import rejects_csv
from chengxin.tabular.source import id_of_file, must_be_whole, open_source

# What the shell is told: everything recorded, some rejected, or not delivered (1; 2 for a wrong command line).
_SOME_REJECTED: Final = 3


@click.command("submit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--catalog", "entry_code", required=True, help="Code of the catalog entry, for example XZXK.")
@click.option("--client-id", help="Your client id [demonstration: the entry's provider].")
@click.option(
    "--key", "key_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its private key."
)
@click.option("--submission-id", help="Name of this delivery [from the entry and the file's content].")
@click.option(
    "--home", type=click.Path(path_type=Path), help="Directory of a suite here [$CHENGXIN_HOME, ~/.chengxin]."
)
@click.option("--http", help="HTTP address of the gateway, with http:// or https:// [from the home].")
@click.option("--grpc", "grpc_address", help="gRPC address of the gateway, host:port [from the home].")
@click.option("--language", type=click.Choice(["zh-CN", "en"]), default="zh-CN", show_default=True, help="Of reasons.")
def command(
    file: Path,
    entry_code: str,
    client_id: str | None,
    key_file: Path | None,
    submission_id: str | None,
    home: Path | None,
    http: str | None,
    grpc_address: str | None,
    language: str,
) -> None:
    """Deliver FILE (CSV, XLSX or JSON Lines) of records; ends with a receipt, and a file of what was rejected."""
    here = Home(home.absolute()) if home else Home.default()
    try:
        edge = _edge(here, http, grpc_address)
        entry = edge.anonymous().get(f"/v1/catalog/entries/{entry_code}")
        provider = _provider(edge, here, entry, client_id, key_file)
        rejected = _deliver(provider, entry, file, submission_id, language)
    except Problem as e:
        raise click.ClickException(_told(e, language)) from None
    except Refused as e:
        raise click.ClickException(str(e)) from None
    sys.exit(_SOME_REJECTED if rejected else 0)


def _deliver(provider: Caller, entry: dict[str, Any], file: Path, submission_id: str | None, language: str) -> int:
    console = Console(stderr=True)
    columns = Columns.of_entry(entry)
    source = open_source(file, file.name)
    delivered = [(column.label.strip(), column.code) for column in source.columns(columns) if column.code]
    with console.status(f"{file.name}: …"):
        count = must_be_whole(source, columns)
        sha256 = _digest(file)
    name = submission_id or id_of_file(entry["code"], sha256)
    sending = Sending(provider, name, entry["code"], file.name, sha256, count, language, console)
    known = sending.delivered()
    receipt = known or sending.send(source, columns)
    signed = verified(receipt.jws, provider.get("/v1/submissions/keys"))
    receipt_file = file.with_name(f"{file.name}.receipt.json")
    receipt_file.write_text(json.dumps({"receipt": signed, "jws": receipt.jws}, ensure_ascii=False, indent=1) + "\n")
    if known:
        click.echo("this file was delivered before: nothing is added, this is what became of it then")
    _print(receipt, signed, receipt_file)
    rejects_file = file.with_name(f"{file.name}.rejects.csv")
    rejects_file.unlink(missing_ok=True)
    if receipt.counts.rejected:
        # Spreadsheets know UTF-8 by its mark.
        encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
        with rejects_file.open("w", encoding=encoding, newline="") as out:
            out.writelines(rejects_csv(delivered, sending.rejects()))
        click.echo(f"{receipt.counts.rejected} rejected: mend {rejects_file} and deliver it")
        for reject in sending.first_rejects():
            reasons = "; ".join(v.message for v in reject.violations)
            click.echo(f"  row {reject.row}: {reasons}")
    return int(receipt.counts.rejected)


def _print(receipt: Any, signed: dict[str, Any], receipt_file: Path) -> None:
    table = Table("accepted", "amended", "unchanged", "rejected", "total")
    counts = receipt.counts
    table.add_row(*(str(n) for n in (counts.accepted, counts.amended, counts.unchanged, counts.rejected, counts.total)))
    Console().print(table)
    click.echo(f"submission {signed['submission_id']}, closed {signed['closed_at']}")
    click.echo(f"receipt, signature verified: {receipt_file}")


def _edge(home: Home, http: str | None, grpc_address: str | None) -> Edge:
    known: dict[str, str] = json.loads(home.suite.read_text()) if home.suite.exists() else {}
    http, grpc_address = http or known.get("http"), grpc_address or known.get("grpc")
    if not http or not grpc_address:
        raise click.ClickException(f"no suite runs in {home.path}; give the gateway's addresses by --http and --grpc")
    return Edge(http, grpc_address)


def _provider(edge: Edge, home: Home, entry: dict[str, Any], client_id: str | None, key_file: Path | None) -> Caller:
    if client_id and key_file:
        return edge.machine(client_id, key_file, scope="provider")
    if client_id or key_file:
        raise click.ClickException("--client-id and --key belong together")
    found = _demo_client(home, entry)
    if found is None:
        raise click.ClickException("give --client-id and --key of your organisation's system")
    return edge.machine(found["client_id"], home.path / "demo" / found["key_file"], scope="provider")


def _demo_client(home: Home, entry: dict[str, Any]) -> dict[str, Any] | None:
    """The demonstration client of the first of the entry's providers that has one."""
    demo = home.path / "demo"
    if not (demo / "credentials.json").exists():
        return None
    keys = {
        client["client_id"]: client
        for client in json.loads((demo / "credentials.json").read_text())["clients"].values()
    }
    clients = json.loads((demo / "accounts.json").read_text())["clients"]
    by_org = {client["org"]: keys[client["client_id"]] for client in clients if client["client_id"] in keys}
    return next((by_org[p["uscc"]] for p in entry["providers"] if p["uscc"] in by_org), None)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _told(problem: Problem, language: str) -> str:
    lines = [f"{problem.code}: {problem.text(language)}"]
    lines += [f"  {f.field}: {f.message}" for f in problem.fields]
    return "\n".join(lines)
