"""The catalog is dynamic: drafts are published by the authority with an effective date, every version is kept (Art. 7)."""

from typing import Any

import fastjsonschema
import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from tests.catalog.conftest import DEMO, Running, demo_entry
from tests.support import until


def test_the_authority_publishes_an_entry_and_everybody_reads_it(catalog: Running, licensing: dict[str, Any]) -> None:
    published = catalog.authority.publishes(licensing, "2026-11-24")
    assert published.status_code == 200
    entry = catalog.anybody.get("/v1/catalog/entries/XZXK").json
    assert entry == published.json
    assert {k: entry[k] for k in ("version", "effective_from", "effective_to")} == {
        "version": 1,
        "effective_from": "2026-11-24",
        "effective_to": "",
    }
    assert entry["items"][2]["identifier"] == "uscc"
    assert [e["code"] for e in catalog.anybody.get("/v1/catalog/entries").json["entries"]] == ["XZXK"]


def test_the_next_version_closes_the_one_before(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    assert catalog.authority.publishes(licensing, "2027-01-01").json["version"] == 2

    versions = catalog.anybody.get("/v1/catalog/entries/XZXK/versions").json["entries"]
    assert [(v["version"], v["effective_from"], v["effective_to"]) for v in versions] == [
        (1, "2026-11-24", "2026-12-31"),
        (2, "2027-01-01", ""),
    ]
    assert catalog.anybody.get("/v1/catalog/entries/XZXK").json["version"] == 1
    assert catalog.anybody.get("/v1/catalog/entries/XZXK?version=2").json["reporting_limit_working_days"] == 5
    [coming] = catalog.anybody.get("/v1/catalog/entries?as_of=2027-01-01").json["entries"]
    assert coming["version"] == 2
    assert catalog.anybody.get("/v1/catalog/entries?as_of=2026-11-23").json["entries"] == []


def test_a_publication_must_not_be_backdated_or_overlap(catalog: Running, licensing: dict[str, Any]) -> None:
    authority = catalog.authority
    assert authority.publishes(licensing, "2026-11-23").json["code"] == "PUBLICATION_BACKDATED"
    assert authority.publishes(licensing, "2026-12-02", "2026-12-01").json["code"] == "PERIOD_REVERSED"
    authority.publishes(licensing, "2026-12-01")
    assert authority.publishes(licensing, "2026-12-01").json["code"] == "PUBLICATION_OVERLAPS"
    assert authority.publishes(licensing, "2026-11-30").status_code == 409


def test_an_unsound_draft_is_told_field_by_field_in_the_language_asked_for(
    catalog: Running, licensing: dict[str, Any]
) -> None:
    licensing["legal_basis"] = []
    licensing["items"][3]["code"] = licensing["items"][2]["code"]
    refused = catalog.authority.post("/v1/catalog/drafts", licensing)
    assert refused.status_code == 400
    assert refused.json["code"] == "ENTRY_INVALID"
    by_field = {e["field"]: e for e in refused.json["errors"]}
    assert by_field["legal_basis"]["message"] == "至少填一项"
    assert by_field["items.3.code"]["rule"] == "duplicate"
    english = catalog.desk("authority", language="en").post("/v1/catalog/drafts", licensing)
    assert "give at least one" in {e["message"] for e in english.json["errors"]}


@pytest.mark.parametrize("field", ["mode", "required", "versions"])
def test_a_misspelt_field_is_told_not_dropped(catalog: Running, licensing: dict[str, Any], field: str) -> None:
    place = licensing if field == "versions" else licensing["items"][0]
    place[field] = {"mode": "public", "required": "perhaps", "versions": 3}[field]
    refused = catalog.authority.post("/v1/catalog/drafts", licensing)
    assert refused.status_code == 400
    assert any(e["field"].endswith(field) for e in refused.json["errors"])


def test_what_was_read_can_be_sent(catalog: Running, licensing: dict[str, Any]) -> None:
    """What only answers say is ignored (AIP-203)."""
    authority = catalog.authority
    authority.publishes(licensing, "2026-11-24")
    authority.post("/v1/catalog/entries/XZXK/retire", {"effective_to": "2026-12-31", "basis": "到期"})
    read = authority.get("/v1/catalog/entries/XZXK").json
    draft = authority.post("/v1/catalog/drafts", read)
    assert draft.status_code == 201
    assert authority.get(f"/v1/catalog/drafts/{draft.json['draft_id']}/diff").json["changes"] == []
    assert authority.put(f"/v1/catalog/drafts/{draft.json['draft_id']}", read).status_code == 200
    colours = authority.get("/v1/catalog/code-lists/subject_kind").json
    assert authority.post("/v1/catalog/code-lists/drafts", colours).status_code == 201
    [rules] = authority.get("/v1/catalog/rules").json["rule_sets"]
    assert authority.post("/v1/catalog/rules", rules | {"effective_from": "2027-01-01"}).json["version"] == 2


def test_an_entry_covers_regions_that_there_are(catalog: Running, licensing: dict[str, Any]) -> None:
    path = f"/v1/catalog/drafts/{catalog.authority.post('/v1/catalog/drafts', licensing).json['draft_id']}"
    licensing["regions"] = ["441700", "999999", "4417"]
    for refused in (catalog.authority.post("/v1/catalog/drafts", licensing), catalog.authority.put(path, licensing)):
        assert [(e["field"], e["rule"]) for e in refused.json["errors"]] == [
            ("regions.1", "region.unknown"),
            ("regions.2", "region.unknown"),
        ]
    # Those of the day of its publication.
    regions = catalog.authority.get("/v1/catalog/code-lists/region").json
    regions["values"] = [v for v in regions["values"] if v["code"] != "441700"]
    draft = catalog.authority.post("/v1/catalog/code-lists/drafts", regions).json["draft_id"]
    today = {"effective_from": "2026-11-24"}
    assert catalog.authority.post(f"/v1/catalog/code-lists/drafts/{draft}/publish", today).status_code == 200
    refused = catalog.authority.post(f"{path}/publish", today)
    assert ("regions.0", "region.unknown") in [(e["field"], e["rule"]) for e in refused.json["errors"]]


def test_numbers_of_any_size_are_told(catalog: Running, licensing: dict[str, Any]) -> None:
    """A store keeps no more than 63 bits, and canonical JSON has 53."""
    authority = catalog.authority
    path = f"/v1/catalog/drafts/{authority.post('/v1/catalog/drafts', licensing).json['draft_id']}"
    licensing["reporting_limit_working_days"] = 2**63
    licensing["disclosure_period"]["years"] = 2**60
    licensing["items"][0] |= {"length": 10**30, "scale": -(2**70)}
    for refused in (authority.post("/v1/catalog/drafts", licensing), authority.put(path, licensing)):
        assert (refused.status_code, refused.json["code"]) == (400, "ENTRY_INVALID")
        told = {"reporting_limit_working_days", "disclosure_period.years", "items.0.length", "items.0.scale"}
        assert told <= {e["field"] for e in refused.json["errors"]}
    licensing["items"][0]["code_list_ref"] = {"name": "region", "version": 2**64}
    refused = authority.post("/v1/catalog/drafts", licensing)
    assert refused.json["errors"][0]["rule"] == "code_list.unknown"
    assert authority.post(f"{path}/submit", {"revision": 2**63}).status_code == 400
    assert authority.put(path, demo_entry("XZXK"), **{"If-Match": '"' + "9" * 5000 + '"'}).status_code == 400


def test_a_draft_is_edited_until_it_is_published(catalog: Running, licensing: dict[str, Any]) -> None:
    authority = catalog.authority
    created = authority.post("/v1/catalog/drafts", licensing)
    assert created.json["state"] == "draft"
    path = f"/v1/catalog/drafts/{created.json['draft_id']}"
    seen = created.headers["ETag"]

    licensing["update_cycle"] = "weekly"
    assert authority.put(path, licensing, **{"If-Match": seen}).json["revision"] == 2
    assert authority.put(path, licensing, **{"If-Match": seen}).json["code"] == "DRAFT_CHANGED"
    assert authority.put(path, licensing | {"code": "OTHER"}).json["code"] == "DRAFT_CODE_CHANGED"
    assert authority.get(path).json["entry"]["update_cycle"] == "weekly"
    assert catalog.desk("centre").get(path).status_code == 200

    period = {"effective_from": "2026-11-24"}
    assert authority.post(f"{path}/publish", period).json["update_cycle"] == "weekly"
    assert authority.post(f"{path}/publish", period).json["code"] == "DRAFT_PUBLISHED"
    assert authority.put(path, licensing).json["code"] == "DRAFT_PUBLISHED"
    assert authority.get(path).json | {"entry": {}, "updated_at": ""} == created.json | {
        "entry": {},
        "updated_at": "",
        "state": "published",
        "revision": 2,
        "version": 1,
    }
    assert authority.get("/v1/catalog/drafts/draft_nope").json["code"] == "DRAFT_UNKNOWN"
    assert [d["state"] for d in authority.get("/v1/catalog/drafts").json["drafts"]] == ["published"]


@pytest.mark.parametrize("role", ["public", "subject", "provider", "agency", "centre", "supervisor", "service"])
def test_only_the_authority_compiles_and_publishes(catalog: Running, licensing: dict[str, Any], role: str) -> None:
    someone = catalog.desk(role)
    for refused in (
        someone.post("/v1/catalog/drafts", licensing),
        someone.post("/v1/catalog/drafts/draft_x/publish", {"effective_from": "2026-11-24"}),
        someone.post("/v1/catalog/rules", {"name": "x_y", "effective_from": "2027-01-01", "values": {"days": 1}}),
        someone.put("/v1/catalog/calendar/2027", {"days_off": [], "days_worked": []}),
    ):
        assert (refused.status_code, refused.json["code"]) == (403, "ROLE_NOT_ALLOWED")
    # The refusals themselves are on record.
    assert len([e for e in catalog.audit.events if e["outcome"] == "refused"]) == 4


def test_a_repeated_request_publishes_once(catalog: Running, licensing: dict[str, Any]) -> None:
    authority, key = catalog.authority, {"Idempotency-Key": "k1"}
    first = authority.post("/v1/catalog/drafts", licensing, **key)
    assert authority.post("/v1/catalog/drafts", licensing, **key).json == first.json
    path = f"/v1/catalog/drafts/{first.json['draft_id']}/publish"
    once = authority.post(path, {"effective_from": "2026-11-24"}, **{"Idempotency-Key": "k2"})
    again = authority.post(path, {"effective_from": "2026-11-24"}, **{"Idempotency-Key": "k2"})
    assert (once.status_code, again.json) == (200, once.json)
    other = authority.post(path, {"effective_from": "2026-11-25"}, **{"Idempotency-Key": "k2"})
    assert other.json["code"] == "IDEMPOTENCY_CONFLICT"
    assert len(catalog.anybody.get("/v1/catalog/entries/XZXK/versions").json["entries"]) == 1


def test_each_modification_is_on_record_against_its_actor(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    catalog.authority.publishes(licensing, "2026-12-01")
    published = until(lambda: len(found := catalog.audit.of("entry.published")) == 2 and found, "events are delivered")
    assert published[1]["actor"]["sub"] == "officer:authority"
    assert published[1]["entries"] == ["XZXK"]
    assert published[1]["details"]["closes"] == {"version": 1, "effective_to": "2026-11-30"}
    assert len(catalog.audit.of("draft.created")) == 2


def test_the_whole_demonstration_catalog_is_published_and_paged(catalog: Running) -> None:
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


def test_both_faces_say_the_same(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    over_http = catalog.anybody.get("/v1/catalog/entries/XZXK").json
    over_grpc = catalog.stub.GetEntry(pb.GetEntryRequest(code="XZXK"), metadata=catalog.metadata("public"))
    assert over_grpc.name.zh == over_http["name"]["zh"]
    assert [i.code for i in over_grpc.items] == [i["code"] for i in over_http["items"]]
    assert over_grpc.items[1].code_list[0].name.zh == "法人及非法人组织"
    assert over_grpc.disclosure_period.item == "XK_YXQZI"
    assert list(over_grpc.required_one_of[0].items) == over_http["required_one_of"][0]["items"]
    assert over_grpc.published_at.ToJsonString()[:19] == over_http["published_at"][:19]


def test_what_is_not_published_is_not_found(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.post("/v1/catalog/drafts", licensing)
    assert catalog.anybody.get("/v1/catalog/entries/XZXK").json["code"] == "ENTRY_UNKNOWN"
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


def test_the_feed_tells_every_change_in_order_and_resumes(catalog: Running, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    licensing["reporting_limit_working_days"] = 5
    catalog.authority.publishes(licensing, "2026-12-01")

    seeds = catalog.changes(0, 17)
    kinds = [c.WhichOneof("change") for c in seeds]
    assert kinds == ["rule_set"] + ["code_list"] * 6 + ["calendar_year"] * 10
    entries = catalog.changes(seeds[-1].position, 3)
    assert [(c.entry.version, c.entry.effective_to) for c in entries] == [(1, ""), (1, "2026-11-30"), (2, "")]
    # Whoever stops after the first half of the second publication gets both halves again.
    assert [c.entry.version for c in catalog.changes(entries[1].position, 2)] == [1, 2]
    assert entries[1].position < entries[2].position
    # As after a restored backup: silence would let a follower miss what comes next.
    for unknown in (entries[-1].position + 1, 2**62, -1):
        with pytest.raises(grpc.RpcError) as refused:
            catalog.changes(unknown, 1)
        assert Problem.from_rpc(refused.value).code == "FEED_POSITION_UNKNOWN"
    assert entries[0].committed_at.ToDatetime().year == 2026


def test_the_public_does_not_hold_streams_open(catalog: Running) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        next(catalog.stub.Watch(pb.WatchRequest(), metadata=catalog.metadata("public")))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_schema_of_an_entry_tells_a_good_record_from_a_bad_one(catalog: Running) -> None:
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


def test_the_description_of_the_interface_names_every_address(catalog: Running) -> None:
    paths = catalog.app.test_client().get("/openapi.json").json["paths"]
    assert {p for p in paths if p.startswith("/v1/catalog")} >= {
        "/v1/catalog/entries",
        "/v1/catalog/entries/{code}",
        "/v1/catalog/entries/{code}/schema",
        "/v1/catalog/drafts/{draft_id}/publish",
        "/v1/catalog/rules",
        "/v1/catalog/calendar/{year}",
    }
