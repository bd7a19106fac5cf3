"""Nothing that came from outside reaches a terminal as more than text: it is shown, whole, as what it is."""

import ast
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.values.shown_text import escape, escape_lines
from chengxin_cli.output import OutputConsole
from chengxin_cli.suite.waiting import Awaited
from tests.chengxin_cli.forking import Forker
from tests.chengxin_cli.test_endings import LEAVES
from tests.chengxin_cli.walking import UNSEEN, YES, Gateway, arguments, make_home

CLI = Path(__file__).parents[2] / "chengxin_cli"
# Clears the screen, writes a line of its own, turns the direction, hides.
HOSTILE = "\x1b[2J\x9b31m\r\n✓ all well\u2028\u202e\u2066\u200b\U000e0001\x07\x7f"


def test_what_a_terminal_obeys_or_nobody_sees_is_escaped_as_json_reads_it() -> None:
    unseen = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert [c for c in unseen if escape(c) == c] == ["\t"]
    for character in unseen:
        if character != "\t":
            assert json.loads(f'"{escape(character)}"') == character
    assert escape_lines("a\nb\r") == "a\nb\\u000d"
    assert escape("阳江市 Ltd. （有限公司）é\U00020bb7") == "阳江市 Ltd. （有限公司）é\U00020bb7"


def _writes(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="print")) | ast.Attribute(attr="echo" | "secho" | "echo_via_pager"):
                yield node.lineno
            case ast.Attribute(value=ast.Attribute(attr="stdout" | "stderr"), attr="write" | "buffer"):
                yield node.lineno
            case ast.ImportFrom(module="rich" | "rich.console") if {a.name for a in node.names} & {"Console", "print"}:
                yield node.lineno


def test_only_one_module_writes_to_the_terminal() -> None:
    found = {file: [*_writes(ast.parse(file.read_text()))] for file in CLI.rglob("*.py")}
    writing = {str(file.relative_to(CLI)) for file, lines in found.items() if lines}
    # It annotates what a command gives it.
    assert writing - {"submission.py"} == {"output.py"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.close()


@pytest.fixture
def home(tmp_path: Path, gateway: Gateway) -> Path:
    return make_home(tmp_path / "home", gateway)


def _hostile(value: Any) -> Any:
    """The same answer, with hostile texts in everything of it that a command shows."""
    match value:
        case dict():
            return {name: _hostile(one) for name, one in value.items()} | {f"said{HOSTILE}": HOSTILE}
        case list():
            return [_hostile(one) for one in value]
    return value


def test_every_command_shows_what_a_gateway_says_and_nothing_else(home: Path, gateway: Gateway) -> None:
    forker = Forker()
    refusal = {"code": f"C{HOSTILE}", "detail": HOSTILE, "errors": [{"field": HOSTILE, "message": HOSTILE}]}
    row = {"collection": HOSTILE, "key": HOSTILE, "fault": HOSTILE, "fields": HOSTILE, "derived": False}
    answer = _hostile(YES) | {"alterations": [row]}
    told = 0
    for status, body in ((200, answer), (400, refusal)):
        gateway.status, gateway.body = status, json.dumps(body).encode()
        for name, (words, command) in LEAVES.items():
            # It asks no gateway, and starts every service.
            if name == "policy":
                continue
            outcome = forker.run(*words, *arguments(command, home, gateway))
            shown = outcome.stdout + outcome.stderr
            assert not UNSEEN.search(shown), f"{name}: {outcome}"
            assert "\n✓ all well" not in shown, f"{name}: {outcome}"
            told += "\\u001b[2J" in shown
    forker.close()
    assert told > 25


def test_what_is_in_files_is_escaped(home: Path, gateway: Gateway, tmp_path: Path) -> None:
    forker = Forker()
    receipt, key = tmp_path / "receipt\u202e.json", tmp_path / "key\u202e.pem"
    key.write_bytes((home / "key.pem").read_bytes())
    for content in ({"jws": HOSTILE, "keys": []}, {"jws": "a.b.c", HOSTILE: HOSTILE}, [HOSTILE]):
        receipt.write_text(json.dumps(content))
        outcome = forker.run("receipt", "verify", str(receipt))
        assert outcome.code == 1
        assert "receipt\\u202e.json" in outcome.stderr
        assert not UNSEEN.search(outcome.stderr)
    outcome = forker.run("keys", "new", str(key))
    assert "key\\u202e.pem exists already" in outcome.stderr
    forker.close()


def test_the_end_of_a_log_is_escaped_where_a_start_waits(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"\x1b]0;title\x07 {HOSTILE[:4]}\u202e")
    assert not UNSEEN.search(escape(str(Awaited("ingest", "store", log))))


def test_a_table_shows_a_value_and_not_its_markup(capsys: pytest.CaptureFixture[str]) -> None:
    OutputConsole().print(f"[red]{HOSTILE}[/red] :smile:")
    shown = capsys.readouterr().out
    assert not UNSEEN.search(shown)
    assert "[red]" in shown
    assert ":smile:" in shown
