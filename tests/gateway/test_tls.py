"""TLS at both edges, clients' certificates, and tokens bound to a certificate (RFC 8705): over real connections."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import jwt
import psutil
import pytest
import urllib3
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from chengxin.auth.tls import Trust, pool
from chengxin.concurrency.shares import Shares
from chengxin.errors import Problem
from chengxin_cli.commands.keys import command
from chengxin_cli.gateway_client import Caller, Edge
from gateway.edge.front import CONNECTIONS, Front, server_context
from gateway.edge.origins import Origins
from tests.gateway.conftest import RunningGateway, answers
from tests.support import free_port, until

_QUERY = "/chengxin.disclosure.v1.DisclosureService/Query"


@dataclass
class Secured:
    """A gateway that speaks TLS, and what its callers have."""

    directory: Path
    http: str
    grpc: str
    key_file: Path
    mutual: bool
    pid: int

    def trust(self, client: str = "", bound: bool = True) -> Trust:
        files = [self.directory / f"{client}{end}" if client else None for end in (".pem", ".key.pem")]
        return Trust(self.directory / "ca.pem", *files, bound=bound)

    def edge(self, client: str = "") -> Edge:
        return Edge(self.http, self.grpc, self.trust(client))

    def provider(self, bound: bool = True) -> Caller:
        edge = Edge(self.http, self.grpc, self.trust("market_regulator", bound))
        return edge.machine("market_regulator", self.key_file, scope="provider")


def make(directory: Path, *clients: str) -> dict[str, str]:
    """`chengxin keys dev-ca`: the thumbprints of the clients' certificates."""
    named = [option for client in clients for option in ("--client", client)]
    done = CliRunner().invoke(command, ["dev-ca", str(directory), *named], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.output)["clients"])


