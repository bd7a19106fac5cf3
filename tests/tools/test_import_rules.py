"""The import rules in pyproject.toml: each fails on a planted fault."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT

PACKAGES = ("chengxin", "chengxin_api", "chengxin_cli", "services", "gateway", "demo")


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
    environment = os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "200"}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


# File, import planted in it, beginning of the contract that it breaks.
IMPORTS = (
    ("chengxin/values/ids.py", "import services.catalog.domain.entry", "The kernel knows no service"),
    ("chengxin/values/ids.py", "import chengxin.store.database", "The kernel's parts"),
    ("chengxin_api/audit/v1/__init__.py", "import chengxin.errors", "Generated stubs know nothing of ours"),
    ("chengxin_cli/suite/home.py", "import chengxin_cli.commands.up", "The command line's parts"),
    ("chengxin_cli/suite/home.py", "import gateway.context", "The command line and the demonstration"),
    ("gateway/context.py", "import demo.world", "Services know neither the command line"),
    ("services/catalog/domain/entry.py", "import services.ingest.domain.submission", "Services are strangers"),
    ("services/catalog/context.py", "import gateway.domain.separation_of_duties", "Services are strangers"),
    ("services/catalog/domain/entry.py", "import services.catalog.store.catalog", "Catalog's floors"),
    ("services/ingest/store/ingest_store.py", "import services.ingest.usecases.submit", "Ingest's floors"),
    ("services/disclosure/context.py", "import services.disclosure.usecases.consents", "Disclosure's floors"),
    ("services/objection/usecases/centre.py", "import services.objection.http.cases", "Objection's floors"),
    ("services/audit/log/appender.py", "import services.audit.context", "Audit's floors"),
    ("gateway/http/gateway.py", "import gateway.edge.routes", "The gateway's floors"),
    ("services/catalog/domain/entry.py", "import pymongo", "Domains do no I/O"),
    ("services/ingest/domain/receipt.py", "import time", "Domains do no I/O"),
    ("gateway/domain/separation_of_duties.py", "import chengxin.store.database", "Domains do no I/O"),
    ("services/catalog/http/entries.py", "import mongoengine", "Faces do not talk to the store's engine"),
    ("services/catalog/store/catalog.py", "import flask", "Below the faces nobody knows their frameworks"),
    ("services/catalog/usecases/drafts.py", "import grpc", "Below the faces nobody knows their frameworks"),
    ("services/catalog/domain/workbook.py", "import chengxin.tabular.reader.csv_file", "Files from outside"),
    ("chengxin/tabular/reader/csv_file.py", "import chengxin.errors", "A reader knows nothing of services"),
)
# A module outside of all layers, and the contract that it breaks.
ON_NO_FLOOR = (("services/ingest/helpers.py", "Ingest's floors"), ("chengxin/helpers.py", "The kernel's parts"))


def test_the_rules_hold(tree: Path) -> None:
    done = _lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def broken(tree: Path) -> dict[str, str]:
    """What is told of each broken contract when all of the imports are there: a look at the tree takes seconds."""
    kept = {tree / file: (tree / file).read_text() for file, _, _ in IMPORTS}
    for file, line, _ in IMPORTS:
        with (tree / file).open("a") as place:
            place.write(f"\n{line}\n")
    try:
        told = _lint(tree).stdout.partition("Broken contracts")[2]
    finally:
        for place, text in kept.items():
            place.write_text(text)
    # A title is underlined.
    parts = re.split(r"^(\S.*)\n-+$", told, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("file", "line", "contract"), IMPORTS)
def test_a_forbidden_import_is_named(broken: dict[str, str], file: str, line: str, contract: str) -> None:
    importer = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    [told] = [text for title, text in broken.items() if title.startswith(contract)]
    imported = line.removeprefix("import ")
    assert re.search(rf"{re.escape(importer)} -> {re.escape(imported)}\b", told), told


@pytest.mark.parametrize(("file", "contract"), ON_NO_FLOOR)
def test_a_module_on_no_floor_is_named(tree: Path, file: str, contract: str) -> None:
    place = tree / file
    place.touch()
    try:
        done = _lint(tree)
    finally:
        place.unlink()
    assert done.returncode == 1
    assert [text for text in done.stdout.splitlines() if text.startswith(contract) and text.endswith("BROKEN")]
