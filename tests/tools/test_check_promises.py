"""`tools/check_promises.py` names what a document promises without a test."""

import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

sys.modules.setdefault("check_regulation", tool("check_regulation"))
check_promises = tool("check_promises")
TEXT = "# A\n\nIt counts:\n\n- one,\n  two\n- three\n\n| a | b |\n|---|---|\n| c | d |\n\n```\nmake\n```\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository whose three documents are linked."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("def test_it(): ...\n")
    for document in check_promises.DOCUMENTS:
        (tmp_path / document).write_text(TEXT)
    link(tmp_path)
    return tmp_path


def link(tree: Path, link_to: str = 'tests = ["tests/test_a.py::test_it"]') -> None:
    lines = [
        block.line
        for document in check_promises.DOCUMENTS
        for block in check_promises.blocks(document, (tree / document).read_text())
    ]
    (tree / check_promises.PROMISES).write_text(f"[[promise]]\n{link_to}\nblocks = {lines}\n")


def test_what_is_linked_passes(tree: Path) -> None:
    assert check_promises.faults(tree) == []
    texts = [block.text for block in check_promises.blocks("x", TEXT)]
    assert texts == ["It counts:", "- one, two", "- three", "| a | b |", "| c | d |", " make"]


@pytest.mark.parametrize("added", ["\nA promise.\n", "- four\n", "| e | f |\n"])
def test_a_new_promise_is_named(tree: Path, added: str) -> None:
    (tree / "README.md").write_text(TEXT + added)
    [fault] = check_promises.faults(tree)
    assert added.strip() in fault
    assert "link it to its tests" in fault


def test_a_changed_promise_is_named(tree: Path) -> None:
    (tree / "README.md").write_text(TEXT.replace("three", "four"))
    assert len(check_promises.faults(tree)) == 2


@pytest.mark.parametrize(
    ("link_to", "fault"),
    [
        ('tests = ["tests/test_a.py::test_gone"]', "tests/test_a.py has no test test_gone"),
        ("tests = []", "has either tests or none"),
        ('tests = ["tests/test_a.py::test_it"]\nnone = "why"', "has either tests or none"),
    ],
)
def test_a_link_that_leads_to_no_test_is_named(tree: Path, link_to: str, fault: str) -> None:
    link(tree, link_to)
    assert [fault in line for line in check_promises.faults(tree)] == [True]


def test_the_promises_of_this_repository_are_linked() -> None:
    assert check_promises.faults(ROOT) == []
