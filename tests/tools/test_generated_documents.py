"""The tools that write documents from the code: they name everything, and notice when a document is stale."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from chengxin.values.acts import Act
from tests.tools.loading import ROOT, tool

TOOLS = ("list_errors", "list_acts", "list_bounds")


def _run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    # A process of its own: which part a code belongs to is told by what has not been imported before.
    command = [sys.executable, str(ROOT / f"tools/{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("documents")
    for name in TOOLS:
        done = _run(name, str(directory / name))
        assert done.returncode == 0, done.stderr
    return {name: (directory / name).read_text() for name in TOOLS}


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


@pytest.mark.parametrize("name", TOOLS)
def test_no_line_is_too_long_to_be_read(written: dict[str, str], name: str) -> None:
    assert max(map(len, written[name].splitlines())) <= 120


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_tool_writes_is_what_its_check_asks_for(written: dict[str, str], tmp_path: Path, name: str) -> None:
    file = tmp_path / "document.md"
    file.write_text(written[name].replace("the", "teh"))
    done = _run(name, "--check", str(file))
    assert (done.returncode, done.stderr) == (1, "document.md is stale: run make docs\n")


@pytest.mark.parametrize(("kept", "stale"), [("as it is made", False), ("as it was made", True), (None, True)])
def test_a_stale_or_missing_document_fails_the_check(tmp_path: Path, kept: str | None, stale: bool) -> None:
    file = tmp_path / "document.md"
    if kept is not None:
        file.write_text(kept)
    with pytest.raises(SystemExit) if stale else contextlib.nullcontext() as told:
        tool("generated_documents").write_or_compare(["--check"], file, lambda: "as it is made")
    assert not stale or (told and told.value.code == "document.md is stale: run make docs")
