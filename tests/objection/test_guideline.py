"""The working guideline is published and states the rules that are applied (Art. 28)."""

import re
from pathlib import Path

from gateway.edge.routes import prefix_of
from services.disclosure.http.page_messages import WORDS
from services.objection.domain import guideline
from services.objection.domain.case_states import STATE_ZH
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


def test_it_names_only_addresses_and_words_that_there_are() -> None:
    """What it tells citizens to open or to look for is there (Art. 28)."""
    texts = guideline.zh(REGULATION) + guideline.en(REGULATION)
    prefixes = {prefix_of(path) for path in re.findall(r"`(?:[A-Z]+ )?(/[^`]*)`", texts)}
    assert None not in prefixes
    assert {"/me", "/v1/me/objections", "/v1/me/records", "/v1/public"} <= prefixes
    shown = {word for words in WORDS.values() for word in words} | set(STATE_ZH.values())
    assert {word for word in re.findall("“([^”]*)”", texts) if word not in shown} == set()


def test_citizens_see_no_notes_to_those_who_maintain_it(city: RunningObjection) -> None:
    told = city.app.test_client().get("/v1/objections/guideline").json
    assert "<!--" not in told["zh"] + told["en"]
