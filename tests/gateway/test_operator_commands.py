"""What an operator does at the command line, against a running gateway."""

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyotp
import pytest
from click.testing import CliRunner, Result

from chengxin.auth.access_tokens import load_private_key
from chengxin.values.ids import new_id
from chengxin_cli import main
from demo.identifiers import demo_identity_number
from tests.gateway.conftest import PASSWORD, RunningGateway


class Shell:
    """A shell with a home directory of its own."""

    def __init__(self, gate: RunningGateway, home: Path) -> None:
        self.gate = gate
        self.home = home
        self.runner = CliRunner(env={"CHENGXIN_HOME": str(home), "CHENGXIN_URL": gate.issuer})

    def run(self, *arguments: object, fails: bool = False, **more: Any) -> Result:
        done = self.runner.invoke(main, [str(a) for a in arguments], **more)
        assert (done.exit_code != 0) == fails, done.output
        return done

    def told(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments).stdout)

    def sign_in(self, username: str, password: str = PASSWORD, secret: str = "", **more: str) -> None:
        """Signs in with the first code that is not used up."""
        found = secret or next(o["totp_secret"] for o in self.gate.accounts["officers"] if o["username"] == username)
        (self.home / "password").write_text(password)
        options = [o for name, value in more.items() for o in (f"--{name.replace('_', '-')}", value)]
        for step in (-1, 0, 1):
            code = pyotp.TOTP(found).at(int(time.time()) + 30 * step)
            arguments = ["officer", "sign-in", username, "--password-file", self.home / "password", "--totp", code]
            done = self.runner.invoke(main, [str(a) for a in [*arguments, *options]])
            if done.exit_code == 0:
                return
        raise AssertionError(done.output)


@pytest.fixture
def shell(gate: RunningGateway, tmp_path: Path) -> Shell:
    return Shell(gate, tmp_path)


def test_a_client_from_registration_to_suspension(gate: RunningGateway, shell: Shell, tmp_path: Path) -> None:
    client_id = new_id("c")
    key = tmp_path / "client.pem"
    (tmp_path / "client.jwk").write_text(shell.run("keys", "new", key).stdout)
    shell.sign_in("clerk")
    refused = shell.run("client", "register", client_id, "--name", "x", fails=True)
    assert "--org" in refused.output
    registered = ["--name", "某局", "--org", "11000000MB0000019X", "--region", "441702", "--responsible", "G1702-01"]
    shell.run("client", "register", client_id, *registered, "--key", tmp_path / "client.jwk")
    grants = ["--role", "agency", "--purpose", "qualification_review=协议〔2026〕9号"]
    proposal = shell.told("client", "grant", client_id, *grants)
    assert proposal["state"] == "open"
    shell.run("officer", "approve", proposal["proposal_id"], fails=True)
    shell.sign_in("deputy")
    waiting = shell.run("officer", "proposals").stdout
    assert proposal["proposal_id"] in waiting
    assert shell.told("officer", "approve", proposal["proposal_id"])["state"] == "approved"
    gate.keys[client_id] = load_private_key(key)
    assert gate.ask(gate.assertion(client_id), purpose="qualification_review").status == 200

    # Rotation, by the clerk, who is still signed in.
    (tmp_path / "next.jwk").write_text(shell.run("keys", "new", tmp_path / "next.pem").stdout)
    rotated = ["--key", tmp_path / "next.jwk", "--overlap-hours", 24]
    proposal = shell.told("client", "add-key", client_id, *rotated, "--as", "clerk")
    shell.run("officer", "approve", proposal["proposal_id"])
    keys = shell.told("client", "show", client_id)["keys"]
    assert ["exp" in k for k in keys] == [True, False]
    shell.run("client", "retire-key", client_id, keys[0]["kid"])
    assert shell.told("client", "suspend", client_id)["suspended"] is True
    proposal = shell.told("client", "resume", client_id)
    shell.sign_in("inspector")
    shell.run("officer", "approve", proposal["proposal_id"])
    assert shell.told("client", "show", client_id)["suspended"] is False
    assert client_id in shell.run("client", "list").stdout
    assert shell.told("client", "show", client_id)["roles"] == ["agency"]


