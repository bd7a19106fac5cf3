"""Code lists are versioned like entries, and the directory says who is responsible where (Art. 6, 9)."""

import re
from typing import Any

from google.protobuf.json_format import MessageToDict
from stdnum.cn import uscc as credit_code

from chengxin.values.canonical_json import canonical, digest
from services.catalog.usecases.initial_data import seed
from tests.catalog.conftest import DEMO, Running
from tests.support import until

COLOURS = {
    "name": "colour",
    "title": {"zh": "颜色", "en": "Colours"},
    "values": [{"code": "1", "name": {"zh": "红"}}, {"code": "2", "name": {"zh": "黑"}}],
    "standard": "本市标准",
}
HOUSING = {
    "name": "阳江市住房和城乡建设局",
    "kind": "administrative_organ",
    "region": "441700",
    "functions": ["provider"],
    "responsible_unit": "信用管理科",
    "contact_function": "数据专员",
    "telephone": "+86 (662) 000-0000",
    "officers": [],
}
USCC = "110000000000000514"


def publishes(catalog: Running, content: dict[str, Any], day: str) -> Any:
    draft = catalog.authority.post("/v1/catalog/code-lists/drafts", content)
    assert draft.status_code == 201, draft.text
    path = f"/v1/catalog/code-lists/drafts/{draft.json['draft_id']}/publish"
    return catalog.authority.post(path, {"effective_from": day})


def test_a_new_system_has_the_standard_lists(catalog: Running) -> None:
    lists = catalog.anybody.get("/v1/catalog/code-lists").json["code_lists"]
    assert [codes["name"] for codes in lists] == [
        *("document_kind", "licence_category", "party_kind", "penalty_category", "region", "subject_kind"),
    ]
    regions = catalog.anybody.get("/v1/catalog/code-lists/region").json
    assert {"441700", "441702", "441704", "441721", "441781"} <= {v["code"] for v in regions["values"]}
    # The authority can go on from each of them.
    for codes in lists:
        whole = catalog.anybody.get(f"/v1/catalog/code-lists/{codes['name']}").json
        assert catalog.authority.post("/v1/catalog/code-lists/drafts", whole).status_code == 201
    first = catalog.anybody.get("/v1/catalog/code-lists?page_size=4").json
    second = catalog.anybody.get(f"/v1/catalog/code-lists?page_size=4&page_token={first['next_page_token']}").json
    assert [*first["code_lists"], *second["code_lists"]] == lists
    assert lists[4] == {k: v for k, v in regions.items() if k != "values"} | {"value_count": len(regions["values"])}
    seeded = until(lambda: len(found := catalog.audit.of("code_list.published")) == 6 and found, "events")
    assert {e["actor"]["sub"] for e in seeded} == {"catalog"}


def test_a_list_that_a_release_changed_is_seeded_again_unless_the_authority_has_its_own(catalog: Running) -> None:
    """As on a system of before, whose region list had one code."""
    lists = catalog.ctx.store.store.db["code_lists"]
    one = [{"code": "441700", "name": {"zh": "阳江市", "en": ""}}]
    lists.update_one({"_id": "region:000001"}, {"$set": {"values": one}})
    seed(catalog.ctx)
    seed(catalog.ctx)
    newest = catalog.anybody.get("/v1/catalog/code-lists/region").json
    assert (newest["version"], newest["effective_from"]) == (2, "2026-11-24")
    assert len(newest["values"]) > 3_500

    lists.update_one({"_id": "subject_kind:000001"}, {"$set": {"values": one}})
    own = {"name": "subject_kind", "title": {"zh": "类别"}, "values": one}
    assert publishes(catalog, own, "2026-11-24").json["version"] == 2
    seed(catalog.ctx)
    assert catalog.anybody.get("/v1/catalog/code-lists/subject_kind").json["version"] == 2


def test_a_list_is_drafted_edited_and_published_in_versions(catalog: Running) -> None:
    authority = catalog.authority
    draft = authority.post("/v1/catalog/code-lists/drafts", COLOURS).json
    path = f"/v1/catalog/code-lists/drafts/{draft['draft_id']}"
    assert catalog.anybody.get("/v1/catalog/code-lists/colour").json["code"] == "CODE_LIST_UNKNOWN"
    assert authority.put(path, COLOURS | {"standard": ""}).json["code_list"]["standard"] == ""
    assert authority.put(path, COLOURS | {"name": "other"}).json["code"] == "CODE_LIST_RENAMED"
    assert catalog.desk("centre").get(path).json["version"] == 0
    assert authority.post(f"{path}/publish", {"effective_from": "2026-11-24"}).json["version"] == 1
    for refused in (authority.put(path, COLOURS), authority.post(f"{path}/publish", {"effective_from": "2026-12-01"})):
        assert refused.json["code"] == "CODE_LIST_PUBLISHED"
    assert [d["version"] for d in authority.get("/v1/catalog/code-lists/drafts").json["drafts"]] == [1]
    assert authority.get("/v1/catalog/code-lists/drafts/codes_x").json["code"] == "CODE_LIST_DRAFT_UNKNOWN"

    more = COLOURS | {"values": [*COLOURS["values"], {"code": "3", "name": {"zh": "白"}}]}
    assert publishes(catalog, more, "2026-11-23").json["code"] == "CODE_LIST_BACKDATED"
    assert publishes(catalog, more, "2026-11-24").json["code"] == "CODE_LIST_OVERLAPS"
    assert publishes(catalog, more, "2027-01-01").json["version"] == 2
    assert catalog.anybody.get("/v1/catalog/code-lists/colour").json["version"] == 1
    assert len(catalog.anybody.get("/v1/catalog/code-lists/colour?version=2").json["values"]) == 3


