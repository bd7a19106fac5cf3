"""A token can end before it expires, everywhere and for good."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import grpc
import pytest
import urllib3

from chengxin.auth.access_tokens import ASSERTION_TYPE, TokenSource, Verifier, fetch_jwks, load_private_key
from chengxin.auth.principal import Principal, Role
from chengxin.auth.revocation import Revocation, Revocations, fetch_revocations
from chengxin.errors import Problem
from chengxin_cli.gateway_client import Edge
from services.audit.clients.revocations import anew
from tests.gateway.conftest import LI_NA, Gate, answers
from tests.support import Issuer, free_port, until

LI = Principal("s_li", frozenset({Role.SUBJECT}), client_id="portal", jti="t_1")


class _Gateway:
    """What a verifier hears, and how often it asks."""

    def __init__(self, *revoked: Revocation) -> None:
        self.revoked: Iterable[Revocation] = revoked
        self.asked = 0
        self.away = False
        self.now = 100.0

    def fetch(self) -> Iterable[Revocation]:
        self.asked += 1
        if self.away:
            raise OSError("away")
        return self.revoked

    def revocations(self) -> Revocations:
        return Revocations(self.fetch, every=10, stale=30, now=lambda: self.now)


@pytest.mark.parametrize(
    ("revocation", "dead"),
    [
        (Revocation("jti", "t_1"), True),
        (Revocation("jti", "t_2"), False),
        (Revocation("sub", "s_li", 51), True),
        (Revocation("sub", "s_li", 50), False),
        (Revocation("sub", "t_1"), False),
        (Revocation("client_id", "portal", 51), True),
        (Revocation("kid", "k1"), True),
        (Revocation("kid", "k2"), False),
    ],
)
def test_a_token_is_dead_by_what_it_names_and_when_it_was_issued(revocation: Revocation, dead: bool) -> None:
    revocations = _Gateway(revocation).revocations()
    if dead:
        with pytest.raises(Problem, match="revoked"):
            revocations.check(LI, "k1", 50)
    else:
        revocations.check(LI, "k1", 50)


def test_the_gateway_is_asked_now_and_then_not_every_time() -> None:
    gateway = _Gateway()
    revocations = gateway.revocations()
    for _ in range(100):
        revocations.check(LI, "k1", 50)
    assert gateway.asked == 1
    gateway.now += 10
    revocations.check(LI, "k1", 50)
    assert gateway.asked == 2


def test_who_cannot_hear_refuses_after_a_while_and_serves_again_at_once() -> None:
    gateway = _Gateway()
    revocations = gateway.revocations()
    revocations.check(LI, "k1", 50)
    gateway.away = True
    gateway.now += 29
    revocations.check(LI, "k1", 50)
    gateway.now += 2
    with pytest.raises(Problem) as refused:
        revocations.check(LI, "k1", 50)
    assert refused.value.code == "UPSTREAM_UNAVAILABLE"
    gateway.away = False
    gateway.now += 2
    revocations.check(LI, "k1", 50)


def test_what_was_revoked_stays_so_while_the_gateway_is_away() -> None:
    gateway = _Gateway(Revocation("jti", "t_1"))
    revocations = gateway.revocations()
    revocations.refresh()
    gateway.away = True
    gateway.now += 15
    with pytest.raises(Problem, match="revoked"):
        revocations.check(LI, "k1", 50)


def test_a_remembered_token_is_looked_up_every_time(issuer: Issuer) -> None:
    gateway = _Gateway()
    revocations = gateway.revocations()
    verifier = Verifier("http://issuer.test", "chengxin", lambda: {"keys": [issuer.jwk]}, revocations)
    token = issuer.token("subject", sub="s_li")
    assert verifier.verify(token).sub == "s_li"
    gateway.revoked = [Revocation("sub", "s_li")]
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)


def _as_a_service(gate: Gate) -> tuple[Verifier, Revocations]:
    """What every service's composition root wires."""
    key = load_private_key(gate.home.key_file("disclosure"))
    source = TokenSource(f"{gate.issuer}/oauth/token", f"{gate.issuer}/oauth/token", "disclosure", key, scope="service")
    revocations = Revocations(fetch_revocations(gate.issuer, source))
    jwks = fetch_jwks(f"{gate.issuer}/.well-known/jwks.json")
    return Verifier(gate.issuer, "chengxin", jwks, revocations, demo=True), revocations


