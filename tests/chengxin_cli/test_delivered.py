"""What comes after a delivery is on record does not hide that it is."""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from chengxin.errors import Problem
from chengxin.tabular.columns import Columns
from chengxin.tabular.source import must_be_whole, open_source
from chengxin.values.canonical_json import digest
from chengxin.values.ids import new_id
from chengxin_cli import main
from chengxin_cli.gateway_client import GATEWAY_UNREACHABLE, Caller, Edge
from chengxin_cli.output_files import save_without_loss
from chengxin_cli.submission import FileSubmission
from chengxin_cli.suite.home import make_private_key
from tests.chengxin.tabular.files import CALLER
from tests.ingest.deliveries import licence, licences
from tests.ingest.files import table
from tests.ingest.running_ingest import RunningIngest, demo_entry
from tests.support import free_port

Submit = Callable[..., Result]


@pytest.fixture
def submit(ingest: RunningIngest, tmp_path: Path) -> Iterator[Submit]:
    """`chengxin submit` of a file to ingest, behind what stands for the gateway and the catalog."""
    token = ingest.regulator.headers["Authorization"].removeprefix("Bearer ")

    @Request.application
    def identity(request: Request) -> Response:
        if request.path == "/oauth/token":
            body = {"access_token": token, "expires_in": 600}
            return Response(json.dumps(body), mimetype="application/json")
        return Response(json.dumps(demo_entry("XZXK")), mimetype="application/json")

    def front(environ: Any, start_response: Any) -> Any:
        is_others = environ["PATH_INFO"].startswith(("/oauth/", "/v1/catalog/"))
        return (identity if is_others else ingest.app)(environ, start_response)

    server = make_server("127.0.0.1", port := free_port(), front, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = tmp_path / "key.pem"
    make_private_key(key)

    def run(file: Path, *options: object) -> Result:
        address = ["--http", f"http://127.0.0.1:{port}", "--grpc", ingest.address]
        client = ["--catalog", "XZXK", "--client-id", "x", "--key", str(key), "--no-sign", "--language", "en"]
        return CliRunner().invoke(main, ["submit", str(file), *client, *address, *map(str, options)])

    yield run
    server.shutdown()
    server.server_close()


def deliverable(directory: Path, name: str = "a.csv") -> Path:
    """A file of which one record of four is rejected."""
    file = directory / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(table([*licences(3), licence(4, XK_ZT="9")]))
    return file


@pytest.mark.parametrize("name", ["a" * 240 + ".csv", "许" * 80 + "可.csv", "a" * 251 + ".csv"])
def test_a_long_name_is_delivered_and_its_receipt_kept(submit: Submit, tmp_path: Path, name: str) -> None:
    file = deliverable(tmp_path / "here", name)
    done = submit(file)
    assert done.exit_code == 3, done.output
    kept = sorted(path.name for path in file.parent.iterdir() if path != file)
    assert [name.rpartition(".r")[2] for name in kept] == ["eceipt.json", "ejects.csv"]
    assert all(len(os.fsencode(name)) <= 255 for name in kept)


def test_a_receipt_that_cannot_be_saved_is_told_and_obtained_again(submit: Submit, tmp_path: Path) -> None:
    file = deliverable(tmp_path / "here")
    nowhere = file / "below a file"
    done = submit(file, "--save-to", nowhere)
    assert done.exit_code == 4, done.output
    [line] = [line for line in done.stderr.splitlines() if line.startswith("Done, but not all: ")]
    assert "3 of 4 records are on record, 1 rejected" in line
    assert "the receipt cannot be saved" in line
    assert "the rejected records cannot be saved" in line
    assert "--save-to DIRECTORY" in line
    again = submit(file, "--save-to", tmp_path / "elsewhere")
    assert (again.exit_code, "this file was delivered before" in again.output) == (3, True)
    kept = {path.name for path in (tmp_path / "elsewhere").iterdir()}
    assert kept == {"a.csv.receipt.json", "a.csv.rejects.csv"}


def test_a_full_disk_leaves_nothing_and_is_named(tmp_path: Path) -> None:
    def write(_: IO[bytes]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left on device") as caught:
        save_without_loss(tmp_path / "a.receipt.json", write)
    assert caught.value.filename == str(tmp_path / "a.receipt.json")
    assert list(tmp_path.iterdir()) == []


class _LosingAnswers(Caller):
    """A connection that breaks after deliveries are recorded, before their answers arrive."""

    losses = 1

    def rpc(self, method: str, request: Any, timeout: float | None = 60) -> Any:
        answer = super().rpc(method, request, timeout)
        if method == "IngestService/Submit" and self.losses:
            self.losses -= 1
            raise GATEWAY_UNREACHABLE(address="x", reason="lost")
        return answer


@pytest.mark.parametrize("patience", [60, -1])
def test_when_the_last_answer_is_lost_the_delivery_is_found_again(
    ingest: RunningIngest, tmp_path: Path, patience: float
) -> None:
    file = deliverable(tmp_path)
    columns = Columns.of_entry(demo_entry("XZXK"))
    token = ingest.regulator.headers["Authorization"].removeprefix("Bearer ")
    provider = _LosingAnswers(Edge("http://nowhere", ingest.address), lambda: token)
    with file.open("rb") as content:
        source = open_source(content, file.name, columns, CALLER)
    count, sha256 = must_be_whole(source, columns), digest(file.read_bytes())
    quiet = Console(quiet=True)
    client = FileSubmission(
        provider, new_id("lost"), "XZXK", file.name, sha256, count, quiet, patience_seconds=patience
    )
    if patience < 0:
        with pytest.raises(Problem, match="DELIVERY_NOT_KNOWN"):
            client.send(source, columns)
    assert client.send(source, columns).counts.accepted == 3
