"""That drafts need no review any more takes two officers: one alone would then publish her own (Art. 7, 29)."""

from tests.catalog.conftest import RunningCatalog
from tests.support import until

RULES = "/v1/catalog/rules"


def rules(required: int, day: str) -> dict[str, object]:
    return {"name": "catalog", "effective_from": day, "values": {"review_required": required}}


def versions(catalog: RunningCatalog) -> list[int]:
    found = catalog.anybody.get(f"{RULES}?name=catalog").json["rule_sets"]
    return [rule_set["values"]["review_required"] for rule_set in found]


def test_one_officer_alone_does_not_end_the_review_of_drafts(catalog: RunningCatalog) -> None:
    assert catalog.authority.post(RULES, rules(1, "2026-11-24")).status_code == 201
    looser = catalog.authority.post(RULES, rules(0, "2026-11-25"))
    assert (looser.status_code, looser.json["state"], looser.json["target"]) == (202, "open", "catalog")
    outdated = catalog.authority.post(RULES, rules(0, "2026-11-26")).json["proposal_id"]
    approve = f"/v1/catalog/proposals/{looser.json['proposal_id']}/approve"
    alone = catalog.authority.post(approve, None)
    assert (alone.status_code, alone.json["code"]) == (403, "FOUR_EYES")
    assert versions(catalog) == [1]
    second = catalog.caller("authority", sub="officer:second")
    assert second.post(approve, None).json["state"] == "approved"
    assert versions(catalog) == [1, 0]
    # Another version is the newest now; and what does not loosen is published at once.
    again = second.post(f"/v1/catalog/proposals/{outdated}/approve", None)
    assert (again.status_code, again.json["code"]) == (409, "PROPOSAL_OUTDATED")
    assert catalog.authority.post(RULES, rules(1, "2026-11-27")).status_code == 201
    events = until(lambda: len(e := catalog.audit.of("rules.published")) >= 3 and e, "the relay delivers")
    [approved] = [e for e in events if "proposed_by" in e["details"]]
    assert (approved["actor"]["sub"], approved["details"]["proposed_by"]) == ("officer:second", "officer:authority")