@pytest.fixture(scope="module", params=["the gRPC edge", "both edges"])
def secured(
    gate: RunningGateway, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Secured]:
    """Mutual at the gRPC edge, or at both."""
    directory = tmp_path_factory.mktemp("ca")
    mutual = request.param == "both edges"
    make(directory, "market_regulator", "housing_bureau")
    make(directory / "other", "stranger")
    http, grpc_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    key_file = directory / "provider.pem"
    key_file.write_bytes(
        gate.keys["market_regulator"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    process = gate.start(
        CHENGXIN_HTTP_LISTEN=http,
        CHENGXIN_GRPC_LISTEN=grpc_address,
        CHENGXIN_ISSUER=f"https://{http}",
        CHENGXIN_TLS_CERT_FILE=str(directory / "server.pem"),
        CHENGXIN_TLS_KEY_FILE=str(directory / "server.key.pem"),
        CHENGXIN_TLS_CLIENT_CA_FILE=str(directory / "ca.pem"),
        CHENGXIN_TLS_HTTP_MUTUAL=str(mutual).lower(),
    )
    found = Secured(directory, f"https://{http}", grpc_address, key_file, mutual, process.pid)
    try:
        until(lambda: answers(found.edge("market_regulator")), "the gateway answers over TLS")
        yield found
    finally:
        process.terminate()
        process.wait(20)


def query(caller: Caller, edge: Edge | None = None) -> dict[str, object]:
    call = (edge or caller.edge).channel.unary_unary(_QUERY)
    return dict(json.loads(call(b"", metadata=caller.metadata(), timeout=5)))


def refusal(caller: Caller, edge: Edge) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        query(caller, edge)
    return Problem.from_rpc(refused.value).code


def test_the_http_edge_shows_its_certificate_and_speaks_nothing_older(secured: Secured) -> None:
    def get(http: urllib3.PoolManager, url: str = secured.http) -> int:
        return http.request("GET", f"{url}/healthz", retries=False, timeout=5).status

    ca = str(secured.directory / "ca.pem")
    with contextlib.ExitStack() as when:
        if secured.mutual:
            when.enter_context(pytest.raises(urllib3.exceptions.HTTPError))
        assert get(urllib3.PoolManager(ca_certs=ca)) == 200
    assert get(pool(secured.trust("market_regulator"))) == 200
    old = ssl.create_default_context(cafile=ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for http in (urllib3.PoolManager(), urllib3.PoolManager(ssl_context=old)):
        with pytest.raises(urllib3.exceptions.HTTPError):
            get(http)
    with pytest.raises(urllib3.exceptions.HTTPError):
        get(urllib3.PoolManager(), secured.http.replace("https:", "http:"))


def test_the_grpc_edge_takes_only_callers_with_a_certificate_of_its_ca(secured: Secured) -> None:
    caller = secured.provider(bound=False)
    other = Trust(
        secured.directory / "ca.pem", *(secured.directory / f"other/stranger{e}" for e in (".pem", ".key.pem"))
    )
    for stranger in (secured.edge(), Edge(secured.http, secured.grpc, other)):
        with pytest.raises(grpc.RpcError) as refused:
            query(caller, stranger)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert query(caller, secured.edge("housing_bureau"))


def test_a_token_is_bound_to_the_certificate_that_the_client_names(secured: Secured) -> None:
    caller = secured.provider()
    claims = jwt.decode(caller.token(), options={"verify_signature": False})
    assert claims["cnf"] == {"x5t#S256": secured.trust("market_regulator").thumbprint}
    assert query(caller)
    unbound = secured.provider(bound=False)
    assert query(unbound, secured.edge("housing_bureau"))
    assert unbound.call("GET", "/v1/submissions").status == 200
    assert "cnf" not in jwt.decode(unbound.token(), options={"verify_signature": False})


def test_a_bound_token_is_worth_nothing_with_another_certificate_and_that_is_on_record(
    secured: Secured, gate: RunningGateway
) -> None:
    caller = secured.provider()
    before = len(gate.grpc_upstream.acts("edge.refused", "refused"))
    assert refusal(caller, secured.edge("housing_bureau")) == "UNAUTHENTICATED"
    until(lambda: len(gate.grpc_upstream.acts("edge.refused", "refused")) > before, "it is on record")


def test_a_bound_token_is_good_at_the_http_edge_with_its_certificate_alone(
    secured: Secured, gate: RunningGateway
) -> None:
    bound = secured.provider()
    assert bound.call("GET", "/v1/submissions").status == 200
    assert bound.call("GET", "/v1/identity/clients").status == 403
    before = len(gate.grpc_upstream.acts("edge.refused", "refused"))
    for other in (secured.edge("housing_bureau"), *([] if secured.mutual else [secured.edge()])):
        for path in ("/v1/submissions", "/v1/identity/clients"):
            answer = Caller(other, bound.token).call("GET", path)
            assert (answer.status, answer.body["code"]) == (401, "UNAUTHENTICATED")
            assert "证书" in answer.body["detail"]
            before += 1
    until(lambda: len(gate.grpc_upstream.acts("edge.refused", "refused")) >= before, "all are on record")
    # The same connections serve callers whose tokens are not bound.
    assert Caller(secured.edge("housing_bureau"), secured.provider(bound=False).token).get("/v1/submissions")


def test_every_answer_over_tls_tells_browsers_to_stay_with_it(secured: Secured, gate: RunningGateway) -> None:
    """RFC 6797. Without TLS nothing is said."""
    for path in ("/", "/healthz", "/v1/nothing", "/v1/identity/clients", "/me"):
        told = secured.edge("housing_bureau").call("GET", path, headers={"Accept": "text/html"}, redirect=False)
        assert told.headers["Strict-Transport-Security"] == "max-age=31536000", path
        assert "Strict-Transport-Security" not in gate.edge.call("GET", path, redirect=False).headers


def test_what_a_caller_says_of_its_certificate_is_not_believed(secured: Secured) -> None:
    bound = secured.provider()
    thumbprint = secured.trust("market_regulator").thumbprint
    names = ("chengxin.certificate", "chengxin-certificate", "x-chengxin-certificate", "ssl-client-cert")
    said = dict.fromkeys(names, thumbprint) | {"Authorization": f"Bearer {bound.token()}"}
    http = pool(secured.trust("housing_bureau"), retries=False)
    assert http.request("GET", f"{secured.http}/v1/submissions", headers=said).status == 401


def test_a_certificate_of_another_ca_opens_no_connection(secured: Secured) -> None:
    other = (secured.directory / f"other/stranger{e}" for e in (".pem", ".key.pem"))
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool(Trust(secured.directory / "ca.pem", *other)).request(
            "GET", f"{secured.http}/healthz", retries=False, timeout=5
        )


def test_who_says_nothing_keeps_nobody_else_waiting(secured: Secured) -> None:
    """Connections without TLS, many more than any thread pool has threads."""
    host, _, port = secured.http.removeprefix("https://").rpartition(":")
    with contextlib.ExitStack() as silent:
        for _ in range(400):
            silent.enter_context(socket.create_connection((host, int(port))))
        assert answers(secured.edge("market_regulator"))


def test_a_stop_waits_for_no_connection_that_is_kept(tmp_path: Path) -> None:
    make(tmp_path)
    address = ("127.0.0.1", free_port())
    context = server_context(*(tmp_path / name for name in ("server.pem", "server.key.pem", "ca.pem")), required=False)
    with socket.socket(socket.AF_UNIX) as inner:
        inner.bind(str(tmp_path / "http"))
        inner.listen()
        front = Front(f"{address[0]}:{address[1]}", tmp_path / "http", context, Origins(()), Shares(CONNECTIONS))
        front.start()
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        kept = trusting.wrap_socket(socket.create_connection(address), server_hostname=address[0])
        passed, _ = inner.accept()
        with kept, passed:
            front.stop()
            assert "front" not in {thread.name for thread in threading.enumerate()}
            passed.settimeout(10)
            assert passed.recv(1) == b""


def test_a_body_in_pieces_and_connections_that_are_kept(secured: Secured) -> None:
    caller = secured.provider()
    body = b"x" * 3_000_000
    for _ in range(3):
        answer = caller.edge.call("POST", "/v1/submissions", caller.token(), body=body)
        assert (answer.status, answer.body["length"]) == (200, len(body)), answer.body


def test_the_edge_behind_tls_answers_nobody_who_came_past_it(secured: Secured) -> None:
    keeper = psutil.Process(secured.pid)
    ours = [keeper, *keeper.children(recursive=True)]
    found = {Path(c.laddr) for p in ours for c in p.net_connections("unix") if str(c.laddr).endswith("/http")}
    [inner] = found
    assert inner.parent.stat().st_mode & 0o077 == 0
    # Beside it are the gRPC edge's, behind its front, and the one by which the process asks its own gRPC edge.
    assert {path.name for path in inner.parent.iterdir()} == {"grpc", "grpc-own", "http"}
    with socket.socket(socket.AF_UNIX) as past:
        past.connect(str(inner))
        past.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert past.recv(1000).startswith(b"HTTP/1.1 403")


def test_a_bound_token_is_worth_nothing_where_no_certificate_is_seen(secured: Secured, gate: RunningGateway) -> None:
    token = gate.token_with(cnf={"x5t#S256": secured.trust("market_regulator").thumbprint})
    assert refusal(Caller(gate.edge, lambda: token), gate.edge) == "UNAUTHENTICATED"
    assert gate.edge.call("GET", "/v1/submissions", token).status == 401


@pytest.mark.parametrize(
    "cnf", ["x", {}, {"jkt": "x"}, {"x5t#S256": "short"}, {"x5t#S256": "A" * 43, "jkt": "x"}, None]
)
def test_what_binds_to_nothing_known_is_refused(gate: RunningGateway, cnf: object) -> None:
    answer = gate.ask(gate.assertion_with({"cnf": cnf}), scope="provider")
    assert (answer.status, answer.body["code"]) == (400, "TOKEN_REQUEST_INVALID")


def test_certificates_are_of_the_ca_that_was_made_once(tmp_path: Path) -> None:
    first = make(tmp_path, "a")
    ca = (tmp_path / "ca.pem").read_bytes()
    assert make(tmp_path, "a") != first
    assert (tmp_path / "ca.pem").read_bytes() == ca
    assert (tmp_path / "ca.key.pem").stat().st_mode & 0o077 == 0