def test_the_feed_tells_versions_of_lists_with_their_values(catalog: Running) -> None:
    assert publishes(catalog, COLOURS, "2026-11-24").json["version"] == 1
    # The deadlines of objections, six standard lists, ten years of the calendar.
    *_, told = catalog.changes(0, 18)
    codes = MessageToDict(told.code_list, preserving_proto_field_name=True)
    assert codes.pop("published_at").startswith("2026-11-24")
    assert codes == COLOURS | {"version": 1, "effective_from": "2026-11-24", "title": {"zh": "颜色", "en": "Colours"}}


def test_an_unsound_list_is_told_what_is_wrong(catalog: Running) -> None:
    for change, field, rule in (
        ({"name": "Colour"}, "name", "rules.name"),
        ({"name": "drafts"}, "name", "rules.name"),
        ({"values": []}, "values", "empty"),
        ({"values": [COLOURS["values"][0]] * 2}, "values.1.code", "duplicate"),
        ({"title": {"zh": ""}}, "title", "text.missing"),
        ({"standard": "长" * 201}, "standard", "text.long"),
    ):
        refused = catalog.authority.post("/v1/catalog/code-lists/drafts", COLOURS | change)
        assert refused.json["code"] == "CODE_LIST_INVALID"
        assert (field, rule) in [(e["field"], e["rule"]) for e in refused.json["errors"]]


def test_an_item_takes_its_values_from_a_list_and_keeps_them(catalog: Running, licensing: dict[str, Any]) -> None:
    publishes(catalog, COLOURS, "2026-11-24")
    one = licensing["items"][1] = {k: v for k, v in licensing["items"][1].items() if k != "code_list"}
    one["code_list_ref"] = {"name": "colour", "version": 0}
    published = catalog.authority.publishes(licensing, "2026-11-24").json
    assert published["items"][1]["code_list_ref"] == {"name": "colour", "version": 1}
    assert [v["code"] for v in published["items"][1]["code_list"]] == ["1", "2"]
    schema = catalog.anybody.get("/v1/catalog/entries/XZXK/schema").json
    assert schema["properties"]["XK_XDR_LB"]["enum"] == ["1", "2"]

    more = COLOURS | {"values": [*COLOURS["values"], {"code": "3", "name": {"zh": "白"}}]}
    publishes(catalog, more, "2026-11-25")
    assert catalog.anybody.get("/v1/catalog/entries/XZXK").json == published
    one["code_list_ref"] = {"name": "colour", "version": 2}
    draft = catalog.authority.post("/v1/catalog/drafts", licensing).json["draft_id"]
    difference = catalog.authority.get(f"/v1/catalog/drafts/{draft}/diff").json
    assert [(c["where"], c["effect"]) for c in difference["changes"]] == [
        ("items.XK_XDR_LB.code_list", "loosens"),
        ("items.XK_XDR_LB.code_list_ref", "none"),
    ]

    one["code_list"] = [{"code": "9", "name": {"zh": "灰"}}]
    wrong = catalog.authority.post("/v1/catalog/drafts", licensing).json
    assert [(e["field"], e["rule"]) for e in wrong["errors"]] == [("items.1.code_list", "code_list.differs")]
    one["code_list_ref"] = {"name": "colour", "version": 9}
    wrong = catalog.authority.post("/v1/catalog/drafts", licensing).json
    assert [(e["field"], e["rule"]) for e in wrong["errors"]] == [("items.1.code_list_ref", "code_list.unknown")]


def test_only_the_authority_keeps_the_registers(catalog: Running) -> None:
    for role in ("public", "provider", "centre", "service"):
        someone = catalog.desk(role)
        for refused in (
            someone.post("/v1/catalog/code-lists/drafts", COLOURS),
            someone.post("/v1/catalog/code-lists/drafts/codes_x/publish", {"effective_from": "2026-11-24"}),
            someone.put(f"/v1/catalog/organisations/{USCC}", HOUSING),
        ):
            assert (role, refused.json["code"]) == (role, "ROLE_NOT_ALLOWED")


