"""An officer at the command line: who she is signed in as, and what she asks of a running gateway."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import pyotp
import urllib3

from chengxin_cli.gateway_client import Edge, HttpAnswer
from chengxin_cli.suite.home import Home, write_private

F = TypeVar("F", bound=Callable[..., Any])

_FILE: Final = "officer-sessions.json"


class OfficerOptions:
    """The options `--home`, `--url`, `--as`, and the token that they lead to."""

    def __init__(self, home: Path | None, url: str | None, username: str | None) -> None:
        self._home = Home(home.absolute()) if home else Home.default()
        self._username = username
        self._edge = Edge(url or self._address(), "")

    def sign_in(self, username: str, proof: dict[str, str]) -> None:
        """Signs in and keeps the token, in a file that only its owner reads, until it expires."""
        body = self._told(self._call("POST", "/v1/identity/officers/sign-in", json={"username": username, **proof}))
        kept = self._sessions() | {
            username: {"token": body["access_token"], "until": time.time() + body["expires_in"]},
            "": {"username": username},
        }
        write_private(self._home.path / _FILE, json.dumps(kept).encode())
        click.echo(f"signed in as {username} ({body['scope']}) for {body['expires_in']} s", err=True)

    def sign_out(self) -> None:
        """Ends the session at the gateway and forgets it here."""
        username, token = self._session()
        self._told(self._call("POST", "/oauth/revoke", fields={"token": token}, encode_multipart=False))
        kept = self._sessions()
        del kept[username]
        write_private(self._home.path / _FILE, json.dumps(kept).encode())

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The body of a successful answer. Raises `ClickException` with what the gateway says."""
        return self._told(self._call(method, path, self._session()[1], **options))

    def show(self, method: str, path: str, **options: Any) -> None:
        """Prints what the gateway answers."""
        click.echo(json.dumps(self.call(method, path, **options), ensure_ascii=False, indent=1))

    def show_all(self, path: str, name: str) -> None:
        """Prints a list, all pages, one JSON object a line."""
        for item in self.all(path, name):
            click.echo(json.dumps(item, ensure_ascii=False))

    def all(self, path: str, name: str) -> Iterator[dict[str, Any]]:
        """A list, all pages."""
        token = ""
        separator = "&" if "?" in path else "?"
        while True:
            page = self.call("GET", f"{path}{separator}page_size=200&page_token={token}")
            yield from page[name]
            if not (token := page["next_page_token"]):
                return

    def _call(self, method: str, path: str, token: str = "", **options: Any) -> HttpAnswer:
        try:
            return self._edge.call(method, path, token, **options)
        except urllib3.exceptions.HTTPError as e:
            raise click.ClickException(f"no gateway answers at {self._edge.http}: {e}") from None

    def _told(self, answer: HttpAnswer) -> Any:
        if 200 <= answer.status < 300:
            return answer.body
        body = answer.body if isinstance(answer.body, dict) else {}
        errors = "".join(f"\n  {e['field']}: {e['message']}" for e in body.get("errors", []))
        raise click.ClickException(
            f"{body.get('code', answer.status)}: {body.get('detail', '')}{errors} ({answer.request_id})"
        )

    def _session(self) -> tuple[str, str]:
        kept = self._sessions()
        username = self._username or str(kept.get("", {}).get("username", ""))
        found = kept.get(username, {})
        if not username or found.get("until", 0) < time.time():
            raise click.ClickException(f"not signed in; use: chengxin officer sign-in {username or 'USERNAME'}")
        return username, str(found["token"])

    def _sessions(self) -> dict[str, Any]:
        file = self._home.path / _FILE
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def _address(self) -> str:
        if not (known := self._home.addresses()):
            raise click.ClickException(f"no suite runs in {self._home.path}; name the gateway with --url")
        return str(known["http"])


def as_officer(function: F) -> F:
    """The options that every administrative command has; the command gets an `OfficerOptions` as `officer`."""

    def run(home: Path | None, url: str | None, username: str | None, **given: Any) -> Any:
        return function(officer=OfficerOptions(home, url, username), **given)

    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    # Options that the command itself declared below this decorator.
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--as", "username", help="Which of the officers signed in here [the last one]."),
        click.option("--url", envvar="CHENGXIN_URL", help="The gateway [the suite that runs in --home]."),
        click.option("--home", type=click.Path(path_type=Path), help="[$CHENGXIN_HOME, ~/.chengxin]"),
    ):
        run = option(run)
    return run  # type: ignore[return-value]


def present_code(secret_file: Path | None, code: str | None) -> str:
    """The one-time code: given, made from a secret in a file, or asked for."""
    if code:
        return code
    if secret_file is not None:
        return pyotp.TOTP(secret_file.read_text().strip()).now()
    return str(click.prompt("One-time code"))
