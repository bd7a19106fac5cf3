"""Deadlines are data under version control (Art. 29)."""

from datetime import date

import pytest

from chengxin.errors import Problem
from services.catalog.domain.rule_set import RuleSet
from services.catalog.usecases.initial_data import seed
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
