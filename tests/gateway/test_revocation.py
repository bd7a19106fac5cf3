"""A token can end before it expires, everywhere and for good."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import urllib3

from chengxin.auth.access_tokens import ASSERTION_TYPE, TokenSource, load_private_key
from chengxin.auth.principal import Role
from chengxin.auth.revocation import fetch_revocations
from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge
from services.audit.clients.revocations import with_fresh_token
from tests.gateway.conftest import LI_NA, RunningGateway, answers
from tests.gateway.verifying_service import as_a_service
from tests.support import free_port, until


def _revoke(gate: RunningGateway, token: str, **more: str) -> int:
    form = {"token": token} | more
    return gate.edge.call("POST", "/oauth/revoke", fields=form, encode_multipart=False).status


def _of_li_na(gate: RunningGateway) -> str:
    proof = {k: LI_NA[k] for k in ("name", "identity_number")}
    return str(gate.edge.call("POST", "/v1/identity/demo", json=proof).body["access_token"])


def test_a_person_revokes_her_token_and_a_service_hears_of_it(gate: RunningGateway) -> None:
    verifier, revocations = as_a_service(gate)
    token, other = _of_li_na(gate), _of_li_na(gate)
    verifier.verify(token)
    assert _revoke(gate, token) == 200
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)
    # Only this one.
    assert verifier.verify(other).roles == {Role.SUBJECT}
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    assert gate.edge.call("GET", "/v1/me/records", other).status == 200


def test_a_client_revokes_its_own_and_nobody_elses(gate: RunningGateway) -> None:
    token = gate.token("market_regulator")
    proof = {"client_assertion_type": ASSERTION_TYPE}
    assert _revoke(gate, token) == 401
    assert _revoke(gate, token, client_assertion=gate.assertion("p256"), **proof) == 401
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    assert gate.grpc_upstream.acts("token.revoked", "refused")

    def revoked() -> int:
        return sum(e["actor"]["sub"] == "market_regulator" for e in gate.grpc_upstream.acts("token.revoked"))

    before = revoked()
    assert _revoke(gate, token, client_assertion=gate.assertion("market_regulator"), **proof) == 200
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    until(lambda: revoked() > before, "the client's revocation is on record")


def test_a_client_that_does_not_prove_itself_is_on_record(gate: RunningGateway) -> None:
    token, proof = gate.token("market_regulator"), gate.assertion("market_regulator")
    fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": proof}
    assert _revoke(gate, token, **fields) == 200
    before = len(gate.grpc_upstream.acts("token.revoked", "refused"))
    # An assertion is good once.
    assert _revoke(gate, token, **fields) == 401
    refused = gate.grpc_upstream.acts("token.revoked", "refused")
    assert len(refused) == before + 1
    assert refused[-1]["details"]["code"] == "ASSERTION_REPLAYED"


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_what_is_no_token_needs_no_revoking(gate: RunningGateway, token: str) -> None:
    assert _revoke(gate, token) == (200 if token else 400)


def test_only_services_read_the_list(gate: RunningGateway) -> None:
    for token in ("", _of_li_na(gate), gate.token("market_regulator")):
        assert gate.edge.call("GET", "/v1/identity/revocations", token).status in (401, 403)


def _second(gate: RunningGateway) -> tuple[Edge, Callable[[], None], Callable[[], None]]:
    http, grpc_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        listening = {"CHENGXIN_HTTP_LISTEN": http, "CHENGXIN_GRPC_LISTEN": grpc_address}
        command = [sys.executable, "-m", "gateway"]
        running.append(subprocess.Popen(command, env=gate.environment | listening, start_new_session=True))
        until(lambda: answers(edge), "the gateway answers")

    def kill() -> None:
        # Kills the worker too, whatever it is doing.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running[-1].pid, signal.SIGKILL)
        running[-1].wait(10)
        until(lambda: not answers(edge), "the gateway is gone")

    edge = Edge(f"http://{http}", grpc_address)
    return edge, start, kill


@contextlib.contextmanager
def _audit(gate: RunningGateway, store: str) -> Iterator[urllib3.PoolManager]:
    """The audit service itself, with this gateway's tokens; requests to it do not pass the edge."""
    http = f"127.0.0.1:{free_port()}"
    told = {
        "CHENGXIN_MONGO_URI": store,
        "CHENGXIN_HTTP_LISTEN": http,
        "CHENGXIN_GRPC_LISTEN": f"127.0.0.1:{free_port()}",
        "CHENGXIN_GATEWAY_HTTP": gate.issuer.removeprefix("http://"),
        "CHENGXIN_KEY_FILE": str(gate.home.key_file("audit")),
    }
    process = subprocess.Popen([sys.executable, "-m", "services.audit"], env=gate.environment | told)
    asked = urllib3.HTTPConnectionPool(http, retries=False, timeout=5)

    def up() -> bool:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return asked.request("GET", "/healthz").status == 200
        return False

    try:
        until(up, "audit answers", 60)
        yield asked
    finally:
        process.terminate()
        process.wait(20)


def test_audit_itself_refuses_a_revoked_token(gate: RunningGateway, stores: Callable[[str], str]) -> None:
    with _audit(gate, stores("audit-that-hears")) as audit:

        def status(token: str) -> int:
            return audit.request("GET", "/v1/me/accesses", headers={"Authorization": f"Bearer {token}"}).status

        dead, alive = _of_li_na(gate), _of_li_na(gate)
        assert (status(dead), status(alive)) == (200, 200)
        assert _revoke(gate, dead) == 200
        until(lambda: status(dead) == 401, "audit has heard", 30)
        assert status(alive) == 200


def test_audit_does_not_use_a_token_again_with_which_it_heard_nothing(gate: RunningGateway) -> None:
    """The gateway must put the refusal of a dead token on record, and would wait for audit, which waits for the gateway."""
    key = load_private_key(gate.home.key_file("audit"))
    source = TokenSource(f"{gate.issuer}/oauth/token", f"{gate.issuer}/oauth/token", "audit", key, scope="service")
    away = with_fresh_token(fetch_revocations(f"http://127.0.0.1:{free_port()}", source), source)
    heard = with_fresh_token(fetch_revocations(gate.issuer, source), source)
    before = source.token()
    heard()
    assert source.token() == before
    with pytest.raises(urllib3.exceptions.HTTPError):
        away()
    assert source.token() != before


def test_killing_a_gateway_loses_no_session_and_revives_none(gate: RunningGateway) -> None:
    edge, start, kill = _second(gate)
    start()
    try:
        alive, dead = _of_li_na(gate), _of_li_na(gate)
        assert edge.call("GET", "/v1/me/records", dead).status == 200
        assert edge.call("POST", "/oauth/revoke", fields={"token": dead}, encode_multipart=False).status == 200
        kill()
        start()
        assert edge.call("GET", "/v1/me/records", alive).status == 200
        assert edge.call("GET", "/v1/me/records", dead).status == 401
        # The other gateway learns of it by itself.
        until(lambda: gate.edge.call("GET", "/v1/me/records", dead).status == 401, "it is dead here too", 5)
    finally:
        kill()
