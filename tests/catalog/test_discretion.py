"""An entry that would show persons' full names, which another entry masks, is a finding (Art. 4)."""

from typing import Any

import pytest

from services.catalog.domain.entry import Masking, Mode, SubjectKind
from tests.catalog.conftest import RunningCatalog, demo_entry
from tests.catalog.test_demo_catalog import ENTRIES


def entry(code: str, masking: str = "name", **changes: Any) -> dict[str, Any]:
    """A demonstration entry about persons that treats their names so."""
    made = demo_entry(code)
    made["items"] = [
        item | ({"masking": masking} if item["code"] == made["subject_name_item"] else {}) for item in made["items"]
    ]
    return made | changes


def refused(answer: Any) -> list[tuple[str, str]]:
    """Where an answer finds this fault, and what it says."""
    assert answer.json["code"] == "ENTRY_INVALID", answer.text
    return [(e["field"], e["message"]) for e in answer.json["errors"] if e["rule"] == "masking.undone"]


def test_a_draft_that_undoes_anothers_masking_is_told_where_and_by_which(catalog: RunningCatalog) -> None:
    assert catalog.authority.publishes(entry("CFGR"), "2026-11-24").status_code == 200
    [(where, told)] = refused(catalog.authority.post("/v1/catalog/drafts", entry("ZYZG", "")))
    assert where == "items.0.masking"
    assert "CFGR" in told


def test_it_is_looked_for_again_when_the_draft_is_published(catalog: RunningCatalog) -> None:
    """Also where the one that masks is not in force yet, or was published since."""
    draft = catalog.authority.post("/v1/catalog/drafts", entry("ZYZG", "")).json["draft_id"]
    assert catalog.authority.publishes(entry("CFGR"), "2027-01-01").status_code == 200
    answer = catalog.authority.post(f"/v1/catalog/drafts/{draft}/publish", {"effective_from": "2026-11-24"})
    assert len(refused(answer)) == 1


def test_a_reviewer_approves_nothing_that_undoes_anothers_masking(catalog: RunningCatalog) -> None:
    draft = catalog.authority.post("/v1/catalog/drafts", entry("ZYZG", "")).json["draft_id"]
    assert catalog.authority.publishes(entry("CFGR"), "2027-01-01").status_code == 200
    assert catalog.authority.post(f"/v1/catalog/drafts/{draft}/submit", {}).status_code == 200
    reviewer = catalog.caller("centre", sub="officer:second")
    verdict = {"decision": "approve", "opinion": "同意", "revision": 1}
    assert len(refused(reviewer.post(f"/v1/catalog/drafts/{draft}/review", verdict))) == 1
    returned = reviewer.post(f"/v1/catalog/drafts/{draft}/review", verdict | {"decision": "return"})
    assert returned.status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        entry("CFGR", ""),
        entry("CFGR", modes=["authorized", "shared"]),
        entry("SBJF"),
    ],
)
def test_what_masks_nothing_in_public_leaves_others_alone(catalog: RunningCatalog, other: dict[str, Any]) -> None:
    for item in other["items"]:
        item["modes"] = [mode for mode in item["modes"] if mode in other["modes"]]
    if "public" not in other["modes"]:
        other["openness"] = {"value": "none"}
    published = catalog.authority.publishes(other, "2026-11-24")
    assert published.status_code == 200, published.text
    assert catalog.authority.post("/v1/catalog/drafts", entry("ZYZG", "")).status_code == 201


def test_organisations_have_no_names_to_mask(catalog: RunningCatalog) -> None:
    catalog.authority.publishes(entry("CFGR"), "2026-11-24")
    assert catalog.authority.publishes(demo_entry("QYDJ"), "2026-11-24").status_code == 200


def test_no_entry_of_the_demonstration_undoes_anothers_masking() -> None:
    about_persons = [
        e for e in ENTRIES.values() if SubjectKind.INDIVIDUAL in e.subject_kinds and Mode.PUBLIC in e.modes
    ]
    assert len(about_persons) > 5
    assert {e.names_persons() for e in about_persons} <= {Masking.NAME, None}
