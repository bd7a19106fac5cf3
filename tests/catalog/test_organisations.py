"""The directory of organisations says who is responsible where (Art. 6)."""

import re
from typing import Any

from stdnum.cn import uscc as credit_code

from chengxin.values.canonical_json import canonical, digest
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from services.catalog.usecases.initial_data import seed
from tests.catalog.conftest import DEMO, RunningCatalog
from tests.catalog.registers import COLOURS, HOUSING, USCC
from tests.support import until


def test_only_the_authority_keeps_the_registers(catalog: RunningCatalog) -> None:
    for role in ("public", "provider", "centre", "service"):
        someone = catalog.caller(role)
        for refused in (
            someone.post("/v1/catalog/code-lists/drafts", COLOURS),
            someone.post(
                "/v1/catalog/code-lists/drafts/codes_x/publish", {"revision": 1, "effective_from": "2026-11-24"}
            ),
            someone.put(f"/v1/catalog/organisations/{USCC}", HOUSING),
        ):
            assert (role, refused.json["code"]) == (role, "ROLE_NOT_ALLOWED")


def test_the_directory_says_who_is_responsible_where(catalog: RunningCatalog) -> None:
    authority = catalog.authority
    path = f"/v1/catalog/organisations/{USCC}"
    assert catalog.anybody.get(path).json["code"] == "ORGANISATION_UNKNOWN"
    recorded = authority.put(path, HOUSING)
    assert recorded.json == HOUSING | {"uscc": USCC, "active": True}
    assert catalog.anybody.get(path).json == recorded.json
    where = pb.GetOrganisationRegionRequest(uscc=USCC)
    assert catalog.stub.GetOrganisationRegion(where, metadata=catalog.metadata("service")).region == HOUSING["region"]
    # As the caller read it.
    assert authority.put(path, recorded.json).json == recorded.json
    assert authority.put(path, recorded.json | {"uscc": "11000000000000019Q"}).json["errors"][0]["field"] == "uscc"
    authority.put(path, HOUSING | {"active": False})
    county = {"name": "阳西县发展和改革局", "kind": "administrative_organ", "region": "441721"}
    authority.put("/v1/catalog/organisations/11000000000000019Q", county | {"functions": ["county_authority"]})

    def found(query: str) -> list[str]:
        return [o["uscc"] for o in catalog.anybody.get(f"/v1/catalog/organisations?{query}").json["organisations"]]

    assert found("") == ["11000000000000019Q", USCC]
    assert found("region=441721") == ["11000000000000019Q"]
    assert found("function=provider") == [USCC]
    assert found("region=441721&function=provider") == found("region=441781") == []
    unknown = catalog.anybody.get("/v1/catalog/organisations?region=999999")
    assert (unknown.status_code, unknown.json["errors"][0]["field"]) == (400, "region")
    first = catalog.anybody.get("/v1/catalog/organisations?page_size=1").json
    assert found(f"page_token={first['next_page_token']}") == [USCC]
    # Sending the same again changes nothing.
    recorded = until(lambda: len(e := catalog.audit.of("organisation.recorded")) == 3 and e, "events are delivered")
    assert [e["details"]["active"] for e in recorded] == [True, False, True]
    assert "信用管理科" not in str(recorded)
    # The recorded version can be proved: read it, make it canonical, and digest it.
    closed = catalog.caller("centre").get(path).json
    assert recorded[1]["details"]["content_sha256"] == digest(canonical(closed))
    assert len({e["details"]["content_sha256"] for e in recorded}) == 3


def test_officers_are_named_to_colleagues_only(catalog: RunningCatalog) -> None:
    path = f"/v1/catalog/organisations/{USCC}"
    officers = [{"name": "演示员", "duty": "数据专员", "telephone": "0662-0000000"}]
    assert catalog.authority.put(path, HOUSING | {"officers": officers}).json["officers"] == officers
    for role, seen in (
        *((role, officers) for role in ("agency", "provider", "centre", "authority", "supervisor")),
        *((role, []) for role in ("public", "subject", "statutory", "subject_authorized")),
    ):
        caller = catalog.caller(role)
        assert (role, caller.get(path).json["officers"]) == (role, seen)
        (listed,) = caller.get("/v1/catalog/organisations").json["organisations"]
        assert (role, listed["officers"]) == (role, seen)
    recorded = until(lambda: catalog.audit.of("organisation.recorded"), "the event is delivered")
    assert "演示员" not in str(recorded)


