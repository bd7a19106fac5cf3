"""Every HTTP route and every gRPC method while the store of its service answers nothing: nobody waits, nobody is misled."""

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
from tests.e2e.policy_world import World, in_order
from tests.support import figure, freeze, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

# Who asks waits no longer; far less than without deadlines, far more than with them.
PATIENCE = 10
# What a caller is told who cannot be served for now.
PAGE = "a page that says when to try again"
PASSING = {"STORE_UNAVAILABLE", "AUDIT_UNAVAILABLE", "UPSTREAM_UNAVAILABLE", "LOG_ALTERED", PAGE}
HANGS = "no answer in time"


@pytest.fixture(scope="module")
def ailing() -> Iterator[City]:
    """A suite of its own, in which nobody starts a store again: `chengxin up` stands still meanwhile."""
    with running_city() as found:
        yield found


@pytest.fixture(scope="module")
def world(ailing: City) -> World:
    """Things that belong to somebody."""
    found = World(ailing)
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
    """The store of a process stands still, and whoever would mend it."""
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
    ailing: City, world: World, table: list[dict[str, Any]], process: str
) -> None:
    rows = [row for row in in_order(table) if row["service"] == process and is_asked(row)]
    # Several for each thread of the service, at once: those whose turn comes late wait no longer.
    asked = [(row, _caller(world, row)) for row in rows for _ in range(3)]
    with silent(ailing, process), ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: _ask(ailing, world, *one), asked))
        ready = ailing.edge.call("GET", "/readyz", timeout=PATIENCE)
    told: dict[str, list[str]] = {}
    for (row, _), answer in zip(asked, answers, strict=True):
        told.setdefault(row["face"], []).append(answer)
    # Of each face the worst: hanging, then any error that is not passing.
    found = {face: min(those, key=lambda a: (a != HANGS, a in PASSING, a == "")) for face, those in told.items()}
    # What was refused or is in memory needs no store; everything else is told to come again, and nothing is wrong.
    wrong = {face: answer for face, answer in found.items() if answer not in PASSING | {""}}
    assert not {f: a for f, a in wrong.items() if a in (HANGS, "INTERNAL") or a.startswith("5")}, wrong
    passing = [face for face, answer in found.items() if answer in PASSING]
    assert len(passing) >= ASKED_OF_THE_STORE[process], found
    assert ready.status == 503
    figure(f"silent.{process}", len(passing))


# At least so many faces of each service come to its store with what they are asked here, whatever becomes of the others.
ASKED_OF_THE_STORE = {"gateway": 25, "catalog": 30, "ingest": 28, "disclosure": 19, "objection": 26, "audit": 3}


def is_asked(row: dict[str, Any]) -> bool:
    """Whether the gateway leads there; what `/readyz` says is asked for by itself."""
    _, space, path = row["face"].partition(" ")
    return row["face"] != "GET /readyz" and (not space or row["service"] == "gateway" or prefix_of(path) is not None)


# For whom alone there is such a method.
FOLLOWERS = {
    "Watch": "disclosure",
    "WatchCorrections": "objection",
    "GetRecordHead": "objection",
    "Append": "objection",
}


def _body(world: World, face: str) -> dict[str, Any]:
    """What a face takes; more than the table of who may do what needs."""
    terms = {"grantee": world.owner.organisation, "purpose": "loan_application", "valid_to": "2099-12-31"}
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


def _messages(world: World, method: str) -> list[Any]:
    name = method.rpartition("/")[2]
    if name == "Append":
        return [audit_pb2.AppendRequest(entries=[b"{}"])]
    if name == "Query":
        subject = disclosure_pb2.SubjectSelector(subject_ref=world.owner.subject)
        return [disclosure_pb2.QueryRequest(subject=subject)]
    return world.message(method)


def _caller(world: World, row: dict[str, Any]) -> Caller:
    if follower := FOLLOWERS.get(row["face"].rpartition("/")[2]):
        return world.caller(Role.SERVICE, world.owner, sub=follower, client_id=follower)
    if "roles" not in row:
        return world.serving(row, Role.PUBLIC, world.owner)
    for role in (Role.PROVIDER, Role.SUBJECT, Role.CENTRE, Role.AUTHORITY, Role.SERVICE):
        if role in row["roles"]:
            return world.serving(row, role, world.owner)
    return world.serving(row, Role(min(row["roles"])), world.owner)


def _ask(city: City, world: World, row: dict[str, Any], caller: Caller) -> str:
    """The code that is told, empty for a good answer, the status of an error without one."""
    method, space, _ = row["face"].partition(" ")
    return _http(world, row, method, caller) if space else _rpc(city, world, row["face"], caller)


def _http(world: World, row: dict[str, Any], method: str, caller: Caller) -> str:
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
    if answer.status == 503 and "text/html" in answer.headers.get("Content-Type", ""):
        return PAGE
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    return str(code or answer.status)


def _rpc(city: City, world: World, method: str, caller: Caller) -> str:
    described = city.method(method)
    channel = city.edge.channel
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