def _revoke(gate: Gate, token: str, **more: str) -> int:
    form = {"token": token} | more
    return gate.edge.call("POST", "/oauth/revoke", fields=form, encode_multipart=False).status


def _of_li_na(gate: Gate) -> str:
    proof = {k: LI_NA[k] for k in ("name", "identity_number")}
    return str(gate.edge.call("POST", "/v1/identity/demo", json=proof).body["access_token"])


def test_a_person_revokes_her_token_and_a_service_hears_of_it(gate: Gate) -> None:
    verifier, revocations = _as_a_service(gate)
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


def test_a_client_revokes_its_own_and_nobody_elses(gate: Gate) -> None:
    token = gate.token("market_regulator")
    proof = {"client_assertion_type": ASSERTION_TYPE}
    assert _revoke(gate, token) == 401
    assert _revoke(gate, token, client_assertion=gate.assertion("p256"), **proof) == 401
    assert gate.edge.call("GET", "/v1/me/records", token).status == 200
    assert gate.grpc_room.acts("token.revoked", "refused")
    assert _revoke(gate, token, client_assertion=gate.assertion("market_regulator"), **proof) == 200
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    event = until(lambda: gate.grpc_room.acts("token.revoked"))[-1]
    assert event["actor"]["sub"] == "market_regulator"


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_what_is_no_token_needs_no_revoking(gate: Gate, token: str) -> None:
    assert _revoke(gate, token) == (200 if token else 400)


def test_only_services_read_the_list(gate: Gate) -> None:
    for token in ("", _of_li_na(gate), gate.token("market_regulator")):
        assert gate.edge.call("GET", "/v1/identity/revocations", token).status in (401, 403)


def _second(gate: Gate) -> tuple[Edge, Callable[[], None], Callable[[], None]]:
    http, grpc_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        listening = {"CHENGXIN_HTTP_LISTEN": http, "CHENGXIN_GRPC_LISTEN": grpc_address}
        command = [sys.executable, "-m", "gateway"]
        running.append(subprocess.Popen(command, env=gate.environment | listening, start_new_session=True))
        until(lambda: answers(edge), "the gateway answers")

    def kill() -> None:
        # The worker too, in the middle of whatever it does.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running[-1].pid, signal.SIGKILL)
        running[-1].wait(10)
        until(lambda: not answers(edge), "the gateway is gone")

    edge = Edge(f"http://{http}", grpc_address)
    return edge, start, kill


@contextlib.contextmanager
def _audit(gate: Gate, store: str) -> Iterator[urllib3.PoolManager]:
    """The audit service itself, behind this gateway: whoever asks it goes past the edge."""
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


def test_audit_itself_refuses_a_revoked_token(gate: Gate, stores: Callable[[str], str]) -> None:
    with _audit(gate, stores("audit-that-hears")) as audit:

        def status(token: str) -> int:
            return audit.request("GET", "/v1/me/accesses", headers={"Authorization": f"Bearer {token}"}).status

        dead, alive = _of_li_na(gate), _of_li_na(gate)
        assert (status(dead), status(alive)) == (200, 200)
        assert _revoke(gate, dead) == 200
        until(lambda: status(dead) == 401, "audit has heard", 30)
        assert status(alive) == 200


def test_audit_does_not_use_a_token_again_with_which_it_heard_nothing(gate: Gate) -> None:
    """The gateway must put the refusal of a dead token on record, and would wait for audit, which waits for the gateway."""
    key = load_private_key(gate.home.key_file("audit"))
    source = TokenSource(f"{gate.issuer}/oauth/token", f"{gate.issuer}/oauth/token", "audit", key, scope="service")
    away = anew(fetch_revocations(f"http://127.0.0.1:{free_port()}", source), source)
    heard = anew(fetch_revocations(gate.issuer, source), source)
    before = source.token()
    heard()
    assert source.token() == before
    with pytest.raises(urllib3.exceptions.HTTPError):
        away()
    assert source.token() != before


def test_killing_a_gateway_loses_no_session_and_revives_none(gate: Gate) -> None:
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


def _kid(token: str) -> str:
    import jwt

    return str(jwt.get_unverified_header(token)["kid"])