def test_an_organisation_is_entered_rightly(catalog: RunningCatalog) -> None:
    for uscc, change, field, rule in (
        ("110000000000000515", {}, "uscc", "uscc"),
        ("000000000000000000", {}, "uscc", "uscc"),
        (USCC, {"region": "441703"}, "region", "region.unknown"),
        (USCC, {"functions": []}, "functions", "empty"),
        (USCC, {"responsible_unit": ""}, "responsible_unit", "text.missing"),
        (USCC, {"telephone": "问前台"}, "telephone", "telephone"),
        (USCC, {"name": ""}, "name", "text.missing"),
        (USCC, {"officers": [{"name": " ", "duty": "数据专员"}]}, "officers.0.name", "text.missing"),
        (USCC, {"officers": [{"name": "甲", "duty": "乙", "telephone": "无"}]}, "officers.0.telephone", "telephone"),
        (USCC, {"officers": [{"name": "甲", "duty": "乙"}] * 21}, "officers", "too_many"),
    ):
        refused = catalog.authority.put(f"/v1/catalog/organisations/{uscc}", HOUSING | change)
        assert refused.status_code == 400
        assert (field, rule) in [(e["field"], e["rule"]) for e in refused.json["errors"]]


def test_the_example_of_the_directory_is_nobody_of_the_demonstration() -> None:
    page = (DEMO.parent / "docs" / "operations" / "catalog.md").read_text()
    [code] = set(re.findall(r"\$G/organisations/([0-9A-Z]{18})", page))
    assert credit_code.is_valid(code)
    assert code not in "".join(path.read_text() for path in DEMO.rglob("*.json"))


def test_an_officer_of_a_county_acts_for_it_only(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    """Art. 6: a county's officer does not change what belongs to the whole city."""
    county = catalog.caller("authority", sub="officer:yangxi", region="441721")
    path = "/v1/catalog/organisations/110000000000090137"
    yangxi = HOUSING | {"region": "441721"}
    # One that the directory lacks may be the city's, or another county's.
    assert county.put(path, yangxi).json["code"] == "OUTSIDE_REGION"
    assert catalog.authority.put(path, yangxi).status_code == 200
    assert county.put(path, yangxi | {"name": "阳西县住房和城乡建设局"}).status_code == 200
    # The organisation can neither be taken over nor given away.
    assert catalog.authority.put(f"/v1/catalog/organisations/{USCC}", HOUSING).status_code == 200
    draft = catalog.authority.post("/v1/catalog/drafts", licensing).json["draft_id"]
    codes = catalog.authority.post("/v1/catalog/code-lists/drafts", COLOURS).json["draft_id"]
    day = {"effective_from": "2026-11-24"}
    for refused in (
        county.put(path, HOUSING),
        county.put(f"/v1/catalog/organisations/{USCC}", HOUSING | {"region": "441721"}),
        # Whose it is comes before what is wrong with it.
        county.put(f"/v1/catalog/organisations/{USCC}", HOUSING | {"region": "441721", "name": ""}),
        county.post(f"/v1/catalog/drafts/{draft}/publish", day | {"revision": 1}),
        county.post("/v1/catalog/entries/XZXK/retire", {"effective_to": "2027-06-30", "basis": "修订"}),
        county.post(f"/v1/catalog/code-lists/drafts/{codes}/publish", day | {"revision": 1}),
        county.post("/v1/catalog/rules", {"name": "catalog", **day, "values": {"review_required": 1}}),
        county.put("/v1/catalog/calendar/2027", {"days_off": ["2027-01-01"], "days_worked": []}),
    ):
        assert (refused.status_code, refused.json["code"]) == (403, "OUTSIDE_REGION"), refused.text
    assert len([e for e in catalog.audit.of("organisation.recorded") if e["outcome"] == "refused"]) == 4


def told_regions(catalog: RunningCatalog) -> list[tuple[str, str]]:
    """What the feed has told of organisations so far."""
    changes = [change for row in catalog.ctx.store.store.rows(0) for change in row.changes]
    told = [change["organisation_region"] for change in changes if change["kind"] == "organisation_region"]
    return [(one["uscc"], one["region"]) for one in told]


def test_the_feed_tells_where_an_organisation_belongs(catalog: RunningCatalog) -> None:
    """Ingest and the objection service judge officers of counties by it."""
    before = max(row.position for row in catalog.ctx.store.store.rows(0))
    catalog.authority.put(f"/v1/catalog/organisations/{USCC}", HOUSING | {"region": "441702"})
    [told] = catalog.changes(before, 1)
    assert (told.organisation_region.uscc, told.organisation_region.region) == (USCC, "441702")
    assert told_regions(catalog) == [(USCC, "441702")]


def test_the_directory_of_the_last_version_is_told_once_at_the_start(catalog: RunningCatalog) -> None:
    catalog.authority.put(f"/v1/catalog/organisations/{USCC}", HOUSING)
    catalog.ctx.store.store.db["organisations"].update_one({"_id": USCC}, {"$unset": {"region_told": ""}})
    for _ in range(2):
        seed(catalog.ctx)
    assert told_regions(catalog) == [(USCC, "441700")] * 2
