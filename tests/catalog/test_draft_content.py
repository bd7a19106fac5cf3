"""What a draft may contain, and what is wrong with it, field by field (Art. 7)."""

from typing import Any

import pytest

from tests.catalog.conftest import RunningCatalog, demo_entry


def test_an_unsound_draft_is_told_field_by_field_in_the_language_asked_for(
    catalog: RunningCatalog, licensing: dict[str, Any]
) -> None:
    licensing["legal_basis"] = []
    licensing["items"][3]["code"] = licensing["items"][2]["code"]
    refused = catalog.authority.post("/v1/catalog/drafts", licensing)
    assert refused.status_code == 400
    assert refused.json["code"] == "ENTRY_INVALID"
    by_field = {e["field"]: e for e in refused.json["errors"]}
    assert by_field["legal_basis"]["message"] == "至少填一项"
    assert by_field["items.3.code"]["rule"] == "duplicate"
    english = catalog.caller("authority", language="en").post("/v1/catalog/drafts", licensing)
    assert "give at least one" in {e["message"] for e in english.json["errors"]}


@pytest.mark.parametrize("field", ["mode", "required", "versions"])
def test_a_misspelt_field_is_told_not_dropped(catalog: RunningCatalog, licensing: dict[str, Any], field: str) -> None:
    place = licensing if field == "versions" else licensing["items"][0]
    place[field] = {"mode": "public", "required": "perhaps", "versions": 3}[field]
    refused = catalog.authority.post("/v1/catalog/drafts", licensing)
    assert refused.status_code == 400
    assert any(e["field"].endswith(field) for e in refused.json["errors"])


def test_what_was_read_can_be_sent(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    """Fields that only answers have are ignored (AIP-203)."""
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


def test_an_entry_covers_regions_that_there_are(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    path = f"/v1/catalog/drafts/{catalog.authority.post('/v1/catalog/drafts', licensing).json['draft_id']}"
    licensing["regions"] = ["441700", "999999", "4417"]
    for refused in (catalog.authority.post("/v1/catalog/drafts", licensing), catalog.authority.put(path, licensing)):
        assert [(e["field"], e["rule"]) for e in refused.json["errors"]] == [
            ("regions.1", "region.unknown"),
            ("regions.2", "region.unknown"),
        ]
    # The values of the day of its publication.
    regions = catalog.authority.get("/v1/catalog/code-lists/region").json
    regions["values"] = [v for v in regions["values"] if v["code"] != "441700"]
    draft = catalog.authority.post("/v1/catalog/code-lists/drafts", regions).json["draft_id"]
    today = {"revision": 1, "effective_from": "2026-11-24"}
    assert catalog.authority.post(f"/v1/catalog/code-lists/drafts/{draft}/publish", today).status_code == 200
    refused = catalog.authority.post(f"{path}/publish", today)
    assert ("regions.0", "region.unknown") in [(e["field"], e["rule"]) for e in refused.json["errors"]]


def test_numbers_of_any_size_are_told(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    """Each by its field: a store keeps at most 63 bits, JSON that every reader reads exactly 53."""
    authority = catalog.authority
    path = f"/v1/catalog/drafts/{authority.post('/v1/catalog/drafts', licensing).json['draft_id']}"
    licensing["reporting_limit_working_days"] = 2**63
    licensing["disclosure_period"]["years"] = 2**60
    licensing["items"][0] |= {"length": 10**30, "scale": -(2**70)}
    for refused in (authority.post("/v1/catalog/drafts", licensing), authority.put(path, licensing)):
        assert (refused.status_code, refused.json["code"]) == (400, "INPUT_INVALID")
        told = {"reporting_limit_working_days", "disclosure_period.years", "items.0.length", "items.0.scale"}
        assert told <= {e["field"] for e in refused.json["errors"]}
    numbers = {
        "reporting_limit_working_days": 2**53 - 1,
        "disclosure_period": {"rule": "unlimited", "years": 2**53 - 1},
    }
    refused = authority.post("/v1/catalog/drafts", demo_entry("XZXK") | numbers)
    assert (refused.status_code, refused.json["code"]) == (400, "ENTRY_INVALID")
    again = demo_entry("XZXK")
    again["items"][0]["code_list_ref"] = {"name": "region", "version": 2**53 - 1}
    refused = authority.post("/v1/catalog/drafts", again)
    assert refused.json["errors"][0]["rule"] == "code_list.unknown"
    assert authority.post(f"{path}/submit", {"revision": 2**63}).status_code == 400
    assert authority.put(path, demo_entry("XZXK"), **{"If-Match": '"' + "9" * 5000 + '"'}).status_code == 400


def test_a_draft_is_edited_until_it_is_published(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    authority = catalog.authority
    created = authority.post("/v1/catalog/drafts", licensing)
    assert created.json["state"] == "draft"
    path = f"/v1/catalog/drafts/{created.json['draft_id']}"
    seen = created.headers["ETag"]

    licensing["update_cycle"] = "weekly"
    assert authority.put(path, licensing, **{"If-Match": seen}).json["revision"] == 2
    stale = authority.put(path, licensing, **{"If-Match": seen})
    assert (stale.status_code, stale.json["code"], stale.json["params"]) == (412, "IF_MATCH_FAILED", {"etag": '"2"'})
    assert authority.put(path, licensing | {"code": "OTHER"}).json["code"] == "DRAFT_CODE_CHANGED"
    assert authority.get(path).json["entry"]["update_cycle"] == "weekly"
    assert catalog.caller("centre").get(path).status_code == 200

    period = {"revision": 2, "effective_from": "2026-11-24"}
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
