"""Ctrl-C ends every command that waits, at once and in one clear line."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

from chengxin_cli.commands import COMMANDS
from chengxin_cli.suite.home import Home, make_private_key
from tests.support import until

PROGRAM = "from chengxin_cli import main; main(prog_name='chengxin')"
# What each command is asked to do here; the gateway takes its request and never answers.
OFFICER = ["--url", "{http}", "--home", "{home}"]
CLIENT = ["--client-id", "x", "--key", "{home}/key.pem", "--http", "{http}", "--grpc", "{address}"]
WAITING = {
    "status": ["--home", "{home}"],
    "quarantine": ["list", *OFFICER],
    "tour": ["--home", "{home}", "--http", "{http}", "--grpc", "{address}"],
    "submit": ["{home}/records.csv", "--catalog", "XZXK", *CLIENT],
    "record": ["show", "--catalog", "XZXK", "--item", "XK_WSH=1", *CLIENT],
    "audit": ["verify", "--http", "{http}", "--token-file", "{home}/token"],
    "witness": ["--http", "{http}", "--directory", "{home}/witness"],
    "client": ["list", *OFFICER],
    "disclosure": ["rebuild", *OFFICER],
    "subject": ["disagreements", *OFFICER],
    "officer": ["list", *OFFICER],
    "keys": ["list", *OFFICER],
}
ELSEWHERE = {
    "up": "tests/e2e/test_stops.py",
    "receipt": "asks nobody, and ends by itself",
    "policy": "asks no gateway, and ends by itself",
}


class SilentGateway:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.asked = threading.Event()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self._connections.append(connection)
            if connection.recv(1):
                self.asked.set()

    def close(self) -> None:
        self.listening.close()
        for connection in self._connections:
            connection.close()


@pytest.fixture
def gateway() -> Iterator[SilentGateway]:
    found = SilentGateway()
    yield found
    found.close()


@pytest.fixture
def home(tmp_path: Path, gateway: SilentGateway) -> Path:
    """A home that says that a suite runs, with an officer who has signed in, and files to deliver."""
    path = Home(tmp_path).path
    suite = {"http": f"http://{gateway.address}", "grpc": gateway.address, "supervisor": str(path / "none")}
    (path / "suite.json").write_text(json.dumps(suite))
    sessions = {"an": {"token": "x", "until": time.time() + 600}, "": {"username": "an"}}
    (path / "officer-sessions.json").write_text(json.dumps(sessions))
    (path / "demo").mkdir()
    officer = {"username": "authority", "password": "x", "totp_secret": pyotp.random_base32()}
    people = {"officers": {"authority": officer}, "citizens": {}, "clients": {}}
    (path / "demo" / "credentials.json").write_text(json.dumps(people))
    (path / "records.csv").write_text("许可文书号\n1\n")
    (path / "token").write_text("x")
    make_private_key(path / "key.pem")
    return path


def test_every_command_is_tried() -> None:
    assert COMMANDS.keys() == WAITING.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("name", WAITING)
def test_ctrl_c_ends_it_in_one_line(name: str, home: Path, gateway: SilentGateway) -> None:
    told, code = interrupt(["-c", PROGRAM, name, *fill(WAITING[name], home, gateway)], gateway)
    assert told == [
        "Error: stopped by Ctrl-C; what the system has answered is done, run the command again for the rest"
    ]
    assert code == 130


def test_ctrl_c_ends_the_loading_of_the_demonstration_in_one_line(home: Path, gateway: SilentGateway) -> None:
    told, _ = interrupt(["-m", "demo", "load", str(home)], gateway)
    assert told == ["demo: stopped by Ctrl-C; run it again, what is done already is not repeated"]


def fill(arguments: list[str], home: Path, gateway: SilentGateway) -> list[str]:
    values = {"home": str(home), "http": f"http://{gateway.address}", "address": gateway.address}
    return [argument.format(**values) for argument in arguments]


def interrupt(arguments: list[str], gateway: SilentGateway) -> tuple[list[str], int]:
    """What a program says that gets two SIGINT while it waits for the gateway, and its exit code."""
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: gateway.asked.is_set() or process.poll() is not None, "it waits for the gateway")
        assert process.poll() is None, process.communicate()[1]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    return [line for line in told.splitlines() if line.strip()], process.returncode
