"""A client of a running suite from outside: HTTP and gRPC through the gateway. Commands and tests use it."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import grpc
import pyotp
import urllib3
from werkzeug.http import parse_options_header

from chengxin.auth.access_tokens import TokenSource, load_private_key
from chengxin.auth.tls import Trust, pool
from chengxin.errors import UPSTREAM_UNAVAILABLE, Problem, unavailable
from chengxin.grpc.rpc import make_channel
from chengxin.values.clock import Expiry
from chengxin_api.catalog.v1 import catalog_pb2_grpc
from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
from chengxin_api.ingest.v1 import ingest_pb2_grpc
from chengxin_api.objection.v1 import objection_pb2_grpc
from chengxin_cli.output import print_lines

_TOTP_SECONDS: Final = 30
# The address is wrong, or no connection came about.
_NOT_SENT: Final = (
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)

GATEWAY_UNREACHABLE = unavailable(
    "GATEWAY_UNREACHABLE",
    "无法连接网关 {address}（{reason}），请确认地址并稍后重试",
    "The gateway at {address} cannot be reached ({reason}); check the address, try again shortly",
)
ANSWER_LOST = unavailable(
    "ANSWER_LOST",
    "请求已发往网关 {address}，但没有收到答复（{reason}）：是否已办理尚不清楚，请先查看，再决定是否重新提出",
    "The request was sent to the gateway at {address}, but its answer did not arrive ({reason}): whether it was carried"
    " out is not known; look before you ask again",
)
GATEWAY_NOT_UNDERSTOOD = unavailable(
    "GATEWAY_NOT_UNDERSTOOD",
    "{address} 的答复（{status}）不是本系统网关的答复，请核对地址",
    "What answers at {address} ({status}) is not a gateway of this system; check the address",
)


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """The id under which the gateway put the request on record."""
        return self.headers.get("X-Request-Id", "")


class HttpRefused(Exception):
    """An HTTP answer that is not a success, where one was expected."""

    def __init__(self, what: str, answer: HttpAnswer) -> None:
        body = answer.body if isinstance(answer.body, dict) else {}
        code = body.get("code", body.get("error", ""))
        super().__init__(f"{what}: {answer.status} {code} {body.get('detail', body.get('error_description', ''))}")
        self.answer = answer
        self.code = str(code)


def at(base: str, name: str) -> str:
    """The path of the thing `name` under `base`. Raises `BadParameter` for a name that no path can hold."""
    if name in ("", ".", "..") or not name.isprintable():
        raise click.BadParameter(f"{name!r} is no name")
    return f"{base}/{quote(name, safe='')}"


class Edge:
    """The two addresses of a suite."""

    def __init__(self, http: str, grpc_address: str, trust: Trust | None = None, language: str = "") -> None:
        """With `trust`, or that of the environment, gRPC is over TLS, and so is HTTP at an https address.

        Every request asks for `language` (`zh-CN`, `en`); when it is empty, the system chooses.
        """
        self.language = language
        self.trust = trust or Trust.of_environment()
        self.http = http.rstrip("/")
        self.grpc = grpc_address
        # The audience of a client's assertion: the public address, also when this client uses another one.
        self.issuer = os.environ.get("CHENGXIN_ISSUER", self.http)
        timeout = urllib3.Timeout(connect=3, read=60)
        self._pool = pool(self.trust, maxsize=16, retries=False, timeout=timeout)
        self._channel: grpc.Channel | None = None

    @property
    def channel(self) -> grpc.Channel:
        """The gRPC channel, opened when it is first needed."""
        if self._channel is None:
            self._channel = make_channel(self.grpc, self.trust)
        return self._channel

    def call(self, method: str, path: str, token: str = "", **options: Any) -> HttpAnswer:
        """One HTTP request; options are those of urllib3 (`json`, `fields`, `body`, `headers`).

        Raises GATEWAY_UNREACHABLE, ANSWER_LOST when a change may have been made all the same, GATEWAY_NOT_UNDERSTOOD.
        """
        headers = ({"Accept-Language": self.language} if self.language else {}) | dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._pool.request(method, self.http + path, headers=headers, **options)
        except urllib3.exceptions.HTTPError as e:
            not_sent = method == "GET" or isinstance(e, _NOT_SENT)
            kind = GATEWAY_UNREACHABLE if not_sent else ANSWER_LOST
            raise kind(address=self.http, reason=str(e)[:200], retry_after=1) from None
        parsed: Any = response.data
        kind_of_body, parameters = parse_options_header(response.headers.get("Content-Type", ""))
        try:
            if "json" in kind_of_body:
                parsed = response.json()
            elif kind_of_body.startswith("text/"):
                # A file of rejects has the encoding of the delivery.
                parsed = response.data.decode(parameters.get("charset", "utf-8"))
        except (ValueError, LookupError):
            raise GATEWAY_NOT_UNDERSTOOD(address=self.http, status=response.status) from None
        return HttpAnswer(response.status, parsed, response.headers)

    def require_object(self, answer: HttpAnswer) -> Any:
        """The body of a success, which is a JSON object, or empty. Raises GATEWAY_NOT_UNDERSTOOD."""
        if answer.body not in (b"", "") and not isinstance(answer.body, dict):
            raise GATEWAY_NOT_UNDERSTOOD(address=self.http, status=answer.status)
        return answer.body

    def problem(self, error: grpc.RpcError) -> Problem:
        """The problem of a failed gRPC call; GATEWAY_UNREACHABLE when it did not arrive, or got no answer in time."""
        problem = Problem.from_rpc(error)
        if problem.type is not UPSTREAM_UNAVAILABLE or not isinstance(error, grpc.Call):
            return problem
        return GATEWAY_UNREACHABLE(address=self.grpc, reason=str(error.details())[:200], retry_after=1)

    def anonymous(self) -> "Caller":
        """A caller without a token."""
        return Caller(self, lambda: "")

    def machine(self, client_id: str, key_file: Path, **parameters: str) -> "Caller":
        """A registered client, by `private_key_jwt`; parameters go into the token request (`scope`, `purpose` …)."""
        url, audience = f"{self.http}/oauth/token", f"{self.issuer}/oauth/token"
        source = TokenSource(url, audience, client_id, load_private_key(key_file), self.trust, **parameters)
        return Caller(self, source.token)

    def citizen(self, name: str, identity_number: str, uscc: str = "") -> "Caller":
        """A person of the demonstration world, as the subject or for the represented organisation `uscc`."""
        proof = {"name": name, "identity_number": identity_number} | ({"uscc": uscc} if uscc else {})
        return Caller(self, _cache_token(lambda: self._sign_in("/v1/identity/demo", proof)))

    def officer(self, username: str, password: str, totp_secret: str) -> "Caller":
        """An officer; a code that was used already is replaced by the next one."""
        return Caller(self, _cache_token(lambda: self._officer_token(username, password, pyotp.TOTP(totp_secret))))

    def _officer_token(self, username: str, password: str, totp: pyotp.TOTP) -> tuple[str, float]:
        # A code is good once, and the gateway accepts the next one half a minute early: two sign-ins in a row succeed
        # at once, a third one waits for the code after that.
        began = int(time.time())
        for ahead in (0, _TOTP_SECONDS, 2 * _TOTP_SECONDS):
            if ahead > _TOTP_SECONDS:
                print_lines("the one-time codes of now are used up; waiting for the next …", err=True)
                time.sleep(_TOTP_SECONDS - began % _TOTP_SECONDS)
            proof = {"username": username, "password": password, "totp": totp.at(began + ahead)}
            try:
                return self._sign_in("/v1/identity/officers/sign-in", proof)
            except HttpRefused as e:
                refusal = e
                if e.answer.status != 401:
                    break
        raise refusal

    def _sign_in(self, path: str, proof: dict[str, str]) -> tuple[str, float]:
        answer = self.call("POST", path, json=proof)
        if answer.status != 200:
            raise HttpRefused(f"POST {path}", answer)
        self.require_object(answer)
        return str(answer.body["access_token"]), float(answer.body["expires_in"])


class Caller:
    """A caller at the gateway, with the token of one capacity."""

    def __init__(self, edge: Edge, token: Callable[[], str]) -> None:
        self.edge = edge
        self.token = token

    def call(self, method: str, path: str, **options: Any) -> HttpAnswer:
        """The answer to one HTTP request, whatever its status."""
        return self.edge.call(method, path, self.token(), **options)

    def get(self, path: str) -> Any:
        """The body of a successful GET. Raises `HttpRefused`."""
        return self._expect("GET", path)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        """The body of a successful POST. Raises `HttpRefused`."""
        return self._expect("POST", path, **(options if json is None else options | {"json": json}))

    def put(self, path: str, json: Any) -> Any:
        """The body of a successful PUT. Raises `HttpRefused`."""
        return self._expect("PUT", path, json=json)

    def _expect(self, method: str, path: str, **options: Any) -> Any:
        answer = self.call(method, path, **options)
        if not 200 <= answer.status < 300:
            raise HttpRefused(f"{method} {path}", answer)
        return self.edge.require_object(answer)

    def rpc(self, method: str, request: Any, timeout: float | None = 60) -> Any:
        """The answer to one gRPC call of `Service/Method`; a stream of requests is an iterator. Raises `Problem`."""
        service, _, name = method.partition("/")
        stub = _STUBS[service](self.edge.channel)
        try:
            return getattr(stub, name)(request, metadata=self.metadata(), timeout=timeout)
        except grpc.RpcError as e:
            raise self.edge.problem(e) from None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The token, when the caller has one, and the requested language, as gRPC metadata."""
        token, language = self.token(), self.edge.language
        values = {"authorization": f"Bearer {token}" if token else "", "accept-language": language}
        return tuple((name, value) for name, value in values.items() if value)


_STUBS: Final[dict[str, Any]] = {
    "CatalogService": catalog_pb2_grpc.CatalogServiceStub,
    "IngestService": ingest_pb2_grpc.IngestServiceStub,
    "DisclosureService": disclosure_pb2_grpc.DisclosureServiceStub,
    "ObjectionService": objection_pb2_grpc.ObjectionServiceStub,
}


def _cache_token(obtain: Callable[[], tuple[str, float]]) -> Callable[[], str]:
    """Returns what gives a token: obtained when it is first needed, and again a minute before it expires."""
    cache: dict[str, Any] = {"token": "", "renewal": Expiry(0)}

    def token() -> str:
        if cache["renewal"].has_come():
            cache["token"], lifetime = obtain()
            cache["renewal"] = Expiry(lifetime - 60)
        return str(cache["token"])

    return token
