"""The provider's client resumes a delivery, relies on what is committed, and verifies its receipt."""

from pathlib import Path

import jwt
import pytest
from rich.console import Console

from chengxin.errors import Problem
from chengxin.tabular.columns import Columns
from chengxin.tabular.source import Source, must_be_whole, open_source
from chengxin.values.canonical_json import digest
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_cli.gateway_client import Caller, Edge
from chengxin_cli.submission import FileSubmission, verified
from tests.chengxin.tabular.files import CALLER
from tests.ingest.deliveries import licence, licences
from tests.ingest.files import table
from tests.ingest.running_ingest import RunningIngest, demo_entry

COLUMNS = Columns.of_entry(demo_entry("XZXK"))


def opened(file: Path) -> Source:
    """The file as it was read."""
    with file.open("rb") as content:
        return open_source(content, file.name, COLUMNS, CALLER)


def sending(ingest: RunningIngest, file: Path, count: int, name: str = "from-a-client") -> FileSubmission:
    """A delivery of a file, straight to ingest."""
    edge = Edge("http://nowhere", ingest.address)
    token = ingest.regulator.headers["Authorization"].removeprefix("Bearer ")
    provider = Caller(edge, lambda: token)
    sha256 = digest(file.read_bytes())
    return FileSubmission(provider, name, "XZXK", file.name, sha256, count, Console(quiet=True))


def test_a_file_is_delivered_and_receipted(ingest: RunningIngest, tmp_path: Path) -> None:
    file = tmp_path / "licences.csv"
    file.write_bytes(table([*licences(1500), licence(1501, XK_ZT="9")], "gb18030"))
    source = opened(file)
    client = sending(ingest, file, must_be_whole(source, COLUMNS))
    assert client.delivered() is None
    receipt = client.send(source, COLUMNS)
    assert (receipt.counts.accepted, receipt.counts.rejected) == (1500, 1)
    assert client.delivered() == receipt
    signed = verified(receipt.jws, ingest.regulator.get("/v1/submissions/keys").json)
    assert signed["file_sha256"] == digest(file.read_bytes())
    [(row, items, reasons)] = client.rejects()
    assert (row, items["XK_ZT"]) == (1502, "9")
    assert "代码表" in reasons[0]
    with pytest.raises(jwt.InvalidTokenError):
        verified(receipt.jws, {"keys": []})


def test_the_client_goes_on_where_a_delivery_broke_off(ingest: RunningIngest, tmp_path: Path) -> None:
    records = licences(2500)
    file = tmp_path / "licences.csv"
    file.write_bytes(table(records))
    source = opened(file)
    client = sending(ingest, file, 2500)
    rows = list(source.rows(COLUMNS))
    broken = [
        pb.SubmitRequest(
            header=pb.SubmissionHeader(
                submission_id="from-a-client",
                entry_code="XZXK",
                file_sha256=client.file_sha256,
                record_count=2500,
            )
        ),
        pb.SubmitRequest(
            batch=pb.RecordBatch(number=1, records=[pb.Record(row=r.number, items=r.items) for r in rows[:1000]])
        ),
    ]
    with pytest.raises(Problem, match="DELIVERY_BROKEN_OFF"):
        ingest.regulator.rpc("Submit", iter(broken))
    assert client.send(source, COLUMNS).counts.accepted == 2500
    assert ingest.ctx.store.batches.count_documents({}) == 3


def test_by_http_or_by_grpc_a_file_is_the_same_delivery(ingest: RunningIngest, tmp_path: Path) -> None:
    file = tmp_path / "licences.csv"
    file.write_bytes(table(licences(30)))
    told = ingest.regulator.uploads(file.read_bytes(), file.name).json
    client = sending(ingest, file, 30, told["submission_id"])
    receipt = client.send(opened(file), COLUMNS)
    assert receipt.jws == told["receipt"]["jws"]