def test_the_directory_says_who_is_responsible_where(catalog: Running) -> None:
    authority = catalog.authority
    path = f"/v1/catalog/organisations/{USCC}"
    assert catalog.anybody.get(path).json["code"] == "ORGANISATION_UNKNOWN"
    recorded = authority.put(path, HOUSING)
    assert recorded.json == HOUSING | {"uscc": USCC, "active": True}
    assert catalog.anybody.get(path).json == recorded.json
    # As it was read.
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
    assert found("region=441721&function=provider") == []
    first = catalog.anybody.get("/v1/catalog/organisations?page_size=1").json
    assert found(f"page_token={first['next_page_token']}") == [USCC]
    # Saying the same again is no change.
    recorded = until(lambda: len(e := catalog.audit.of("organisation.recorded")) == 3 and e, "events are delivered")
    assert [e["details"]["active"] for e in recorded] == [True, False, True]
    assert "信用管理科" not in str(recorded)
    # What was recorded can be proved: it is read, made canonical and digested.
    closed = catalog.desk("centre").get(path).json
    assert recorded[1]["details"]["content_sha256"] == digest(canonical(closed))
    assert len({e["details"]["content_sha256"] for e in recorded}) == 3


def test_officers_are_named_to_colleagues_only(catalog: Running) -> None:
    path = f"/v1/catalog/organisations/{USCC}"
    officers = [{"name": "演示员", "duty": "数据专员", "telephone": "0662-0000000"}]
    assert catalog.authority.put(path, HOUSING | {"officers": officers}).json["officers"] == officers
    for role, seen in (
        *((role, officers) for role in ("agency", "provider", "centre", "authority", "supervisor")),
        *((role, []) for role in ("public", "subject", "statutory", "subject_authorized")),
    ):
        desk = catalog.desk(role)
        assert (role, desk.get(path).json["officers"]) == (role, seen)
        (listed,) = desk.get("/v1/catalog/organisations").json["organisations"]
        assert (role, listed["officers"]) == (role, seen)
    recorded = until(lambda: catalog.audit.of("organisation.recorded"), "the event is delivered")
    assert "演示员" not in str(recorded)


def test_an_organisation_is_entered_rightly(catalog: Running) -> None:
    for uscc, change, field, rule in (
        ("110000000000000515", {}, "uscc", "uscc"),
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


def test_what_a_change_of_rules_does_is_shown_first(catalog: Running) -> None:
    [now] = catalog.anybody.get("/v1/catalog/rules").json["rule_sets"]
    asked = {"name": "objection", "effective_from": "2027-01-01", "values": now["values"] | {"answer_working_days": 8}}
    preview = catalog.authority.post("/v1/catalog/rules/preview", asked).json
    assert preview["rule_set"] == asked | {"version": 2}
    assert preview["changes"] == [{"name": "answer_working_days", "before": 10, "after": 8}]
    assert catalog.anybody.get("/v1/catalog/rules").json["rule_sets"] == [now]
    past = asked | {"effective_from": "2026-11-01"}
    assert catalog.authority.post("/v1/catalog/rules/preview", past).json["code"] == "RULES_BACKDATED"
    assert catalog.anybody.post("/v1/catalog/rules/preview", asked).json["code"] == "ROLE_NOT_ALLOWED"


def test_the_example_of_the_directory_is_nobody_of_the_demonstration() -> None:
    page = (DEMO.parent / "docs" / "operations" / "catalog.md").read_text()
    [code] = set(re.findall(r"\$G/organisations/([0-9A-Z]{18})", page))
    assert credit_code.is_valid(code)
    assert code not in "".join(path.read_text() for path in DEMO.rglob("*.json"))


def test_an_officer_of_a_county_acts_for_it_only(catalog: Running, licensing: dict[str, Any]) -> None:
    """Art. 6: counties are units of the city; what is the whole city's is not theirs to change."""
    county = catalog.desk("authority", sub="officer:yangxi", region="441721")
    path = "/v1/catalog/organisations/110000000000090137"
    assert county.put(path, HOUSING | {"region": "441721"}).status_code == 200
    # Neither taken over nor handed away.
    assert catalog.authority.put(f"/v1/catalog/organisations/{USCC}", HOUSING).status_code == 200
    draft = catalog.authority.post("/v1/catalog/drafts", licensing).json["draft_id"]
    codes = catalog.authority.post("/v1/catalog/code-lists/drafts", COLOURS).json["draft_id"]
    day = {"effective_from": "2026-11-24"}
    for refused in (
        county.put(path, HOUSING),
        county.put(f"/v1/catalog/organisations/{USCC}", HOUSING | {"region": "441721"}),
        county.post(f"/v1/catalog/drafts/{draft}/publish", day),
        county.post("/v1/catalog/entries/XZXK/retire", {"effective_to": "2027-06-30", "basis": "修订"}),
        county.post(f"/v1/catalog/code-lists/drafts/{codes}/publish", day),
        county.post("/v1/catalog/rules", {"name": "catalog", **day, "values": {"review_required": 1}}),
        county.put("/v1/catalog/calendar/2027", {"days_off": ["2027-01-01"], "days_worked": []}),
    ):
        assert (refused.status_code, refused.json["code"]) == (403, "OUTSIDE_REGION"), refused.text
