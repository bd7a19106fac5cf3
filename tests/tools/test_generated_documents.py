"""The tools that write documents from the code: they name everything, and notice when a document is stale."""

import subprocess
import sys
from pathlib import Path

import pytest

from chengxin.values.acts import Act
from tests.tools.loading import ROOT

TOOLS = ("list_errors", "list_acts")


def _run(tool: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # A process of its own: which part a code belongs to is told by what has not been imported before.
    command = [sys.executable, str(ROOT / f"tools/{tool}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("documents")
    for tool in TOOLS:
        done = _run(tool, str(directory / tool))
        assert done.returncode == 0, done.stderr
    return {tool: (directory / tool).read_text() for tool in TOOLS}


def test_the_codes_of_every_part_are_written(written: dict[str, str]) -> None:
    parts = dict(part.split("\n", 1) for part in written["list_errors"].split("\n## ")[1:])
    for title, code in {
        "Everywhere": "AUDIT_UNAVAILABLE",
        "Gateway": "SIGN_IN_LOCKED",
        "Catalog": "DRAFT_PUBLISHED",
        "Ingest": "RECORD_REVOKED",
        "Command line": "GATEWAY_UNREACHABLE",
    }.items():
        assert f"- `{code}` (" in parts[title]


@pytest.mark.parametrize("act", list(Act))
def test_every_act_is_written_once_in_both_languages(written: dict[str, str], act: Act) -> None:
    assert written["list_acts"].count(f"- `{act}`: ") == 1
    assert act.zh
    assert act.en


@pytest.mark.parametrize("tool", TOOLS)
def test_no_line_is_too_long_to_be_read(written: dict[str, str], tool: str) -> None:
    assert max(map(len, written[tool].splitlines())) <= 120


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("change", [lambda t: t, lambda t: t.replace("the", "teh"), None])
def test_a_stale_or_missing_document_fails_the_check(
    written: dict[str, str], tmp_path: Path, tool: str, change: object
) -> None:
    file = tmp_path / "document.md"
    if callable(change):
        file.write_text(change(written[tool]))
    done = _run(tool, "--check", str(file))
    stale = not file.exists() or file.read_text() != written[tool]
    assert (done.returncode, done.stderr) == ((1, "document.md is stale: run make docs\n") if stale else (0, ""))
