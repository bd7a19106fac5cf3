"""An officer at the command line: the officer's session, and the calls to a running gateway that need it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final, TypedDict, TypeVar

import click
import msgspec
import pyotp

from chengxin.values.shown_text import escape
from chengxin_cli.ending import after
from chengxin_cli.gateway_client import Edge
from chengxin_cli.input_files import FilePath, FileUnusable, read_json, read_word
from chengxin_cli.option_types import HTTP_ADDRESS
from chengxin_cli.output import print_json, print_lines
from chengxin_cli.suite.home import Home, write_private

F = TypeVar("F", bound=Callable[..., Any])

_FILE: Final = "officer-sessions.json"


class _Session(TypedDict, total=False):
    """The session of an officer; under the empty name, who signed in last."""

    username: str
    token: Annotated[str, msgspec.Meta(pattern=r"^[!-~]+$")]
    until: float


class OfficerOptions:
    """The options `--home`, `--url`, `--as`, and the token that they lead to."""

    def __init__(self, home: Path | None, url: str | None, username: str | None) -> None:
        self._home = Home(home.absolute()) if home else Home.default()
        self._username = username
        self._edge = Edge(url or self._address(), "")

    def sign_in(self, username: str, proof: dict[str, str]) -> None:
        """Signs in and keeps the token, in a file that only its owner reads, until it expires."""
        sessions = self._sessions()
        body = self._expect("POST", "/v1/identity/officers/sign-in", json={"username": username, **proof})
        sessions |= {
            username: {"token": body["access_token"], "until": time.time() + body["expires_in"]},
            "": {"username": username},
        }
        with after("signed in", "Mend that and sign in again") as step:
            with step("the session is not kept"):
                write_private(self._home.path / _FILE, json.dumps(sessions).encode())
            with step("this is not shown"):
                print_lines(f"signed in as {username} ({body['scope']}) for {body['expires_in']} s", err=True)

    def sign_out(self) -> None:
        """Ends the session at the gateway and forgets it here."""
        username, token = self._session()
        sessions = self._sessions()
        self._expect("POST", "/oauth/revoke", fields={"token": token}, encode_multipart=False)
        del sessions[username]
        with after("signed out", "The token is good for nothing any more") as step, step("it is not forgotten here"):
            write_private(self._home.path / _FILE, json.dumps(sessions).encode())

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Returns the body of a successful answer. Raises `ClickException` with the gateway's error, and `Problem`."""
        return self._expect(method, path, self._session()[1], **options)

    def show(self, path: str) -> None:
        """Prints what is there. Raises as `call` does."""
        print_json(self.call("GET", path), indent=1)

    def change(self, method: str, path: str, **options: Any) -> None:
        """Makes a change and prints the answer. Raises as `call` does."""
        answer = self.call(method, path, **options)
        again = "What an answer shows once is made again by another request; else look with show, list or proposals"
        with after("it is done", again) as step, step("the answer is not shown"):
            print_json(answer, indent=1)

    def show_all(self, path: str, name: str) -> None:
        """Prints all pages of a list, one JSON object a line."""
        for item in self.all(path, name):
            print_json(item)

    def all(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        """The items of a list, from all its pages."""
        token = ""
        separator = "&" if "?" in path else "?"
        while True:
            page = self.call("GET", f"{path}{separator}page_size=200&page_token={token}")
            yield from page[name]
            if not (token := page["next_page_token"]):
                return

    def _expect(self, method: str, path: str, token: str = "", **options: Any) -> Any:
        answer = self._edge.call(method, path, token, **options)
        if 200 <= answer.status < 300:
            return self._edge.require_object(answer)
        body = answer.body if isinstance(answer.body, dict) else {}
        errors = "".join("\n  " + escape(f"{e['field']}: {e['message']}") for e in body.get("errors", []))
        told = escape(f"{body.get('code', answer.status)}: {body.get('detail', '')}")
        raise click.ClickException(f"{told}{errors} ({answer.request_id})")

    def _session(self) -> tuple[str, str]:
        sessions = self._sessions()
        username = self._username or sessions.get("", {}).get("username", "")
        session = sessions.get(username, {})
        if not username or session.get("until", 0) < time.time():
            raise click.ClickException(f"not signed in; use: chengxin officer sign-in {username or 'USERNAME'}")
        return username, session["token"]

    def _sessions(self) -> "dict[str, _Session]":
        file = self._home.path / _FILE
        return read_json(file, dict[str, _Session]) if file.exists() else {}

    def _address(self) -> str:
        if not (addresses := self._home.addresses()):
            raise click.ClickException(f"no suite runs in {self._home.path}; name the gateway with --url")
        return str(addresses["http"])


def as_officer(function: F) -> F:
    """Adds the options that every administrative command has; the command gets an `OfficerOptions` as `officer`."""

    def run(home: Path | None, url: str | None, username: str | None, **options: Any) -> Any:
        return function(officer=OfficerOptions(home, url, username), **options)

    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    # Options that the command itself declared below this decorator.
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--as", "username", help="Which of the officers signed in here [the last one]."),
        click.option(
            "--url", type=HTTP_ADDRESS, envvar="CHENGXIN_URL", help="The gateway [the suite that runs in --home]."
        ),
        click.option("--home", type=FilePath(), help="[$CHENGXIN_HOME, ~/.chengxin]"),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


def present_code(secret_file: Path | None, code: str | None) -> str:
    """The one-time code: `code` itself, else one made from the secret in a file, else what the user types."""
    made = _code_of(secret_file) if secret_file is not None else ""
    return code or made or str(click.prompt("One-time code"))


def _code_of(secret_file: Path) -> str:
    secret = read_word(secret_file, "a TOTP secret")
    try:
        return pyotp.TOTP(secret).now()
    except ValueError:
        raise FileUnusable(secret_file, "a TOTP secret is in base32: letters and the digits 2 to 7") from None


def _format(answer: Any) -> str:
    return json.dumps(answer, ensure_ascii=False, indent=1)
