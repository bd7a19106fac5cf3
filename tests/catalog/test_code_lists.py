"""Code lists are versioned like entries (Art. 9)."""

from typing import Any

from google.protobuf.json_format import MessageToDict

from services.catalog.usecases.initial_data import seed
from tests.catalog.conftest import RunningCatalog
from tests.catalog.registers import COLOURS, publishes
from tests.support import until


def test_a_new_system_has_the_standard_lists(catalog: RunningCatalog) -> None:
    lists = catalog.anybody.get("/v1/catalog/code-lists").json["code_lists"]
    assert [codes["name"] for codes in lists] == [
        *("document_kind", "licence_category", "party_kind", "penalty_category", "region", "subject_kind"),
    ]
    regions = catalog.anybody.get("/v1/catalog/code-lists/region").json
    assert {"441700", "441702", "441704", "441721", "441781"} <= {v["code"] for v in regions["values"]}
    # The authority can go on from each of them.
    for codes in lists:
        whole = catalog.anybody.get(f"/v1/catalog/code-lists/{codes['name']}").json
        draft = catalog.authority.post("/v1/catalog/code-lists/drafts", whole)
        assert draft.status_code == 201
        assert catalog.authority.get(draft.headers["Location"]).json == draft.json
    first = catalog.anybody.get("/v1/catalog/code-lists?page_size=4").json
    second = catalog.anybody.get(f"/v1/catalog/code-lists?page_size=4&page_token={first['next_page_token']}").json
    assert [*first["code_lists"], *second["code_lists"]] == lists
    assert lists[4] == {k: v for k, v in regions.items() if k != "values"} | {"value_count": len(regions["values"])}
    seeded = until(lambda: len(found := catalog.audit.of("code_list.published")) == 6 and found, "events")
    assert {e["actor"]["sub"] for e in seeded} == {"catalog"}


def test_a_list_that_a_release_changed_is_seeded_again_unless_the_authority_has_its_own(
    catalog: RunningCatalog,
) -> None:
    """As on an older system, whose list of regions had one code."""
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


def test_a_list_is_drafted_edited_and_published_in_versions(catalog: RunningCatalog) -> None:
    authority = catalog.authority
    draft = authority.post("/v1/catalog/code-lists/drafts", COLOURS).json
    path = f"/v1/catalog/code-lists/drafts/{draft['draft_id']}"
    assert catalog.anybody.get("/v1/catalog/code-lists/colour").json["code"] == "CODE_LIST_UNKNOWN"
    assert authority.put(path, COLOURS | {"standard": ""}).json["code_list"]["standard"] == ""
    assert authority.put(path, COLOURS | {"name": "other"}).json["code"] == "CODE_LIST_RENAMED"
    assert catalog.caller("centre").get(path).json["version"] == 0
    assert authority.post(f"{path}/publish", {"revision": 2, "effective_from": "2026-11-24"}).json["version"] == 1
    for refused in (
        authority.put(path, COLOURS),
        authority.post(f"{path}/publish", {"revision": 2, "effective_from": "2026-12-01"}),
    ):
        assert refused.json["code"] == "CODE_LIST_PUBLISHED"
    assert [d["version"] for d in authority.get("/v1/catalog/code-lists/drafts").json["drafts"]] == [1]
    unknown = "/v1/catalog/code-lists/drafts/codes_x"
    for refused in (
        authority.get(unknown),
        authority.put(unknown, COLOURS),
        authority.post(f"{unknown}/publish", {"revision": 1, "effective_from": "2026-11-24"}),
    ):
        assert (refused.status_code, refused.json["code"]) == (404, "CODE_LIST_DRAFT_UNKNOWN")
    assert [e["act"] for e in catalog.audit.events if e["details"].get("code") == "CODE_LIST_DRAFT_UNKNOWN"] == [
        *("code_list.draft_read", "code_list.draft_edited", "code_list.published"),
    ]

    more = COLOURS | {"values": [*COLOURS["values"], {"code": "3", "name": {"zh": "白"}}]}
    assert publishes(catalog, more, "2026-11-23").json["code"] == "CODE_LIST_BACKDATED"
    assert publishes(catalog, more, "2026-11-24").json["code"] == "CODE_LIST_OVERLAPS"
    assert publishes(catalog, more, "2027-01-01").json["version"] == 2
    assert catalog.anybody.get("/v1/catalog/code-lists/colour").json["version"] == 1
    assert len(catalog.anybody.get("/v1/catalog/code-lists/colour?version=2").json["values"]) == 3


def test_the_feed_tells_versions_of_lists_with_their_values(catalog: RunningCatalog) -> None:
    assert publishes(catalog, COLOURS, "2026-11-24").json["version"] == 1
    # The deadlines of objections, six standard lists, ten years of the calendar.
    *_, told = catalog.changes(0, 18)
    codes = MessageToDict(told.code_list, preserving_proto_field_name=True)
    assert codes.pop("published_at").startswith("2026-11-24")
    assert codes == COLOURS | {"version": 1, "effective_from": "2026-11-24", "title": {"zh": "颜色", "en": "Colours"}}


def test_an_unsound_list_is_told_what_is_wrong(catalog: RunningCatalog) -> None:
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


def test_an_item_takes_its_values_from_a_list_and_keeps_them(
    catalog: RunningCatalog, licensing: dict[str, Any]
) -> None:
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


def test_what_a_change_of_rules_does_is_shown_first(catalog: RunningCatalog) -> None:
    [now] = catalog.anybody.get("/v1/catalog/rules").json["rule_sets"]
    asked = {"name": "objection", "effective_from": "2027-01-01", "values": now["values"] | {"answer_working_days": 8}}
    preview = catalog.authority.post("/v1/catalog/rules/preview", asked).json
    assert preview["rule_set"] == asked | {"version": 2}
    assert preview["changes"] == [{"name": "answer_working_days", "before": 10, "after": 8}]
    assert catalog.anybody.get("/v1/catalog/rules").json["rule_sets"] == [now]
    past = asked | {"effective_from": "2026-11-01"}
    assert catalog.authority.post("/v1/catalog/rules/preview", past).json["code"] == "RULES_BACKDATED"
    assert catalog.anybody.post("/v1/catalog/rules/preview", asked).json["code"] == "ROLE_NOT_ALLOWED"
