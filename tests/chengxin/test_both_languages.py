"""What fills the texts of problems is in both languages, and each text has its own words."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from chengxin.errors import InBoth, Problem, invalid
from chengxin.proposals.proposal import PROPOSAL_DECIDED, STATE_ZH
from services.catalog.domain.draft import Draft, DraftState, ReviewDecision
from tests.catalog.licensing_entry import CONTENT, NOW

ROOT = Path(__file__).parents[2]
WRONG = invalid("TRIAL_WRONG", "有误：{what}（{given}）", "Wrong: {what} ({given})")


def sources() -> Iterator[Path]:
    """The code of what runs."""
    for package in ("chengxin", "gateway", "services"):
        yield from (ROOT / package).rglob("*.py")


def both_in_one() -> Iterator[str]:
    """Each place that fills a problem's text with words of both languages in one text."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2].isupper():
                # What is told of fields is not filled in.
                filled = [keyword.value for keyword in node.keywords if keyword.arg != "fields"]
                for part in (part for value in filled for part in ast.walk(value)):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and " / " in part.value:
                        yield f"{path.relative_to(ROOT)}:{part.lineno}: {part.value}"


def english_alone() -> Iterator[str]:
    """Each place that fills a problem's text, or tells a fault, with an English sentence alone."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            told: list[ast.expr | None] = []
            # Kinds of problems have names in capitals.
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2].isupper():
                told = [keyword.value for keyword in node.keywords]
            # Those of the kernel are for whoever writes code.
            if "chengxin/auth" not in str(path) and isinstance(node, ast.FunctionDef) and node.name.endswith("_fault"):
                told = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            for value in told:
                parts = value.values if isinstance(value, ast.JoinedStr) else [value]
                text = "".join(p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str))
                if " " in text.strip() and text.isascii():
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {text}"


def test_no_problem_is_told_in_english_alone() -> None:
    assert list(english_alone()) == []


def test_no_problem_is_told_in_both_languages_at_once() -> None:
    assert list(both_in_one()) == []


def test_each_state_has_a_word_of_its_own() -> None:
    proposal = PROPOSAL_DECIDED(state="approved", state_zh=STATE_ZH["approved"])
    assert proposal.text("zh-CN") == "提案已获批准，请重新提出"
    assert proposal.text("en").startswith("The proposal is approved already")
    draft = Draft("draft_1", CONTENT, NOW, NOW)
    with pytest.raises(Problem) as refused:
        draft.reviewed(ReviewDecision.APPROVE, "同意", "officer:second", NOW, 1)
    assert not any(state.value in refused.value.text("zh-CN") for state in DraftState)


def test_each_text_has_its_own_words() -> None:
    problem = WRONG(what=InBoth("缺少甲", "A is missing"), given="a / b")
    assert problem.text("zh-CN") == "有误：缺少甲（a / b）"
    assert problem.text("en") == "Wrong: A is missing (a / b)"
    assert problem.to_dict("en", "req")["params"] == {"what": "缺少甲 / A is missing", "given": "a / b"}
    texts = [detail.value for detail in problem.to_rpc("en", "req").details]
    assert any("有误：缺少甲（".encode() in text for text in texts)
    assert any(b"Wrong: A is missing (" in text for text in texts)


def test_words_that_a_caller_makes_long_are_cut() -> None:
    problem = WRONG(what=InBoth("甲" * 5000, "A" * 5000), given="")
    assert max(len(problem.text(language)) for language in ("zh-CN", "en")) < 250
    assert len(problem.to_rpc("zh-CN", "req").SerializeToString()) < 7000