@pytest.mark.long
def test_the_signing_key_is_rotated_and_nobody_notices(gate: Gate) -> None:
    old = gate.token("market_regulator")
    rotated = gate.officer("first").call("POST", "/v1/identity/signing-keys")
    assert rotated.status == 201
    kid = rotated.body["kid"]
    # Published before it signs, so that every verifier can have it.
    assert (rotated.body["signs"], _kid(gate.token("market_regulator"))) == (False, _kid(old))
    assert kid in {k["kid"] for k in gate.edge.call("GET", "/.well-known/jwks.json").body["keys"]}
    verifier, _ = _as_a_service(gate)

    def signs() -> bool:
        # Meanwhile every token is good.
        token = gate.token("market_regulator")
        assert verifier.verify(token).client_id == "market_regulator"
        assert gate.edge.call("GET", "/v1/me/records", token).status == 200
        return _kid(token) == kid

    until(signs, "the new key signs", 30)
    assert verifier.verify(old).client_id == "market_regulator"
    keys = gate.officer("watcher").get("/v1/identity/signing-keys")["signing_keys"]
    assert [k["signs"] for k in keys] == [True] + [False] * (len(keys) - 1)
    event = until(lambda: gate.grpc_room.acts("signing_key.created"))[-1]
    assert event["details"]["kid"] == kid
    assert event["actor"]["sub"] == "officer:first"


def test_what_a_revoked_key_signed_is_dead_and_the_suite_goes_on(gate: Gate) -> None:
    verifier, revocations = _as_a_service(gate)
    token = gate.token("market_regulator")
    verifier.verify(token)
    by = gate.officer("first")
    answer = by.call("POST", f"/v1/identity/signing-keys/{_kid(token)}/revoke")
    assert answer.status == 200, answer.body
    assert gate.edge.call("GET", "/v1/me/records", token).status == 401
    # The service's own token was signed by it: it obtains another and hears the rest.
    revocations.refresh()
    revocations.refresh()
    with pytest.raises(Problem, match="revoked"):
        verifier.verify(token)
    fresh = gate.token("market_regulator")
    assert gate.edge.call("GET", "/v1/me/records", fresh).status == 200
    assert gate.edge.call("GET", "/v1/public/subjects").status == 200
    # Officers whose tokens it signed sign in again.
    gate.signed_in.clear()


def test_a_gateway_that_is_told_to_limit_says_when_to_come_back(gate: Gate) -> None:
    http, grpc_address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    rates = {"CHENGXIN_CLIENT_RATE": "0.5", "CHENGXIN_ADDRESS_RATE": "0.5", "CHENGXIN_PROOF_RATE": "1"}
    process = gate.start(CHENGXIN_HTTP_LISTEN=http, CHENGXIN_GRPC_LISTEN=grpc_address, **rates)
    edge = Edge(f"http://{http}", grpc_address)
    try:
        until(lambda: answers(edge), "the gateway answers")
        first, second = gate.token("market_regulator"), gate.token("p256")
        statuses = [edge.call("GET", "/v1/me/records", first) for _ in range(4)]
        limited = next(a for a in statuses if a.status == 429)
        assert limited.body["code"] == "RATE_LIMITED"
        assert 1 <= int(limited.headers["Retry-After"]) <= 3
        # Each client has its own, and who has no token too.
        assert edge.call("GET", "/v1/me/records", second).status == 200
        anonymous = [edge.call("GET", "/v1/public/subjects").status for _ in range(4)]
        assert (anonymous[0], anonymous[-1]) == (200, 429)
        proofs = [edge.call("POST", "/oauth/token", fields={}, encode_multipart=False).status for _ in range(5)]
        assert proofs[-1] == 429
        call = edge.channel.unary_unary("/chengxin.disclosure.v1.DisclosureService/Query")
        metadata = (("authorization", f"Bearer {first}"),)
        with pytest.raises(grpc.RpcError) as refused:
            [call(b"", metadata=metadata, timeout=5) for _ in range(4)]
        problem = Problem.from_rpc(refused.value)
        assert problem.code == "RATE_LIMITED"
        assert (problem.retry_after or 0) > 0
    finally:
        process.terminate()
        process.wait(10)


def test_a_token_of_the_same_second_is_dead() -> None:
    # `iat` is in whole seconds: what was issued in the second of the revocation is dead.
    now = int(time.time())
    revocations = _Gateway(Revocation("client_id", "portal", now + 1)).revocations()
    with pytest.raises(Problem):
        revocations.check(LI, "k", now)
    revocations.check(LI, "k", now + 1)
