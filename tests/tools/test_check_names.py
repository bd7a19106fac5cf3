"""`tools/check_names.py` names every class name that stands for two things."""

import subprocess
from pathlib import Path

import pytest

from tests.tools.loading import ROOT, tool

check_names = tool("check_names")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, text in {
        "services/a.py": "class Case: ...\nclass Step: ...\n",
        "tests/test_a.py": "class FakeStep: ...\n",
        "chengxin_api/a_pb2.py": "class Case: ...\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_different_names_and_generated_ones_pass(tree: Path) -> None:
    assert check_names.duplicates(tree) == []


@pytest.mark.parametrize("text", ["class Step: ...\n", "class Other:\n    class Step: ...\n"])
def test_a_second_class_of_a_name_is_told_with_its_place(tree: Path, text: str) -> None:
    (tree / "tests/test_b.py").write_text(text)
    assert check_names.duplicates(tree) == ["class Step: services/a.py, tests/test_b.py"]


def test_this_repository_has_one_class_for_each_name() -> None:
    assert check_names.duplicates(ROOT) == []
