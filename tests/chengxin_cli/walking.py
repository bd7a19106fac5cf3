"""Every command of `chengxin`, from click's own tree, with arguments that it accepts, and a gateway that says yes."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import click
import pyotp

from chengxin_cli import main
from chengxin_cli.input_files import FilePath
from chengxin_cli.suite.home import Home, make_private_key

# An answer to everything that a command asks for over HTTP.
YES: dict[str, Any] = {
    "access_token": "x",
    "token_type": "Bearer",
    "expires_in": 600,
    "scope": "centre",
    "next_page_token": "",
    **{name: [] for name in ("clients", "officers", "proposals", "disagreements", "alterations", "keys", "providers")},
    "items": [{"id": "1", "code": "A", "name": {"zh": "A", "en": "A"}, "state": "failed"}],
    "resolved": True,
    "sound": False,
    "inspections": 1,
    "repair_due": False,
    "state": "done",
    "goal": {},
    "positions": {},
    "code": "XZXK",
    "columns": {},
    "record_id": "1",
    "versions": [{"version": 1, "revoked": False, "items": {}}],
}
# What a terminal obeys or nobody sees: C0 but for the end of a line, DEL, C1, and what turns the direction of a text.
UNSEEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0001]")
# Requests that change nothing although they are no GET.
_NO_CHANGE = ("/oauth/token", "/v1/identity/officers/sign-in", "/v1/records/queries")


@dataclass
class Gateway:
    """Answers every request with `body`; keeps what was asked for, and of that the changes."""

    status: int = 200
    body: bytes = json.dumps(YES).encode()
    content_type: str = "application/json"
    changes: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        gateway = self

        class YesHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                gateway.requests.append(f"{self.command} {self.path}")
                if self.command != "GET" and self.path not in _NO_CHANGE:
                    gateway.changes.append(f"{self.command} {self.path}")
                self.send_response(gateway.status)
                self.send_header("Content-Type", gateway.content_type)
                self.send_header("Content-Length", str(len(gateway.body)))
                self.end_headers()
                self.wfile.write(gateway.body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), YesHandler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def leaves(command: click.Command | None = None, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    command = command or main
    if not isinstance(command, click.Group):
        yield names, command
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        yield from leaves(command.get_command(ctx, name), *names, name)


def make_home(path: Path, gateway: Gateway) -> Path:
    """A home that says that a suite runs at `gateway`, where an officer has signed in; and a key file in it."""
    address = f"127.0.0.1:{gateway.port}"
    suite = {"http": f"http://{address}", "grpc": address, "supervisor": str(path / "none")}
    Home(path).suite.parent.mkdir(exist_ok=True)
    Home(path).suite.write_text(json.dumps(suite))
    (path / "keys").mkdir()
    (path / "keys" / "store-uris.json").write_text("{}")
    sessions = {"x": {"token": "x", "until": time.time() + 600}, "": {"username": "x"}}
    (path / "officer-sessions.json").write_text(json.dumps(sessions))
    (path / "demo").mkdir()
    officer = {"username": "supervisor", "password": "x", "totp_secret": pyotp.random_base32()}
    people = {"officers": {"supervisor": officer}, "citizens": {}, "clients": {}}
    (path / "demo" / "credentials.json").write_text(json.dumps(people))
    (path / "public.json").write_text('{"kty": "OKP", "crv": "Ed25519", "x": ""}')
    (path / "secret").write_text("JBSWY3DPEHPK3PXP\n")
    make_private_key(path / "key.pem")
    return path


def arguments(
    command: click.Command, home: Path, gateway: Gateway, odd: click.Parameter | None = None, value: str = ""
) -> list[str]:
    """A command line of a command: every parameter has a value that it accepts, `odd` has `value`."""
    options: list[str] = []
    positional: list[str] = []
    for parameter in command.params:
        given = value if parameter is odd else _accepted(command, parameter, home, gateway)
        if isinstance(parameter, click.Argument):
            positional.append(given)
        elif getattr(parameter, "is_flag", False):
            options.extend([] if parameter.secondary_opts else [parameter.opts[0]])
        else:
            options.append(f"{parameter.opts[0]}={given}")
    return [*options, "--", *positional]


def _accepted(command: click.Command, parameter: click.Parameter, home: Path, gateway: Gateway) -> str:
    match parameter.type:
        case FilePath():
            return str(_file_for(command, parameter, home))
        case click.Choice() as choice:
            return str(choice.choices[0])
        # `up` finds the port taken, and goes no further.
        case click.types.IntParamType():
            return str(gateway.port + 1 if parameter.name == "grpc_port" else gateway.port)
    fitting = {
        "http": f"http://127.0.0.1:{gateway.port}",
        "url": f"http://127.0.0.1:{gateway.port}",
        "grpc_address": f"127.0.0.1:{gateway.port}",
        "username": "x",
        "purposes": "a=b",
    }
    return fitting.get(str(parameter.name), "x=1")


def _file_for(command: click.Command, parameter: click.Parameter, home: Path) -> Path:
    name = str(parameter.name)
    if name == "home":
        return home
    if name in ("directory", "save_to"):
        return home / "directory" if command.name != "verify" else home
    if name == "key_file" and command.name in ("register", "add-key"):
        return home / "public.json"
    if name.endswith("_file") and name not in ("key_file", "receipt_file"):
        return home / "secret"
    return home / ("new" if command.name in ("new", "field-ring", "subject-key") else "key.pem")
