"""`tools/check_breaking` compares with the right commit, and fails when buf finds a break."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tools.loading import ROOT

BUF = ROOT / "node_modules/.bin/buf"
PROTO = """syntax = "proto3";

package city.v1;

message Record {{
{fields}
}}
"""
NAME, CODE = "  string name = 1;", "  string code = 2;"


class Clone:
    """A repository with a proto and the tool."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools/check_breaking", path / "tools")
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        names = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *names, *arguments], cwd=self.path, check=True, capture_output=True)

    def commit(self, *fields: str, tag: str = "") -> None:
        proto = self.path / "proto/city/v1/city.proto"
        proto.parent.mkdir(parents=True, exist_ok=True)
        proto.write_text(PROTO.format(fields="\n".join(fields)))
        self.git("add", "proto")
        self.git("commit", "-qm", "x", "--allow-empty")
        if tag:
            self.git("tag", tag)

    def check(self, buf: Path) -> "subprocess.CompletedProcess[str]":
        command = [str(self.path / "tools/check_breaking"), str(buf)]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


@pytest.fixture(params=["diff", "buf"])
def buf(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The real buf where npm has installed it; and a fake one that finds every difference breaking, to see what is
    compared."""
    if request.param == "buf":
        if not BUF.exists():
            pytest.skip("buf is not installed; `make check` installs it with npm")
        return BUF
    differ = tmp_path / "differ"
    differ.write_text('#!/bin/sh\n[ "$1" = breaking ] && [ "$3" = --against ] && exec diff -r "$2" "$4"\nexit 2\n')
    differ.chmod(0o755)
    return differ


def test_a_removed_field_fails(clone: Clone, buf: Path) -> None:
    clone.commit(NAME, CODE)
    clone.commit(NAME)
    assert clone.check(buf).returncode != 0


def test_the_same_contract_passes(clone: Clone, buf: Path) -> None:
    clone.commit(NAME)
    clone.commit(NAME)
    done = clone.check(buf)
    assert done.returncode == 0, done.stderr
    assert "compatible" in done.stdout


def test_it_compares_with_the_last_release(clone: Clone, buf: Path) -> None:
    clone.commit(NAME, CODE, tag="v1.0.0")
    clone.commit(NAME)
    # Against the commit before, this would be compatible.
    clone.commit(NAME)
    assert clone.check(buf).returncode != 0


def test_a_release_is_compared_with_the_one_before_it(clone: Clone, buf: Path) -> None:
    clone.commit(NAME, CODE, tag="v1.0.0")
    clone.commit(NAME, tag="v2.0.0")
    assert clone.check(buf).returncode != 0


@pytest.mark.parametrize("shallow", [True, False])
def test_without_anything_to_compare_with_it_says_so_and_passes(
    clone: Clone, tmp_path: Path, shallow: bool, buf: Path
) -> None:
    clone.commit(NAME)
    if shallow:
        clone.commit(NAME)
        clone.git("add", "tools")
        clone.git("commit", "-qm", "tools")
        where = tmp_path / "shallow"
        subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{clone.path}", str(where)], check=True)
        clone.path = where
    done = clone.check(buf)
    assert done.returncode == 0, done.stderr
    assert "nothing checked" in done.stdout
