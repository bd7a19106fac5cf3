"""Deadlines are data under version control (Art. 29)."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from chengxin.errors import Problem
from services.catalog.domain.rule_set import CATALOG_RULES, FORMS, REVIEW_REQUIRED, RuleSet
from services.catalog.usecases.initial_data import seed
from services.ingest.domain import quality
from services.objection.domain import deadlines
from tests.catalog.conftest import RunningCatalog
from tests.catalog.licensing_entry import TODAY
from tests.support import until


def test_rules_do_not_reach_back() -> None:
    values = {"retention_years": 5}
    first = RuleSet("archive", date(2018, 1, 1), values).following(None, TODAY)
    assert first.version == 1
    with pytest.raises(Problem) as refused:
        RuleSet("archive", date(2020, 1, 1), values).following(first, TODAY)
    assert refused.value.code == "RULES_BACKDATED"
    second = RuleSet("archive", TODAY, values).following(first, TODAY)
    with pytest.raises(Problem) as refused:
        RuleSet("archive", TODAY, values).following(second, TODAY)
    assert refused.value.code == "RULES_OVERLAP"


def test_the_objection_rules_must_be_complete() -> None:
    rules = RuleSet("objection", TODAY, {"acceptance_working_days": 3, "patience": 9, "answer_working_days": -1})
    wrong = {(f.where, f.rule) for f in rules.findings()}
    assert ("values.patience", "rules.unknown") in wrong
    assert ("values.answer_working_days", "rules.value") in wrong
    assert ("values", "rules.missing") in wrong


class ValuesRead(defaultdict[str, int]):
    """The values of a rule set; each that is asked for is there, and is noted."""

    def __missing__(self, name: str) -> int:
        return self.setdefault(name, 1)

    def __contains__(self, name: object) -> bool:
        return bool(self[str(name)])

    def get(self, name: str, default: object = None) -> int:  # type: ignore[override]
        return self[name]


def read_deadlines(values: Mapping[str, int]) -> None:
    rules = deadlines.DeadlineRules(1, values)
    for step in deadlines.Step:
        rules.working_days(step)
    # The other steps cannot be extended.
    rules.working_days(deadlines.Step.ANSWER, extended=True)


# How each service reads its rule set.
READERS: dict[str, Callable[[Mapping[str, int]], object]] = {
    deadlines.RULE_SET: read_deadlines,
    quality.RULE_SET: quality.thresholds,
    CATALOG_RULES: lambda values: values[REVIEW_REQUIRED],
}


def test_the_catalog_has_a_form_for_every_rule_set_that_a_service_reads() -> None:
    root = Path(__file__).parents[2]
    sources = [path.read_text() for top in ("services", "gateway") for path in (root / top).rglob("*.py")]
    read = {name for text in sources for name in re.findall(r'^RULE_SET: Final = "(\w+)"', text, re.MULTILINE)}
    assert read | {CATALOG_RULES} == set(READERS) == set(FORMS)
    # A service that takes rule sets from the feed takes them by such a name.
    followers = [text for text in sources if 'case "rule_set"' in text]
    assert len(followers) == len(read)
    assert all('case "rule_set" if change.rule_set.name == RULE_SET' in text for text in followers)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_has_exactly_the_values_that_the_service_reads(name: str) -> None:
    read = ValuesRead()
    READERS[name](read)
    assert sorted(FORMS[name].values) == sorted(read)


@pytest.mark.parametrize("name", FORMS)
def test_a_misspelt_value_of_any_rule_set_is_refused(name: str) -> None:
    whole = dict.fromkeys(FORMS[name].values, 1)
    assert not list(RuleSet(name, TODAY, whole).findings())
    for value in whole:
        misspelt = {f"{n}s" if n == value else n: 1 for n in whole}
        found = {(f.where, f.rule) for f in RuleSet(name, TODAY, misspelt).findings()}
        assert (f"values.{value}s", "rules.unknown") in found


def test_thresholds_of_quality_may_be_given_in_part_and_are_spelt_right(catalog: RunningCatalog) -> None:
    body = {"name": "ingest_quality", "effective_from": "2026-12-01", "values": {"volume_drop_procent": 30}}
    refused = catalog.authority.post("/v1/catalog/rules", body)
    assert [(e["field"], e["rule"]) for e in refused.json["errors"]] == [
        ("values.volume_drop_procent", "rules.unknown")
    ]
    right = body | {"values": {"volume_drop_percent": 30}}
    assert catalog.authority.post("/v1/catalog/rules", right).status_code == 201


OBJECTION = {
    "acceptance_working_days": 3,
    "verification_working_days": 3,
    "answer_working_days": 10,
    "answer_extended_working_days": 20,
    "conclusion_working_days": 3,
}


def test_a_new_system_has_the_deadlines_of_the_regulation_on_record(catalog: RunningCatalog) -> None:
    [rules] = catalog.anybody.get("/v1/catalog/rules").json["rule_sets"]
    assert rules == {"name": "objection", "version": 1, "effective_from": "2018-01-01", "values": OBJECTION}
    [event] = until(lambda: catalog.audit.of("rules.published"), "the event is delivered")
    assert event["actor"] == {"sub": "catalog", "roles": ["service"], "client_id": "catalog"}
    assert len(until(lambda: len(found := catalog.audit.of("calendar.loaded")) == 10 and found, "all years")) == 10


def test_starting_again_changes_nothing(catalog: RunningCatalog) -> None:
    before = catalog.ctx.store.store.rows(0)
    seed(catalog.ctx)
    assert catalog.ctx.store.store.rows(0) == before


def test_the_authority_changes_a_deadline_from_a_day_on(catalog: RunningCatalog) -> None:
    changed = {"name": "objection", "effective_from": "2027-01-01", "values": OBJECTION | {"answer_working_days": 8}}
    published = catalog.authority.post("/v1/catalog/rules", changed)
    assert (published.status_code, published.json["version"]) == (201, 2)
    found = catalog.anybody.get("/v1/catalog/rules?name=objection").json["rule_sets"]
    assert [r["version"] for r in found] == [1, 2]
    first = catalog.anybody.get("/v1/catalog/rules?page_size=1").json
    second = catalog.anybody.get(f"/v1/catalog/rules?page_size=1&page_token={first['next_page_token']}").json
    assert [*first["rule_sets"], *second["rule_sets"]] == found
    assert second["next_page_token"] == ""
    unknown = catalog.anybody.get("/v1/catalog/rules?name=objections")
    assert (unknown.status_code, unknown.json["errors"][0]["field"]) == (400, "name")
    assert "objection" in unknown.json["errors"][0]["message"]


def test_rules_are_not_changed_for_the_past_nor_left_incomplete(catalog: RunningCatalog) -> None:
    past = {"name": "objection", "effective_from": "2026-11-23", "values": OBJECTION}
    assert catalog.authority.post("/v1/catalog/rules", past).json["code"] == "RULES_BACKDATED"
    partial = {"name": "objection", "effective_from": "2027-01-01", "values": {"answer_working_days": 9}}
    refused = catalog.authority.post("/v1/catalog/rules", partial)
    assert (refused.status_code, len(refused.json["errors"])) == (400, 4)


def test_another_service_cannot_pass_for_the_catalog(catalog: RunningCatalog) -> None:
    body = {"name": "archive", "effective_from": "2027-01-01", "values": {"years": 5}}
    refused = catalog.caller("service", sub="ingest").post("/v1/catalog/rules", body)
    assert refused.json["code"] == "ROLE_NOT_ALLOWED"