def test_an_officer_from_account_to_suspension(gate: RunningGateway, shell: Shell, tmp_path: Path) -> None:
    username = new_id("o")
    shell.sign_in("deputy", **{})
    account = ["--name", "钱某", "--org", "11000000MB0000019X", "--region", "441700"]
    made = shell.told("officer", "create", username, *account)
    proposal = shell.told("officer", "roles", username, "centre")
    shell.sign_in("inspector")
    (tmp_path / "new").write_text("a password of her own")
    (tmp_path / "password").write_text(made["password"])
    chosen = ["--password-file", tmp_path / "password", "--new-password-file", tmp_path / "new"]
    code = pyotp.TOTP(made["totp_secret"]).at(int(time.time()))
    waits = shell.run("officer", "sign-in", username, *chosen, "--totp", code, fails=True)
    assert "ACCOUNT_NOT_APPROVED" in waits.output
    shell.run("officer", "approve", proposal["proposal_id"], "--as", "inspector")
    shell.sign_in(username, "a password of her own", made["totp_secret"])
    assert len(shell.told("officer", "show", username, "--as", "inspector")["sessions"]) == 1
    shell.run("officer", "sign-out", "--as", username)
    assert shell.told("officer", "show", username, "--as", "inspector")["sessions"] == []
    for act in ("suspend", "resume", "unlock", "end-sessions"):
        shell.run("officer", act, username, "--as", "deputy")
    reset = shell.told("officer", "reset", username, "--as", "deputy")
    assert reset["proposal"]["state"] == "open"
    # Until its holder has chosen a password it cannot be given back.
    refused = shell.run("officer", "approve", reset["proposal"]["proposal_id"], "--as", "inspector", fails=True)
    assert "PASSWORD_NOT_CHOSEN" in refused.output
    assert shell.told("officer", "show", username, "--as", "inspector")["awaits_approval"] is True
    assert username in shell.run("officer", "list", "--as", "deputy").stdout


def test_the_counter_and_representatives(gate: RunningGateway, shell: Shell) -> None:
    number = demo_identity_number(date(1899, 6, 1), 3)
    (shell.home / "number").write_text(number)
    given = ["--identity-number-file", shell.home / "number"]
    shell.sign_in("clerk")
    code = shell.told("officer", "counter-code", "--counter", "3", *given)["code"]
    uscc = "91000000MA0000218U"
    proposed = shell.told("officer", "represent", uscc, "--capacity", "legal_representative", *given)
    assert shell.told("officer", "representatives", uscc)["representations"] == []
    shell.sign_in("watcher")
    shell.run("officer", "approve", proposed["proposal_id"], "--as", "watcher")
    [recorded] = shell.told("officer", "representatives", uscc, "--as", "clerk")["representations"]
    body = {"identity_number": number, "code": code, "uscc": uscc}
    assert gate.edge.call("POST", "/v1/identity/counter/token", json=body).status == 200
    shell.run("officer", "end-representation", recorded["representation_id"], "--as", "clerk")
    asked = shell.run("officer", "counter-code", "--as", "clerk", input=f"{number}\n")
    assert "code" in asked.stdout


def test_signing_keys(gate: RunningGateway, shell: Shell) -> None:
    shell.sign_in("deputy")
    rotated = shell.told("keys", "rotate")
    assert rotated["kid"] in {k["kid"] for k in shell.told("keys", "list")["signing_keys"]}
    # Before it signed anything, so that the other tests' tokens stay good.
    shell.run("keys", "revoke", rotated["kid"], "--yes")
    assert rotated["kid"] not in {k["kid"] for k in shell.told("keys", "list")["signing_keys"]}


@pytest.mark.parametrize("act", [("keys", "revoke", "-2x", "--yes"), ("client", "retire-key", "credit_agency", "-2x")])
def test_a_kid_may_begin_with_a_hyphen(shell: Shell, act: tuple[str, ...]) -> None:
    shell.sign_in("deputy2" if act[0] == "client" else "clerk2")
    # It reaches the gateway, which knows no such key.
    assert "-2x" in shell.run(*act, fails=True).output


def test_key_files(shell: Shell, tmp_path: Path) -> None:
    made = shell.run("keys", "new", tmp_path / "k.pem").stdout
    assert shell.run("keys", "public", tmp_path / "k.pem").stdout == made
    assert (tmp_path / "k.pem").stat().st_mode & 0o077 == 0
    shell.run("keys", "new", tmp_path / "k.pem", fails=True)
    for _ in range(2):
        shell.run("keys", "field-ring", tmp_path / "ring.json")
    assert sorted(json.loads((tmp_path / "ring.json").read_text())) == ["1", "2"]
    shell.run("keys", "subject-key", tmp_path / "subject.key")
    shell.run("keys", "subject-key", tmp_path / "subject.key", fails=True)


def test_a_private_key_is_not_sent_anywhere(shell: Shell, tmp_path: Path) -> None:
    shell.run("keys", "new", tmp_path / "k.pem")
    shell.sign_in("clerk")
    refused = shell.run("client", "add-key", "credit_agency", "--key", tmp_path / "k.pem", fails=True)
    assert "private key" in refused.output


def test_who_is_not_signed_in_is_told_how(shell: Shell) -> None:
    assert "chengxin officer sign-in" in shell.run("client", "list", fails=True).output
    shell.run("client", "list", "--url", "http://127.0.0.1:1", fails=True)
