"""The types of options that several commands have: addresses of a gateway, and the key of a log, as a user gives them."""

from typing import Any, Final

import click
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from chengxin.tlog.signed_note import NoteError, VerifierKey


class _HttpAddress(click.ParamType[str]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the address without a slash at its end."""
        found = _parsed(value)
        if found is None or found.scheme not in ("http", "https") or not _has_host_alone(found):
            self.fail(f"{value!r} is not http:// or https:// with a host, and a port where it needs one", param, ctx)
        return str(value).rstrip("/")


class _GrpcAddress(click.ParamType[str]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the address as it is."""
        found = None if "/" in value else _parsed(f"https://{value}")
        if found is None or not found.port or not _has_host_alone(found):
            self.fail(f"{value!r} is not host:port, without http:// and path", param, ctx)
        return str(value)


class _LogKey(click.ParamType[VerifierKey]):
    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> VerifierKey:
        """Returns the key."""
        if isinstance(value, VerifierKey):
            return value
        try:
            return VerifierKey.parse(value)
        except NoteError as e:
            self.fail(str(e), param, ctx)


HTTP_ADDRESS: Final = _HttpAddress()
GRPC_ADDRESS: Final = _GrpcAddress()
LOG_KEY: Final = _LogKey()


def _parsed(text: str) -> Url | None:
    try:
        return parse_url(text)
    except LocationParseError:
        return None


def _has_host_alone(found: Url) -> bool:
    return (
        bool(found.host)
        and found.port != 0
        and found._replace(scheme=None, host=None, port=None)
        in (
            Url(),
            Url(path="/"),
        )
    )
