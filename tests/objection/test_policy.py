"""The table of who may call what, tried at every face with every role."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from chengxin.values.ids import new_id
from chengxin_api.objection.v1 import objection_pb2 as pb
from services.objection.__main__ import policy
from tests.objection.conftest import KEYS, RECORD, RunningObjection, make_collections, running
from tests.objection.sources import REGULATOR
from tests.support import Issuer

ROLES = sorted(role.value for role in Role)
BODIES: dict[str, Any] = {
    "refuse": {"reason": "x"},
    "request-supplement": {"missing": ["x"]},
    "verify": {"finding": "system_fault", "note": "x"},
    "decide": {"outcome": "upheld", "explanation": "x"},
    "answer": {"finding": "wrong"},
    "retract": {"reason": "x"},
    "retract-answer": {"reason": "x"},
    "extension": {"reason": "x"},
    "supplement": {"statement": "x"},
    "objections": {"record_id": RECORD, "statement": "x"},
}
MESSAGES = {
    "ListTasks": pb.ListTasksRequest(),
    "GetTask": pb.GetTaskRequest(objection_no="YY-1"),
    "AnswerTask": pb.AnswerTaskRequest(objection_no="YY-1", finding=pb.FINDING_WRONG),
    "RequestExtension": pb.RequestExtensionRequest(objection_no="YY-1", reason="x"),
    "RetractAnswer": pb.RetractAnswerRequest(objection_no="YY-1", reason="x"),
}
TABLE = [row for row in policy() if "roles" in row]


@pytest.fixture(scope="module")
def city(stores: Callable[[str], str], issuer: Issuer) -> Iterator[RunningObjection]:
    """A service that only refuses here, so one for all."""
    uri = stores(new_id("objection"))
    make_collections(uri)
    with running(uri, issuer, KEYS) as found:
        yield found


def test_every_face_has_a_rule_or_a_reason() -> None:
    assert {row["face"] for row in policy() if "roles" not in row} == {
        "GET /healthz",
        "GET /readyz",
        "GET /feedz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /v1/objections/guideline",
    }
    assert len(TABLE) == 30


@pytest.mark.parametrize("row", TABLE, ids=[r["face"] for r in TABLE])
def test_nobody_comes_in_by_another_role(city: RunningObjection, row: dict[str, Any]) -> None:
    before = len(city.audit.events)
    for role in ROLES:
        code = _code(city, row["face"], role)
        assert (code == "ROLE_NOT_ALLOWED") == (role not in row["roles"]), (role, code)
    refused = [e for e in city.audit.events[before:] if e["details"].get("code") == "ROLE_NOT_ALLOWED"]
    assert {e["act"] for e in refused} == {row["act"]}
    assert len(refused) == len(ROLES) - len(row["roles"])


def _code(city: RunningObjection, face: str, role: str) -> str:
    if face.startswith("chengxin."):
        return _rpc_code(city, face.rpartition("/")[2], role)
    method, _, path = face.partition(" ")
    path = path.replace("<objection_no>", "YY-1").replace("<int:number>", "1").replace("<row_id>", "q_" + "0" * 24)
    caller = city.caller(role, org=REGULATOR)
    body = BODIES.get(path.rpartition("/")[2], {})
    answer = caller.get(path) if method == "GET" else caller.post(path, body)
    return str(answer.json.get("code", "")) if answer.is_json or "json" in answer.content_type else ""


def _rpc_code(city: RunningObjection, method: str, role: str) -> str:
    metadata = city.metadata(role, org=REGULATOR)
    try:
        if method == "Watch":
            call = city.stub.Watch(pb.WatchRequest(), metadata=metadata, timeout=5)
            if role == "service":
                call.initial_metadata()
                call.cancel()
                return ""
            next(call)
        else:
            getattr(city.stub, method)(MESSAGES[method], metadata=metadata)
    except grpc.RpcError as e:
        return Problem.from_rpc(e).code
    return ""
