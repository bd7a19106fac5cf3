"""`tools/list_errors.py` writes every error code, and notices when the document is not what it would write."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.loading import ROOT


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    # A process of its own: which part a code belongs to is told by what has not been imported before.
    command = [sys.executable, str(ROOT / "tools/list_errors.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("errors") / "errors.md"
    assert _run(str(file)).returncode == 0
    return file.read_text()


def test_it_writes_the_codes_of_every_part(written: str) -> None:
    parts = dict(part.split("\n", 1) for part in written.split("\n## ")[1:])
    for title, code in {
        "Everywhere": "AUDIT_UNAVAILABLE",
        "Gateway": "SIGN_IN_LOCKED",
        "Catalog": "DRAFT_PUBLISHED",
        "Ingest": "RECORD_REVOKED",
    }.items():
        assert f"| `{code}` |" in parts[title]


@pytest.mark.parametrize("change", [lambda t: t, lambda t: t.replace("AUDIT_UNAVAILABLE", "AUDIT_AWAY"), None])
def test_a_stale_or_missing_document_fails_the_check(written: str, tmp_path: Path, change: object) -> None:
    file = tmp_path / "errors.md"
    if callable(change):
        file.write_text(change(written))
    done = _run("--check", str(file))
    stale = not file.exists() or file.read_text() != written
    assert (done.returncode, done.stderr) == ((1, "errors.md is stale: run make docs\n") if stale else (0, ""))
