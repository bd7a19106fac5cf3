"""`tools/check_regulation.py` names the row that is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

check_regulation = tool("check_regulation")

GOOD = "| {n} | something | done | `services/a.py:publish`, `proto/a.proto:Submit` | `tests/t.py::test_it` |\n"
HEAD = "# The regulation\n\n| Art. | Obligation | State | Code | Tests |\n|---|---|---|---|---|\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "services/a.py": "class Room:\n    def save(self): ...\n\nLIMIT: int = 3\ndef publish(): ...\n",
        "proto/a.proto": "service S {\n  rpc Submit(A) returns (B);\n}\nmessage Entry {}\n",
        "tests/t.py": "def test_it(): ...\nclass TestMore:\n    def test_that(self): ...\n",
        "docs/regulation.md": HEAD + "".join(GOOD.format(n=n) for n in range(2, 34)),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _faults(tree: Path, row: str, n: int = 9) -> list[str]:
    table = tree / "docs/regulation.md"
    table.write_text(table.read_text().replace(GOOD.format(n=n), row + "\n"))
    return list(check_regulation.faults(tree))


def test_a_sound_table_passes(tree: Path) -> None:
    assert check_regulation.faults(tree) == []
    more = "| 9 | x | thin | `services/a.py:Room.save`, `services/a.py:LIMIT`, `services` | `tests/t.py::TestMore.test_that` |"
    assert _faults(tree, more) == []


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("", "no row for Art. 9"),
        ("| 9 | x | done | `services/b.py` | `tests/t.py::test_it` |", "row Art. 9: there is no services/b.py"),
        (
            "| 9 | x | done | `services/a.py:retire` | `tests/t.py::test_it` |",
            "row Art. 9: services/a.py has no retire",
        ),
        (
            "| 9 | x | done | `proto/a.proto:Revoke` | `tests/t.py::test_it` |",
            "row Art. 9: proto/a.proto has no Revoke",
        ),
        (
            "| 9 | x | done | `services/a.py` | `tests/t.py::test_gone` |",
            "row Art. 9: tests/t.py has no test test_gone",
        ),
        ("| 9 | x | done | `services/a.py` | `tests/u.py::test_it` |", "row Art. 9: there is no test file tests/u.py"),
        ("| 9 | x | done | `services/a.py` | `tests/t.py` |", "row Art. 9: tests/t.py names no test"),
        ("| 9 | x | done | `services/a.py` | |", "row Art. 9: it is done, but names no tests"),
        ("| 9 | x | thin | | `tests/t.py::test_it` |", "row Art. 9: it is thin, but names no code"),
        (
            "| 9 | x | ready | `services/a.py` | `tests/t.py::test_it` |",
            "row Art. 9: the state is 'ready', not one of done, thin, not yet",
        ),
    ],
)
def test_a_planted_fault_is_named(tree: Path, row: str, fault: str) -> None:
    assert _faults(tree, row) == [fault]


def test_what_is_not_yet_may_be_empty_and_rows_may_share_articles(tree: Path) -> None:
    assert _faults(tree, "| 9, 10 | x | not yet | | |") == []


def test_the_program_fails_with_the_fault(tree: Path) -> None:
    _faults(tree, "")
    command = [sys.executable, str(ROOT / "tools/check_regulation.py"), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "no row for Art. 9\n")


def test_the_table_of_this_repository_is_right() -> None:
    assert check_regulation.faults(ROOT) == []
