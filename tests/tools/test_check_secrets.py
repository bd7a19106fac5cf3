"""`tools/check_secrets.py` finds what is planted, and only that."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from stdnum.cn import ric, uscc

from demo.identifiers import demo_identity_number, demo_uscc
from tests.support import Issuer
from tests.tools.loading import ROOT, tool

check_secrets = tool("check_secrets")


def _pem() -> str:
    key = Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _identity_number(born: str) -> str:
    digits = f"440106{born}123"
    return digits + str(ric.calc_check_digit(digits + "0"))


def _uscc(region: str) -> str:
    digits = f"91{region}MA5D6F7G8"
    return digits + str(uscc.calc_check_digit(digits))


# The planted secrets, composed here so that this file contains none.
PLANTED = {
    "private key": _pem,
    "token": lambda: Issuer().token("public"),
    "password": lambda: 'db_password = "' + "correct-horse-battery" + '"',
    "password in a URI": lambda: "mongodb://root:" + "hunter2hunter2@store/",
    "identity number": lambda: _identity_number("19870314"),
    "unified social credit code": lambda: _uscc("440106"),
    "path of one machine": lambda: "open('" + "/ro" + "ot/data.csv')",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_it_finds(kind: str) -> None:
    found = list(check_secrets.findings_in("x.py", "first line\n" + PLANTED[kind]() + "\n"))
    assert [(f.kind, f.line) for f in found] == [(kind, 2)]


def test_it_does_not_print_what_it_finds() -> None:
    number = _identity_number("19870314")
    [found] = check_secrets.findings_in("x.py", number)
    assert number not in str(found)
    assert "x.py:1: identity number" in str(found)


@pytest.mark.parametrize(
    "harmless",
    [
        demo_uscc("91", 21, "MA"),
        demo_identity_number(date(1890, 1, 1), 1),
        _identity_number("19870314")[:-1] + ("0" if _identity_number("19870314")[-1] != "0" else "1"),
        _uscc("990106"),
        "password: str = field(repr=False)",
        'f"mongodb://{account}:{password}@{host}"',
        "https://example.gov.cn/home/page/1",
    ],
)
def test_it_leaves_alone(harmless: str) -> None:
    assert list(check_secrets.findings_in("x.py", harmless)) == []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "a.md").write_text("nothing\n")
    (tmp_path / "b.py").write_text(PLANTED["password"]())
    subprocess.run(["git", "add", "a.md", "b.py"], cwd=tmp_path, check=True)
    (tmp_path / "untracked.py").write_text(PLANTED["password"]())
    return tmp_path


def _run(directory: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "tools/check_secrets.py"), str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_tracked_secret_fails_the_check_and_an_untracked_one_does_not(clone: Path) -> None:
    lines = check_secrets.check(clone, ())
    assert [line.split(": ")[:2] for line in lines] == [["b.py:1", "password"]]
    done = _run(clone)
    assert done.returncode == 1
    assert "b.py:1: password" in done.stdout


def test_an_allowance_covers_one_finding_and_is_reported_when_nothing_needs_it(clone: Path) -> None:
    planted = "correct-horse-" + "battery"
    allowed = check_secrets.Allowed("b.py", "password", planted, "an example")
    assert check_secrets.check(clone, (allowed,)) == []
    (clone / "b.py").write_text("")
    assert check_secrets.check(clone, (allowed,)) == ["b.py: nothing needs the allowance for password (an example)"]


def test_every_allowance_says_why() -> None:
    assert all(len(a.reason) > 10 for a in check_secrets.ALLOWED)
