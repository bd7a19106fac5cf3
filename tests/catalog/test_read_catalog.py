"""The published catalog is read page by page, followed as a feed, and the same over HTTP and gRPC (Art. 7, 9)."""

from typing import Any

import fastjsonschema
import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from tests.catalog.conftest import DEMO, RunningCatalog, demo_entry


def test_the_whole_demonstration_catalog_is_published_and_paged(catalog: RunningCatalog) -> None:
    codes = sorted(p.stem for p in (DEMO / "catalog").glob("*.json"))
    for code in codes:
        assert catalog.authority.publishes(demo_entry(code), "2026-11-24").status_code == 200
    read: list[str] = []
    token = ""
    while True:
        page = catalog.anybody.get(f"/v1/catalog/entries?page_size=5&page_token={token}").json
        read.extend(e["code"] for e in page["entries"])
        if not (token := page["next_page_token"]):
            break
    assert read == codes

    stub, metadata = catalog.stub, catalog.metadata("public")
    first = stub.ListEntries(pb.ListEntriesRequest(page_size=10), metadata=metadata)
    second = stub.ListEntries(pb.ListEntriesRequest(page_size=10, page_token=first.next_page_token), metadata=metadata)
    assert [e.code for e in (*first.entries, *second.entries)] == codes
    assert second.next_page_token == ""
    assert catalog.anybody.get("/v1/catalog/entries?page_token=xyz").status_code == 400
    assert catalog.anybody.get("/v1/catalog/entries?as_of=2026-13-01").json["errors"][0]["field"] == "as_of"


def test_both_faces_say_the_same(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    over_http = catalog.anybody.get("/v1/catalog/entries/XZXK").json
    over_grpc = catalog.stub.GetEntry(pb.GetEntryRequest(code="XZXK"), metadata=catalog.metadata("public"))
    assert over_grpc.name.zh == over_http["name"]["zh"]
    assert [i.code for i in over_grpc.items] == [i["code"] for i in over_http["items"]]
    assert over_grpc.items[1].code_list[0].name.zh == "法人及非法人组织"
    assert over_grpc.disclosure_period.item == "XK_YXQZI"
    assert list(over_grpc.required_one_of[0].items) == over_http["required_one_of"][0]["items"]
    assert over_grpc.published_at.ToJsonString()[:19] == over_http["published_at"][:19]


def test_what_is_not_published_is_not_found(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.post("/v1/catalog/drafts", licensing)
    for more in ("", "/versions"):
        assert catalog.anybody.get(f"/v1/catalog/entries/XZXK{more}").json["code"] == "ENTRY_UNKNOWN"
    with pytest.raises(grpc.RpcError) as refused:
        catalog.stub.GetEntry(pb.GetEntryRequest(code="XZXK", version=3), metadata=catalog.metadata("public"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert Problem.from_rpc(refused.value).params["version"] == "3"
    with pytest.raises(grpc.RpcError) as refused:
        catalog.stub.ListEntries(pb.ListEntriesRequest(page_size=201), metadata=catalog.metadata("public"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as refused:
        catalog.stub.ListEntries(pb.ListEntriesRequest())
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_feed_tells_every_change_in_order_and_resumes(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    catalog.authority.publishes(licensing, "2026-12-01")

    seeds = catalog.changes(0, 17)
    kinds = [c.WhichOneof("change") for c in seeds]
    assert kinds == ["rule_set"] + ["code_list"] * 6 + ["calendar_year"] * 10
    entries = catalog.changes(seeds[-1].position, 3)
    assert [(c.entry.version, c.entry.effective_to) for c in entries] == [(1, ""), (1, "2026-11-30"), (2, "")]
    # A follower that stops after the first half of the second publication gets both halves again.
    assert [c.entry.version for c in catalog.changes(entries[1].position, 2)] == [1, 2]
    assert entries[1].position < entries[2].position
    # As after a restored backup: without an error a follower would miss the next changes.
    for unknown in (entries[-1].position + 1, 2**62, -1):
        with pytest.raises(grpc.RpcError) as refused:
            catalog.changes(unknown, 1)
        assert Problem.from_rpc(refused.value).code == "FEED_POSITION_UNKNOWN"
    assert entries[0].committed_at.ToDatetime().year == 2026


def test_the_public_does_not_hold_streams_open(catalog: RunningCatalog) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        next(catalog.stub.Watch(pb.WatchRequest(), metadata=catalog.metadata("public")))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_schema_of_an_entry_tells_a_good_record_from_a_bad_one(catalog: RunningCatalog) -> None:
    catalog.authority.publishes(demo_entry("XZCF"), "2026-11-24")
    schema = catalog.anybody.get("/v1/catalog/entries/XZCF/schema").json
    check = fastjsonschema.compile(schema)

    def good(items: dict[str, str]) -> bool:
        try:
            check(items)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    record = {
        **{"CF_XDR_MC": "阳江演示贸易有限公司", "CF_XDR_LB": "法人及非法人组织", "CF_XDR_SHXYM": "91000000MA0000218U"},
        **{"CF_WSH": "演罚字〔2026〕1号", "CF_WFXW": "虚假宣传", "CF_SY": "事实", "CF_YJ": "依据", "CF_NR": "罚款"},
        **{"CF_CFLB": "警告;罚款", "CF_NR_FK": "1.5", "CF_JDRQ": "2026-11-02", "CF_YXQ": "2027-11-02"},
        **{"CF_GSJZQ": "2027-11-02", "CF_CFJG": "阳江市市场监督管理局", "CF_CFJGDM": "11000000000000027K"},
        **{"CF_SJLY": "阳江市市场监督管理局", "CF_SJLYDM": "11000000000000027K"},
    }
    assert good(record)
    assert not good(record | {"CF_CFLB": "警告;训诫"})
    assert not good(record | {"XK_WSH": "1"})
    assert not good({k: v for k, v in record.items() if k != "CF_NR_FK"})
    assert not good({k: v for k, v in record.items() if k != "CF_XDR_SHXYM"})


def test_the_description_of_the_interface_names_every_address(catalog: RunningCatalog) -> None:
    paths = catalog.app.test_client().get("/openapi.json").json["paths"]
    assert {p for p in paths if p.startswith("/v1/catalog")} >= {
        "/v1/catalog/entries",
        "/v1/catalog/entries/{code}",
        "/v1/catalog/entries/{code}/schema",
        "/v1/catalog/drafts/{draft_id}/publish",
        "/v1/catalog/rules",
        "/v1/catalog/calendar/{year}",
    }
