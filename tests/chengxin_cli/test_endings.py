"""Every command ends in one clear line and with a documented exit code, whatever it is given and wherever it writes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from chengxin_cli import option_types
from chengxin_cli.ending import ExitCode
from chengxin_cli.input_files import FilePath
from tests.chengxin_cli.forking import Forker, Outcome
from tests.chengxin_cli.walking import UNSEEN, Gateway, arguments, leaves, make_home

ROOT = Path(__file__).parents[2]
LEAVES = {" ".join(words): (words, command) for words, command in leaves()}
# Each parameter once: an option that commands share is the same in all of them.
PARAMETERS = {
    (parameter.name, getattr(parameter, "help", name)): (words, command, parameter)
    for name, (words, command) in LEAVES.items()
    for parameter in command.params
    if not getattr(parameter, "is_flag", False)
}
ODD_TEXTS = ("", "..", "a/b?c#d", "a\nb", "\x1b[31m", "\udcff", "9" * 400, "名")


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    found = Forker()
    yield found
    found.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.close()


@pytest.fixture
def home(tmp_path: Path, gateway: Gateway) -> Path:
    return make_home(tmp_path / "home", gateway)


def odd_files(directory: Path) -> list[str]:
    contents = {
        "empty": b"",
        "blank": b"\r\n \r\n",
        "binary": bytes(range(256)),
        "list.json": b"[]",
        "object.json": b"{}",
        "deep.json": b"[" * 100_000,
        "cut.json": b'{"a"',
        "half.json": b'{"a": "\\ud800"}',
        "a" * 255: b"{}",
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    (directory / "folder").mkdir()
    (directory / "loop").symlink_to(directory / "loop")
    (directory / "fd").mkdir()
    names = [*contents, "missing", "folder", "loop", "empty/below", "line\nbreak", "no\udcfftext", "b" * 300]
    return [str(directory / name) for name in names] + ["/dev/zero", "/proc/self/mem", "/dev/null"]


def is_clear(outcome: Outcome) -> bool:
    """Whether it ended with a documented code that is no fault, and at most one line that tells of an error."""
    lines = [line for line in outcome.stderr.splitlines() if line.startswith(("Error:", "Done, but not all:"))]
    return (
        outcome.code in [*ExitCode]
        and outcome.code != ExitCode.FAULT
        and "Traceback" not in outcome.stderr + outcome.stdout
        and not UNSEEN.search(outcome.stdout + outcome.stderr)
        and "codec" not in outcome.stderr
        and len(lines) <= 1
        and bool(outcome.code == ExitCode.DONE or outcome.stderr or outcome.stdout)
    )


@pytest.mark.parametrize("all_values", [False, pytest.param(True, marks=pytest.mark.long)])
def test_every_parameter_takes_odd_values_with_one_clear_line(
    all_values: bool, forker: Forker, home: Path, gateway: Gateway, tmp_path: Path
) -> None:
    files = odd_files(tmp_path)
    unclear = []
    for number, (words, command, parameter) in enumerate(PARAMETERS.values()):
        values = files if isinstance(parameter.type, FilePath) else ODD_TEXTS
        for value in values if all_values else [values[number % len(values)]]:
            line = arguments(command, home, gateway, parameter, value)
            outcome = forker.run(*words, *line)
            if not is_clear(outcome):
                unclear.append(f"{words} {parameter.name}={value!r}: {outcome}")
    assert unclear == []


def test_files_are_looked_at_before_anybody_is_asked(
    forker: Forker, home: Path, gateway: Gateway, tmp_path: Path
) -> None:
    """Whatever waits, ends never, or is not what it should be, ends a command at once."""
    odd_files(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    given = [
        (words, command, parameter, name)
        for words, command in LEAVES.values()
        for parameter in command.params
        if isinstance(parameter.type, FilePath) and parameter.type.exists and parameter.type.file_okay
        for name in ("binary", "empty", "/proc/self/mem")
    ]
    given += [
        (words, command, parameter, name)
        for words, command, parameter in PARAMETERS.values()
        if isinstance(parameter.type, FilePath)
        for name in ("pipe", "/dev/zero", "binary" if parameter.type.dir_okay else "folder")
        if name != "binary" or not parameter.type.file_okay
    ]
    unclear = []
    for words, command, parameter, name in given:
        outcome = forker.run(*words, *arguments(command, home, gateway, parameter, str(tmp_path / name)))
        told = "the output cannot" in outcome.stderr
        if gateway.requests or told or not is_clear(outcome) or not outcome.code:
            unclear.append(f"{words} {parameter.name}={name}: {gateway.requests} {outcome}")
        gateway.requests.clear()
    assert len(given) > 40
    assert unclear == []


ADDRESSES = {
    "HTTP_ADDRESS": [
        *("", "127.0.0.1:8180", "localhost", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://a b"),
        *("http://a?x=1", "http://a#x", "http://u@a", "http://a/v1", "https:/a", "http:\\a", "http://[::1"),
    ],
    "GRPC_ADDRESS": [
        "",
        "127.0.0.1",
        "http://a:1",
        "a:1/x",
        "a:0",
        "a:x",
        "a:99999",
        "a:1?x",
        "u@a:1",
        "dns:a:1",
        "a b:1",
    ],
}
TYPES = {"http": "HTTP_ADDRESS", "url": "HTTP_ADDRESS", "grpc_address": "GRPC_ADDRESS"}


def test_every_address_is_looked_at_by_one_type() -> None:
    named = [p for _, command in LEAVES.values() for p in command.params if p.name in TYPES]
    assert len(named) > 30
    assert [p.name for p in named if p.type is not getattr(option_types, TYPES[str(p.name)])] == []


@pytest.mark.parametrize("kind", ADDRESSES)
def test_what_is_no_address_of_a_gateway_is_told_at_once(kind: str) -> None:
    for address in ADDRESSES[kind]:
        with pytest.raises(click.BadParameter):
            print(address, getattr(option_types, kind).convert(address, None, None))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "xn--a-ecp.example.cn", "gateway"])
def test_addresses_of_gateways_are_taken(host: str) -> None:
    assert option_types.GRPC_ADDRESS.convert(f"{host}:9090", None, None) == f"{host}:9090"
    for scheme in ("http", "https"):
        for port in ("", ":8080"):
            address = f"{scheme}://{host}{port}"
            assert option_types.HTTP_ADDRESS.convert(address, None, None) == address
            assert option_types.HTTP_ADDRESS.convert(f"{address}/", None, None) == address


def test_every_file_is_named_by_a_type_that_refuses_odd_names() -> None:
    paths = [p for _, command in LEAVES.values() for p in command.params if isinstance(p.type, click.Path)]
    assert paths
    assert [p.name for p in paths if not isinstance(p.type, FilePath)] == []


def test_what_was_done_is_told_when_the_output_cannot_be_written(forker: Forker, home: Path, gateway: Gateway) -> None:
    done = 0
    for name, (words, command) in LEAVES.items():
        # It asks no gateway, and starts every service.
        if name == "policy":
            continue
        gateway.changes.clear()
        outcome = forker.run(*words, *arguments(command, home, gateway), stdout="full")
        assert is_clear(outcome), f"{name}: {outcome}"
        if gateway.changes and "cannot be written" in outcome.stderr:
            done += 1
            assert outcome.code == ExitCode.DONE_UNSAVED, f"{name} changed {gateway.changes} and said {outcome}"
    assert done > 15


@pytest.mark.parametrize("stdout", ["closed", "broken"])
def test_an_output_that_nobody_reads_is_an_error_in_one_line(
    stdout: str, forker: Forker, home: Path, gateway: Gateway
) -> None:
    for words in (["--help"], ["--version"], ["officer", "--help"], ["keys", "public", str(home / "key.pem")]):
        outcome = forker.run(*words, stdout=stdout)
        assert (outcome.code, outcome.stderr.count("the output cannot be written")) == (1, 1), outcome
    made = forker.run("keys", "new", str(home / "made.pem"), stdout=stdout)
    assert (made.code, made.stderr.startswith("Done, but not all: the key is in")) == (4, True)


def test_without_anybody_to_tell_the_code_still_tells(home: Path) -> None:
    key = str(home / "key.pem")
    for arguments_, code in ((["keys", "new", key], 1), (["keys", "nothing"], 2), (["keys", "public", key], 0)):
        shell = f'exec "$0" -c "from chengxin_cli import main; main()" {" ".join(arguments_)} 2>&-'
        done = subprocess.run(["bash", "-c", shell, sys.executable], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        assert done.returncode == code, arguments_


def test_another_server_is_no_gateway(forker: Forker, home: Path, gateway: Gateway) -> None:
    chosen = ("officer list", "officer create", "audit verify", "submit", "record show", "witness", "status")
    for body, content_type in ((b"<html>", "text/html"), (b"[]", "application/json"), (b"{", "application/json")):
        gateway.body, gateway.content_type = body, content_type
        for name in chosen:
            words, command = LEAVES[name]
            outcome = forker.run(*words, *arguments(command, home, gateway))
            assert is_clear(outcome), f"{name} with {body!r}: {outcome}"


@pytest.mark.parametrize("name", ["suite.json", "officer-sessions.json", "demo/credentials.json"])
def test_what_a_suite_left_is_named_when_it_cannot_be_used(
    name: str, forker: Forker, home: Path, gateway: Gateway
) -> None:
    for content in (b"", b"{", b"[]", b'{"officers": 1, "http": 2, "x": 3}', b"\xff\xff"):
        (home / name).write_bytes(content)
        used = False
        for words in (["status"], ["officer", "list"], ["audit", "verify"]):
            outcome = forker.run(*words, "--home", str(home))
            assert is_clear(outcome), f"{words} with {name}: {content!r}: {outcome}"
            used |= str(home / name) in outcome.stderr
        assert used, f"{name} with {content!r} is not named"


@pytest.mark.parametrize("encoding", ["ascii", "gb18030", "latin-1"])
def test_a_terminal_of_another_encoding_takes_every_output(
    encoding: str, forker: Forker, home: Path, gateway: Gateway
) -> None:
    for name in ("record show", "quarantine list", "tour", "status"):
        words, command = LEAVES[name]
        outcome = forker.run(*words, *arguments(command, home, gateway), encoding=encoding)
        assert is_clear(outcome), f"{name}: {outcome}"
    assert forker.run("--help", encoding=encoding).code == 0


def test_without_home_and_without_a_name_a_user_is_told_what_to_set() -> None:
    if os.geteuid():
        pytest.skip("only root becomes a user without a name")
    code = (
        "import os, click; from chengxin_cli.suite.home import Home\n"
        "os.environ.pop('HOME', None); os.environ.pop('CHENGXIN_HOME', None); os.setuid(54321)\n"
        "try: Home.default()\nexcept click.ClickException as e: print(e.message)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert told.stdout.startswith("HOME is not set"), told


def test_the_exit_codes_are_documented() -> None:
    text = (ROOT / "docs" / "operations" / "commands.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == {*ExitCode}
