"""Who may act on a case is judged by the case as the transaction reads it, and each refusal is on record."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import grpc
import pytest

from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.values.clock import FixedClock
from chengxin_api.objection.v1 import objection_pb2 as pb
from services.objection.__main__ import policy
from services.objection.context import ActRequest
from services.objection.domain.case_states import ProviderFinding
from services.objection.usecases import provider
from tests.objection.conftest import TEXT, ObjectionCaller, RunningObjection
from tests.objection.sources import OTHER_ORGAN, REGULATOR

# Every route that names a case, with a body that the case's own party could send.
ROUTES: dict[str, dict[str, Any]] = {
    "GET /v1/me/objections/<objection_no>": {},
    "GET /v1/me/objections/<objection_no>/evidence/<int:number>": {},
    "POST /v1/me/objections/<objection_no>/supplement": {"statement": "补交", "evidence": [TEXT]},
    "POST /v1/me/objections/<objection_no>/withdraw": {},
    "GET /v1/objections/tasks/<objection_no>": {},
    "POST /v1/objections/<objection_no>/answer": {"finding": "wrong"},
    "POST /v1/objections/<objection_no>/retract-answer": {"reason": "点错"},
    "POST /v1/objections/<objection_no>/extension": {"reason": "跨部门核查"},
}
CALLS: dict[str, Any] = {
    "GetTask": pb.GetTaskRequest(),
    "AnswerTask": pb.AnswerTaskRequest(finding=pb.FINDING_WRONG),
    "RequestExtension": pb.RequestExtensionRequest(reason="跨部门核查"),
    "RetractAnswer": pb.RetractAnswerRequest(reason="点错"),
}
ACTS = {row["face"]: row["act"] for row in policy() if "act" in row}


def stranger(city: RunningObjection, roles: list[str]) -> ObjectionCaller:
    """A subject or a provider whom the case of the company, and of the regulator, does not concern."""
    return city.li_na if "subject" in roles else city.caller("provider", sub="client:other", org=OTHER_ORGAN)


def stored(city: RunningObjection) -> dict[str, Any]:
    [case] = city.ctx.store.store.db["cases"].find()
    return case


def test_these_are_all_routes_that_name_a_case_of_one_party() -> None:
    for_parties = {
        row["face"]
        for row in policy()
        if "<objection_no>" in row["face"] and not {"centre", "supervisor"} & set(row["roles"])
    }
    assert for_parties == ROUTES.keys()


@pytest.mark.parametrize("face", ROUTES)
def test_another_partys_case_is_refused_on_each_route_and_that_is_on_record(city: RunningObjection, face: str) -> None:
    number = city.task()
    before = stored(city)
    [row] = [row for row in policy() if row["face"] == face]
    caller = stranger(city, row["roles"])
    method, _, path = face.partition(" ")
    path = path.replace("<objection_no>", number).replace("<int:number>", "1")
    answer = caller.get(path) if method == "GET" else caller.post(path, ROUTES[face])
    assert (answer.status_code, answer.json["code"]) == (404, "OBJECTION_UNKNOWN")
    must_be_refused_on_record(city, row["act"], number)
    assert stored(city) == before


@pytest.mark.parametrize("method", CALLS)
def test_another_providers_task_is_refused_over_grpc_and_that_is_on_record(city: RunningObjection, method: str) -> None:
    number = city.task()
    before = stored(city)
    request = type(CALLS[method])()
    request.CopyFrom(CALLS[method])
    request.objection_no = number
    with pytest.raises(grpc.RpcError) as refused:
        getattr(city.stub, method)(request, metadata=city.metadata("provider", org=OTHER_ORGAN))
    assert Problem.from_rpc(refused.value).code == "OBJECTION_UNKNOWN"
    must_be_refused_on_record(city, ACTS[f"chengxin.objection.v1.ObjectionService/{method}"], number)
    assert stored(city) == before


def must_be_refused_on_record(city: RunningObjection, act: str, number: str) -> None:
    refused = [event for event in city.audit.of(act) if event["outcome"] == "refused"]
    assert [event["details"] for event in refused] == [{"code": "OBJECTION_UNKNOWN", "asked": [number]}]


def test_attachments_to_anothers_case_are_not_even_looked_at(city: RunningObjection) -> None:
    number = city.filed()
    city.centre.does("request-supplement", number, missing=["证书"])
    unreadable = TEXT | {"content_type": "image/png"}
    path = f"/v1/me/objections/{number}/supplement"
    refused = city.li_na.post(path, {"statement": "补交", "evidence": [unreadable]})
    assert refused.json["code"] == "OBJECTION_UNKNOWN"
    assert city.company.post(path, {"statement": "补交", "evidence": [unreadable]}).json["code"] == "EVIDENCE_INVALID"


def reassign(city: RunningObjection, number: str) -> None:
    """The record's provider becomes another organisation: from now on the case is a task of that one."""
    changes = {"$set": {"record.provider_uscc": OTHER_ORGAN}, "$inc": {"version": 1}}
    assert city.ctx.store.store.db["cases"].update_one({"_id": number}, changes).modified_count == 1


