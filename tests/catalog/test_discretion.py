"""An entry that would show persons' full names, which another entry masks, is a finding (Art. 4)."""

from typing import Any

import pytest

from chengxin.values.representatives import names_representative
from services.catalog.domain.entry import Masking, Mode, SubjectKind, read_content
from services.catalog.domain.entry_validation import discretion_findings, findings
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
    answer = catalog.authority.post(
        f"/v1/catalog/drafts/{draft}/publish", {"revision": 1, "effective_from": "2026-11-24"}
    )
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
    for entry in ENTRIES.values():
        masked = {persons: {other.code} for other in ENTRIES.values() for persons in other.names_masked()}
        assert list(discretion_findings(entry, masked)) == []


def with_complainant(code: str, masking: str) -> dict[str, Any]:
    """A demonstration entry that names somebody else than its subject."""
    item = {"code": "TSR", "type": "text", "length": 50, "modes": ["public", "shared"], "masking": masking}
    named = item | {"name": {"zh": "投诉人姓名", "en": "Complainant"}, "sensitivity": "personal"}
    made = demo_entry(code)
    return made | {"items": [*made["items"], named]}


def test_the_names_of_others_than_the_subject_are_masked_in_all_entries_or_in_none(catalog: RunningCatalog) -> None:
    """Whether the entries are about persons or about organisations."""
    assert catalog.authority.publishes(with_complainant("CFGR", "name"), "2026-11-24").status_code == 200
    [(where, told)] = refused(catalog.authority.post("/v1/catalog/drafts", with_complainant("XZCF", "")))
    assert where == f"items.{len(demo_entry('XZCF')['items'])}.masking"
    assert "CFGR" in told
    assert catalog.authority.post("/v1/catalog/drafts", with_complainant("XZCF", "name")).status_code == 201


REPRESENTATIVES = [
    (code, item["code"])
    for code in ENTRIES
    for item in demo_entry(code)["items"]
    if names_representative(item["name"]["zh"])
]


@pytest.mark.parametrize(("code", "item"), REPRESENTATIVES)
def test_whoever_represents_an_organisation_is_shown_as_the_register_shows_it(code: str, item: str) -> None:
    """Or not at all: a mask would hide nothing."""

    def entry_with(**changes: Any) -> list[str]:
        made = demo_entry(code)
        made["items"] = [i | (changes if i["code"] == item else {}) for i in made["items"]]
        return [finding.rule for finding in findings(read_content(made))]

    assert entry_with() == []
    assert entry_with(masking="name") == ["masking.representative"]
    assert entry_with(masking="name", modes=["shared"]) == []
    assert len(REPRESENTATIVES) >= 6


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("法定代表人", True),
        ("法定代表人（负责人）", True),
        ("法定代表人或主要负责人姓名", True),
        ("单位负责人", True),
        ("法定代表人证件号码", False),
        ("案件负责人", False),
        ("姓名", False),
    ],
)
def test_items_that_name_representatives_are_known_by_their_names(name: str, is_one: bool) -> None:
    assert names_representative(name) is is_one
