"""A provider amends and revokes a record by the program, through the gateway, and proves it offline (Art. 11, 12)."""

import json
from datetime import date
from pathlib import Path

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.city import City


def test_a_provider_changes_its_record_and_keeps_the_proof(city: City, tmp_path: Path) -> None:
    [items, *_] = next(
        d.records
        for d in deliveries(date.fromisoformat("2026-10-01"))
        if d.submission_id == "demo-XZXK-market_regulator"
    )
    items = items | {"XK_WSH": "演许字〔2026〕变更1号"}
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("changes"), entry_code="XZXK", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items)],
    )
    record_id = city.market_regulator.rpc("IngestService/SubmitBatch", request).outcomes[0].record_id
    client = city.people["clients"]["market_regulator"]
    key = str(city.home / "demo" / client["key_file"])
    by = ("--client-id", client["client_id"], "--key", key)
    named = [word for code in ("XK_WSH", "XK_XDR_SHXYM", "XK_XDR_MC") for word in ("--item", f"{code}={items[code]}")]
    done = city.chengxin("record", "show", "--catalog", "XZXK", *named, *by, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"record_id": record_id, "version": 1, "revoked": False, "items": items}
    done = city.chengxin(
        "record", "amend", record_id, "--set", "XK_NR=餐饮服务", "--reason", "许可事项变更", *by, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = city.chengxin("record", "revoke", record_id, "--reason", "决定被撤销", *by, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for version, told in ((2, "amendment of record"), (3, "revocation of record")):
        proof = city.chengxin("receipt", "verify", f"{record_id}.{version}.receipt.json", "--key", key, cwd=tmp_path)
        assert proof.returncode == 0, proof.stdout + proof.stderr
        assert told in proof.stdout
    versions = city.market_regulator.get(f"/v1/records/{record_id}")["versions"]
    assert [(v["items"]["XK_NR"], v["revoked"]) for v in versions[1:]] == [("餐饮服务", False), ("餐饮服务", True)]
    again = city.chengxin("record", "revoke", record_id, "--reason", "再次", *by, cwd=tmp_path)
    assert (again.returncode, "RECORD_REVOKED" in again.stderr) == (1, True)
