"""Columns are remembered as the provider calls them."""

import json

from tests.ingest.deliveries import licence
from tests.ingest.files import as_sheet, registration, table, workbook
from tests.ingest.previews import looks, remembers
from tests.ingest.running_ingest import STRANGER, RunningIngest
from tests.support import until


def test_columns_are_remembered_as_the_provider_calls_them(ingest: RunningIngest) -> None:
    row = {"公司": "阳江演示1有限公司", "序.号": "1", "$备注": "x"} | registration()
    del row["主体名称"]
    regulator = ingest.regulator
    assert regulator.uploads(table([row]), catalog="QYDJ").json["code"] == "FILE_COLUMN_UNKNOWN"
    columns = {" 公司": "ZTMC", "序.号": "", "$备注": ""}
    assert remembers(regulator, columns).json["columns"] == {"公司": "ZTMC", "序.号": "", "$备注": ""}
    assert regulator.get("/v1/submissions/mappings/QYDJ").json["columns"]["公司"] == "ZTMC"
    found = {c["label"]: c["found_by"] for c in looks(regulator, table([row])).json["columns"]}
    assert (found["公司"], found["序.号"], found["主体类型"]) == ("mapping", "not_read", "name")
    files = {"a.csv": table([row]), "a.xlsx": workbook(as_sheet([row]))}
    files["a.jsonl"] = json.dumps(row, ensure_ascii=False).encode()
    for name, content in files.items():
        told = regulator.uploads(content, name, "QYDJ").json
        assert told["counts"]["rejected"] == 0, name
        assert told["counts"]["total"] == 1, name
    [record] = ingest.ctx.store.records.find()
    assert record["items"]["ZTMC"] == "阳江演示1有限公司"
    # The mapping belongs to this provider and this entry.
    assert ingest.housing.get("/v1/submissions/mappings/XZXK").json["columns"] == {}
    until(lambda: ingest.audit.of("mapping.changed"), "the relay delivers")
    assert "公司" not in json.dumps(ingest.audit.of("mapping.changed"), ensure_ascii=False)


def test_a_file_read_in_another_way_is_another_delivery(ingest: RunningIngest) -> None:
    row = licence() | {"XK_NR": "甲", "别的": "乙"}
    remembers(ingest.regulator, {"别的": ""}, "XZXK")
    first = ingest.regulator.uploads(table([row])).json
    remembers(ingest.regulator, {"别的": "XK_NR", "XK_NR": ""}, "XZXK")
    second = ingest.regulator.uploads(table([row])).json
    assert (first["counts"]["accepted"], second["counts"]["amended"]) == (1, 1)
    assert ingest.regulator.uploads(table([row])).json == second | {"delivered_before": True}


def test_a_mapping_that_cannot_be_is_refused(ingest: RunningIngest) -> None:
    unknown = ingest.regulator.get("/v1/submissions/mappings/NOPE")
    assert (unknown.status_code, unknown.json["code"]) == (404, "DELIVERY_ENTRY_UNKNOWN")
    answer = remembers(ingest.regulator, {"公司": "NONE", "": "ZTMC"})
    assert answer.status_code == 400
    assert [(e["field"], e["rule"]) for e in answer.json["errors"]] == [
        ("columns.公司", "unknown_item"),
        ("columns", "label"),
    ]
    # A file's columns are found by what they look like.
    alike = remembers(ingest.regulator, {"公司•全称": "ZTMC", "公司·全称": "", "\u200b": "", "公司 全称": "ZTMC"})
    assert [(e["field"], e["rule"]) for e in alike.json["errors"]] == [
        ("columns.公司·全称", "twice"),
        ("columns", "label"),
    ]
    assert remembers(ingest.caller(org=STRANGER), {"公司": "ZTMC"}).json["code"] == "NOT_A_PROVIDER"
    assert remembers(ingest.centre, {"公司": "ZTMC"}).json["code"] == "ROLE_NOT_ALLOWED"
