"""What fills the texts of problems is in both languages, and each text has its own words."""

import ast
from collections.abc import Iterator
from pathlib import Path

from chengxin.errors import InBoth, invalid

ROOT = Path(__file__).parents[2]
WRONG = invalid("TRIAL_WRONG", "有误：{what}（{given}）", "Wrong: {what} ({given})")


def english_alone() -> Iterator[str]:
    """Each place that fills a problem's text, or tells a fault, with an English sentence alone."""
    for path in (p for package in ("chengxin", "gateway", "services") for p in (ROOT / package).rglob("*.py")):
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
