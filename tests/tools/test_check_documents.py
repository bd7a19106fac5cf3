"""`tools/check_documents.py` names lines that are too long, and what documents name and is not there."""

import subprocess
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

check_documents = tool("check_documents")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, text in {
        "services/a.py": "",
        "docs/b.md": "see [it](c.md#part), `services/a.py` and https://example.org/docs/gone.md\n",
        "docs/c.md": "字" * 120 + "\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_sound_documents_pass(tree: Path) -> None:
    assert list(check_documents.faults(tree)) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x" * 121, "docs/d.md:1: 121 characters, more than 120"),
        ("in `services/b.py`", "docs/d.md:1: there is no services/b.py"),
        ("see [it](gone.md)", "docs/d.md:1: the link gone.md leads nowhere"),
    ],
)
def test_a_planted_fault_is_named(tree: Path, line: str, fault: str) -> None:
    (tree / "docs/d.md").write_text(line + "\n")
    assert list(check_documents.faults(tree)) == [fault]


def test_the_documents_of_this_repository_are_right() -> None:
    assert list(check_documents.faults(ROOT)) == []
