"""`tools/check_regulation.py` names the section that is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

check_regulation = tool("check_regulation")


def section(articles: object, state: str, code: str = "", tests: str = "") -> str:
    """A section of the document; code and tests separated by spaces."""
    told = f"## Art. {articles}: {state}\n\nSomething\n\n"
    for title, names in (("Code", code), ("Tests", tests)):
        if names:
            told += f"{title}:\n" + "".join(f"- `{name}`\n" for name in names.split()) + "\n"
    return told


def good(n: int) -> str:
    return section(n, "done", "services/a.py:publish proto/a.proto:Submit", "tests/t.py::test_it")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "services/a.py": "class Shop:\n    def save(self): ...\n\nLIMIT: int = 3\ndef publish(): ...\n",
        "proto/a.proto": "service S {\n  rpc Submit(A) returns (B);\n}\nmessage Entry {}\n",
        "tests/t.py": "def test_it(): ...\nclass TestMore:\n    def test_that(self): ...\n",
        "docs/regulation.md": "# The regulation\n\n" + "".join(good(n) for n in range(2, 34)),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _faults(tree: Path, told: str, n: int = 9) -> list[str]:
    document = tree / "docs/regulation.md"
    document.write_text(document.read_text().replace(good(n), told))
    return list(check_regulation.faults(tree))


def test_a_sound_document_passes(tree: Path) -> None:
    assert check_regulation.faults(tree) == []
    more = section(9, "thin", "services/a.py:Shop.save services/a.py:LIMIT services", "tests/t.py::TestMore.test_that")
    assert _faults(tree, more) == []


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ("", "no section for Art. 9"),
        (section(9, "done", "services/b.py", "tests/t.py::test_it"), "Art. 9: there is no services/b.py"),
        (section(9, "done", "services/a.py:retire", "tests/t.py::test_it"), "Art. 9: services/a.py has no retire"),
        (section(9, "done", "proto/a.proto:Revoke", "tests/t.py::test_it"), "Art. 9: proto/a.proto has no Revoke"),
        (section(9, "done", "services/a.py", "tests/t.py::test_gone"), "Art. 9: tests/t.py has no test test_gone"),
        (section(9, "done", "services/a.py", "tests/u.py::test_it"), "Art. 9: there is no test file tests/u.py"),
        (section(9, "done", "services/a.py", "tests/t.py"), "Art. 9: tests/t.py names no test"),
        (section(9, "done", "services/a.py"), "Art. 9: it is done, but names no tests"),
        (section(9, "thin", "", "tests/t.py::test_it"), "Art. 9: it is thin, but names no code"),
        (
            section(9, "ready", "services/a.py", "tests/t.py::test_it"),
            "Art. 9: the state is 'ready', not one of done, thin, not yet",
        ),
        (
            good(9).replace("Something", "Each mode shows its own items and nothing else.\n" * 2),
            "Art. 9: it says twice “Each mode shows its own items and”, as when two versions of a text were joined",
        ),
    ],
)
def test_a_planted_fault_is_named(tree: Path, told: str, fault: str) -> None:
    assert _faults(tree, told) == [fault]


def test_what_is_not_yet_may_name_nothing_and_sections_may_share_articles(tree: Path) -> None:
    assert _faults(tree, section("9, 10", "not yet")) == []


def test_the_program_fails_with_the_fault(tree: Path) -> None:
    _faults(tree, "")
    command = [sys.executable, str(ROOT / "tools/check_regulation.py"), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "no section for Art. 9\n")


def test_the_document_of_this_repository_is_right() -> None:
    assert check_regulation.faults(ROOT) == []
