"""The import rules in pyproject.toml: each fails on a planted fault."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT

PACKAGES = ("chengxin", "services", "gateway", "demo")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=lambda d, names: _not_code(Path(d), names))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def _not_code(directory: Path, names: list[str]) -> list[str]:
    return [n for n in names if n == "__pycache__" or not (n.endswith(".py") or (directory / n).is_dir())]


def _lint(tree: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def test_the_rules_hold(tree: Path) -> None:
    done = _lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("chengxin/ids.py", "import services.catalog.model", "chengxin imports no service"),
        ("services/catalog/model.py", "import services.ingest.model", "Services know neither each other"),
        ("services/catalog/room.py", "import gateway.model", "Services know neither each other"),
        ("services/catalog/model.py", "import services.catalog.store", "Inside a service"),
        ("services/catalog/store.py", "import services.catalog.drafts", "Inside a service"),
        ("services/catalog/drafts.py", "import services.catalog.web", "Nothing is built on a face"),
        ("services/catalog/model.py", "import pymongo", "Models know no framework"),
        ("services/catalog/web.py", "import mongoengine", "Faces do not talk to the store's engine"),
        ("services/catalog/store.py", "import flask", "Stores know no face's framework"),
        ("services/catalog/sheets.py", "import chengxin.tabular.reader.xlsx_file", "Files from outside are parsed by"),
        ("chengxin/tabular/reader/csv_file.py", "import chengxin.errors", "A reader knows nothing of services"),
    ],
)
def test_a_forbidden_import_is_named(tree: Path, file: str, line: str, broken: str) -> None:
    kept = (tree / file).read_text()
    (tree / file).write_text(f"{kept}\n{line}\n")
    try:
        done = _lint(tree)
    finally:
        (tree / file).write_text(kept)
    assert done.returncode == 1
    assert [text for text in done.stdout.splitlines() if text.startswith(broken) and text.endswith("BROKEN")]