def put_back(city: RunningObjection, number: str) -> None:
    """The provider is no longer notified."""
    changes = {"$set": {"history": [], "state": "accepted"}, "$inc": {"version": 1}}
    assert city.ctx.store.store.db["cases"].update_one({"_id": number}, changes).modified_count == 1


Change = Callable[[RunningObjection, str], None]


@pytest.mark.parametrize("change", [reassign, put_back])
def test_a_task_that_is_the_providers_no_longer_is_refused_though_it_was_shown(
    city: RunningObjection, change: Change
) -> None:
    number = city.task()
    assert city.regulator.get(f"/v1/objections/tasks/{number}").status_code == 200
    change(city, number)
    answer = city.regulator.post(f"/v1/objections/{number}/answer", {"finding": "wrong"})
    assert (answer.status_code, answer.json["code"]) == (404, "OBJECTION_UNKNOWN")
    must_be_refused_on_record(city, "task.answered", number)


def test_a_repeat_does_not_get_the_answer_of_when_the_task_was_the_providers(city: RunningObjection) -> None:
    number = city.task()
    path, key = f"/v1/objections/{number}/answer", {"Idempotency-Key": "k1"}
    assert city.regulator.post(path, {"finding": "wrong"}, **key).status_code == 200
    reassign(city, number)
    repeated = city.regulator.post(path, {"finding": "wrong"}, **key)
    assert (repeated.status_code, repeated.json["code"]) == (404, "OBJECTION_UNKNOWN")
    must_be_refused_on_record(city, "task.answered", number)


class InterruptedClock(FixedClock):
    """A clock that lets something else happen when it is read for the first time."""

    def __init__(self, instant: datetime, meanwhile: Callable[[], None]) -> None:
        super().__init__(instant)
        self._meanwhile = [meanwhile]

    def now(self) -> datetime:
        while self._meanwhile:
            self._meanwhile.pop()()
        return super().now()


@pytest.mark.parametrize("change", [reassign, put_back])
def test_a_case_that_changes_while_it_is_acted_on_is_judged_again(city: RunningObjection, change: Change) -> None:
    """The first attempt was allowed and conflicts; the second one reads the case anew."""
    number = city.task()
    changes: list[str] = []

    def act_meanwhile() -> None:
        changes.append(number)
        change(city, number)

    ctx = replace(city.ctx, clock=InterruptedClock(city.clock.instant, act_meanwhile))
    caller = Principal("client:regulator", frozenset({Role.PROVIDER}), org=REGULATOR)
    with pytest.raises(Problem, match="OBJECTION_UNKNOWN"):
        provider.answer(ctx, caller, number, ProviderFinding.WRONG, "", ActRequest())
    assert changes == [number]
    must_be_refused_on_record(city, "task.answered", number)
    assert stored(city)["answer"] == ""


def test_what_another_version_stored_of_a_case_stays(city: RunningObjection) -> None:
    number = city.filed()
    cases = city.ctx.store.store.db["cases"]
    cases.update_one({"_id": number}, {"$set": {"priority": {"by": "a version to come"}}})
    city.centre.does("accept", number)
    row = cases.find_one_and_update({"_id": number}, {"$unset": {"priority": ""}})
    assert row is not None
    assert (row["state"], row["priority"]) == ("accepted", {"by": "a version to come"})
