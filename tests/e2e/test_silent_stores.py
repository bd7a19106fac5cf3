"""Every HTTP route and gRPC method while its service's store is silent: no caller waits long or is misled."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_cli.gateway_client import Caller
from chengxin_cli.suite.home import PROCESSES
from demo.world import catalog
from gateway.edge.routes import prefix_of
from tests.city import City, running_city
from tests.e2e.policy_expectations import in_order
from tests.e2e.policy_world import GIVEN_UNTIL, PolicyWorld
from tests.support import figure, freeze, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

# A caller waits no longer: far less than without deadlines, far more than with them.
PATIENCE = 10
# Codes for a caller who cannot be served for now.
PASSING = {"STORE_UNAVAILABLE", "AUDIT_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "LOG_ALTERED"}
HANGS = "no answer in time"


@pytest.fixture(scope="module")
def ailing() -> Iterator[City]:
    """A suite of its own, in which no store is restarted: `chengxin up` is stopped meanwhile."""
    with running_city() as found:
        yield found


@pytest.fixture(scope="module")
def world(ailing: City) -> PolicyWorld:
    """Things with owners."""
    found = PolicyWorld(ailing)
    found.ids["year"] = "2026"
    return found


@pytest.fixture(scope="module")
def table(ailing: City) -> list[dict[str, Any]]:
    """Every face with its rule."""
    done = ailing.chengxin("policy", "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@contextlib.contextmanager
def silent(city: City, process: str) -> Iterator[None]:
    """Stops the store of a process, and the process that would restart it."""
    store = city.pids()[f"{process}-store"]
    freeze(city.process.pid)
    freeze(store)
    try:
        yield
    finally:
        os.kill(store, signal.SIGCONT)
        city.process.send_signal(signal.SIGCONT)
    until(lambda: city.edge.call("GET", "/readyz", timeout=10).status == 200, "the suite is ready again", 60)


@pytest.mark.parametrize("process", PROCESSES)
def test_nobody_waits_for_a_store_that_does_not_answer(
    ailing: City, world: PolicyWorld, table: list[dict[str, Any]], process: str
) -> None:
    rows = [row for row in in_order(table) if row["service"] == process and is_asked(row)]
    # Several for each face: late ones wait no longer than others. At once no more than the edge lets one caller have.
    asked = [(row, _caller(world, row)) for row in rows for _ in range(3)]
    with silent(ailing, process), ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: _ask(ailing, world, *one), asked))
        ready = ailing.edge.call("GET", "/readyz", timeout=PATIENCE)
    told: dict[str, list[str]] = {}
    for (row, _), answer in zip(asked, answers, strict=True):
        told.setdefault(row["face"], []).append(answer)
    # The worst answer of each face: hanging, then any error that is not temporary.
    found = {face: min(those, key=lambda a: (a != HANGS, a in PASSING, a == "")) for face, those in told.items()}
    # Refusals and answers from memory need no store; every other caller is told to retry, and no answer is wrong.
    wrong = {face: answer for face, answer in found.items() if answer not in PASSING | {""}}
    assert not {f: a for f, a in wrong.items() if a in (HANGS, "INTERNAL") or a.startswith("5")}, wrong
    passing = [face for face, answer in found.items() if answer in PASSING]
    assert len(passing) >= ASKED_OF_THE_STORE[process], found
    assert ready.status == 503
    figure(f"silent.{process}", len(passing))


# Fewer than a caller's share of bodies that are read (`gateway/edge/concurrency_limits.py`).
AT_ONCE = 12
# At least so many faces of each service reach its store with the requests of this test.
ASKED_OF_THE_STORE = {"gateway": 25, "catalog": 30, "ingest": 28, "disclosure": 19, "objection": 26, "audit": 3}


def is_asked(row: dict[str, Any]) -> bool:
    """Whether the gateway routes to it; `/readyz` is tested separately."""
    _, space, path = row["face"].partition(" ")
    return row["face"] != "GET /readyz" and (not space or row["service"] == "gateway" or prefix_of(path) is not None)


# The service for which alone such a method exists.
FOLLOWERS = {
    "Watch": "disclosure",
    "WatchCorrections": "objection",
    "GetRecordHead": "objection",
    "Append": "objection",
}


def _body(world: PolicyWorld, face: str) -> dict[str, Any]:
    """Input of a face; more than the authorization table needs."""
    terms = {"grantee": world.owner.organisation, "purpose": "loan_application", "valid_to": GIVEN_UNTIL}
    entry = catalog()[world.record["entry_code"]]
    more: dict[str, Any] = {
        "POST /v1/me/consents": terms,
        "POST /v1/catalog/drafts": entry,
        "PUT /v1/catalog/drafts/<draft_id>": entry,
        "POST /v1/records/queries": {"catalog": world.record["entry_code"], "items": {"XK_WSH": "x"}},
        "PUT /v1/submissions/agreements/<provider>": {"signature_required": False, "document": "x"},
        "POST /v1/submissions/findings/<finding_id>/explain": {"text": "x"},
        "POST /v1/submissions/findings/<finding_id>/close": {"text": "x"},
    }
    return {"json": more[face]} if face in more else world.body(face) or {"json": {}}


def _messages(world: PolicyWorld, method: str) -> list[Any]:
    name = method.rpartition("/")[2]
    if name == "Append":
        return [audit_pb2.AppendRequest(entries=[b"{}"])]
    if name == "Query":
        subject = disclosure_pb2.SubjectSelector(subject_ref=world.owner.subject)
        return [disclosure_pb2.QueryRequest(subject=subject)]
    return world.message(method)


def _caller(world: PolicyWorld, row: dict[str, Any]) -> Caller:
    if follower := FOLLOWERS.get(row["face"].rpartition("/")[2]):
        return world.caller(Role.SERVICE, world.owner, sub=follower, client_id=follower)
    if not row.get("roles"):
        return world.serving(row, Role.PUBLIC, world.owner)
    for role in (Role.PROVIDER, Role.SUBJECT, Role.CENTRE, Role.AUTHORITY, Role.SERVICE):
        if role in row["roles"]:
            return world.serving(row, role, world.owner)
    return world.serving(row, Role(min(row["roles"])), world.owner)


def _ask(city: City, world: PolicyWorld, row: dict[str, Any], caller: Caller) -> str:
    """The code of the answer: empty for success, the status for an error without a code."""
    method, space, _ = row["face"].partition(" ")
    return _http(world, row, method, caller) if space else _rpc(city, world, row["face"], caller)


def _http(world: PolicyWorld, row: dict[str, Any], method: str, caller: Caller) -> str:
    body = {} if method in ("GET", "DELETE") else _body(world, row["face"])
    token = caller.token() if "roles" in row else ""
    try:
        answer = caller.edge.call(method, world.path(row["face"]), token, timeout=PATIENCE, **body)
    except Problem:
        return HANGS
    if answer.status == 503 and "Retry-After" not in answer.headers:
        return f"{answer.status} without Retry-After"
    if answer.status < 400:
        return ""
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    return str(code or answer.status)


def _rpc(city: City, world: PolicyWorld, method: str, caller: Caller) -> str:
    described = city.method(method)
    channel = city.channel_of(caller, method)
    kinds: dict[tuple[bool, bool], Any] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    call = kinds[described.client_streaming, described.server_streaming](f"/{method}")
    sent = [message.SerializeToString() for message in _messages(world, method)] or [b""]
    try:
        answer = call(
            iter(sent) if described.client_streaming else sent[0], metadata=caller.metadata(), timeout=PATIENCE
        )
        if described.server_streaming:
            for _ in answer:
                pass
    except grpc.RpcError as error:
        e: Any = error
        if e.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return HANGS
        problem = Problem.from_rpc(e)
        if e.code() is grpc.StatusCode.UNAVAILABLE and not problem.retry_after:
            return f"503 without RetryInfo: {problem.code}"
        return problem.code
    return ""
