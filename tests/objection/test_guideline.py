"""The working guideline is published and states the rules that are applied (Art. 28)."""

from pathlib import Path

from services.objection.domain import guideline
from services.objection.domain.deadlines import DeadlineRules
from services.objection.domain.guideline import REGULATION
from tests.objection.conftest import RunningObjection
from tests.objection.sources import OBJECTION_RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "objection-guideline.md"


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text() == guideline.document()
    assert REGULATION.values == OBJECTION_RULES


def test_anybody_reads_it_with_the_deadlines_in_force(city: RunningObjection) -> None:
    told = city.app.test_client().get("/v1/objections/guideline")
    assert told.status_code == 200
    assert (told.json["rules_version"], told.json["deadlines"]) == (1, OBJECTION_RULES)
    assert "10 个工作日；情况复杂的，期满前可延长一次，至 20 个工作日" in told.json["zh"]
    assert "{" not in told.json["zh"] + told.json["en"]


def test_other_deadlines_make_another_text() -> None:
    changed = DeadlineRules(2, {**REGULATION.values, "answer_working_days": 8})
    assert "接到通知之日起 8 个工作日" in guideline.zh(changed)
    assert "provider, 8 working days" in guideline.en(changed)
