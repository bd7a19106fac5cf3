"""What the log accepts from services, and what it refuses."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import grpc
import pytest

from chengxin.audit.trail import AuditTrail
from chengxin.auth.principal import Principal, Role
from chengxin.auth.request_context import RequestContext, serving
from chengxin.errors import Problem
from chengxin.store.deadlines import within
from chengxin.values.clock import FixedClock
from chengxin_api.audit.v1 import audit_pb2
from services.audit.grpc.servicer import AuditServicer
from services.audit.usecases import append_events
from tests.audit.actors import BUREAU
from tests.audit.conftest import NOW, RunningAudit, an_event

DISCLOSURE = Principal("disclosure", frozenset({Role.SERVICE}))


def refusal(audit: RunningAudit, entries: list[bytes], positions: tuple[int, ...] = (), **caller: str) -> Problem:
    with pytest.raises(grpc.RpcError) as caught:
        audit.append(entries, positions, **caller)
    return Problem.from_rpc(caught.value)


def test_only_services_append_and_only_their_own(audit: RunningAudit) -> None:
    assert refusal(audit, [an_event()], role="supervisor").code == "ROLE_NOT_ALLOWED"
    assert refusal(audit, [an_event(), an_event(service="catalog")]).code == "EVENT_OF_ANOTHER_SERVICE"
    problem = refusal(audit, [an_event(), b'{"v":1}', an_event() + b" "])
    assert problem.code == "INPUT_INVALID"
    assert [f.field for f in problem.fields] == ["entries[1].event_id", "entries[2]"]
    # Nothing of a refused call is on the log, but the two refusals are.
    found = [json.loads(logged.entry) for logged in audit.entries()]
    assert [(e["act"], e["details"]["code"]) for e in found] == [
        ("audit.appended", "ROLE_NOT_ALLOWED"),
        ("audit.appended", "EVENT_OF_ANOTHER_SERVICE"),
    ]


def test_positions_that_cannot_be(audit: RunningAudit) -> None:
    for positions in ((1,), (2, 1), (0, 1), (1, 2, 3), (-1, 2)):
        problem = refusal(audit, [an_event(), an_event()], positions)
        assert (problem.code, problem.fields[0].field) == ("INPUT_INVALID", "positions")
    assert audit.entries() == []


def test_an_event_that_is_refused_fails_no_other(audit: RunningAudit) -> None:
    """Events of concurrent queries travel together."""
    metadata = audit.metadata("service", sub="disclosure")
    trail = AuditTrail("disclosure", audit.stub, lambda: metadata, FixedClock(NOW))
    timeless = replace(trail.event("record.queried.own", BUREAU), at="never")

    def record(n: int) -> bool:
        try:
            trail.record(timeless if n == 20 else trail.event("record.queried.own", BUREAU))
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(40) as pool:
        answered = list(pool.map(record, range(40)))
    assert answered == [n != 20 for n in range(40)]
    assert len(audit.entries()) == 39


class LeavingContext:
    """A call that ends after so many looks at it: before its turn comes, or while it waits to be appended."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def is_active(self) -> bool:
        self._looks -= 1
        return self._looks >= 0


def test_what_its_service_has_given_up_is_not_appended(audit: RunningAudit) -> None:
    request, servicer = audit_pb2.AppendRequest(entries=[an_event()]), AuditServicer(audit.ctx)
    assert servicer.Append(request, cast(Any, LeavingContext(0))) == audit_pb2.AppendResponse()
    with serving(RequestContext("req", principal=DISCLOSURE)), pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        servicer.Append(request, cast(Any, LeavingContext(1)))
    assert audit.entries() == []


def test_what_a_relay_delivers_again_is_recognised(audit: RunningAudit) -> None:
    events = [an_event(details={"n": n}) for n in range(4)]
    assert audit.append(events[:3], (1, 1, 2)).appended == 3
    assert audit.append(events[:3], (1, 1, 2)).appended == 0
    assert audit.append(events, (1, 1, 2, 3)).appended == 1
    assert audit.append([an_event(service="ingest")], (1,), caller="ingest").appended == 1
    assert [logged.entry for logged in audit.entries()][:4] == events


def test_a_service_whose_positions_began_again_loses_nothing(audit: RunningAudit) -> None:
    """A store that was restored from a backup numbers its outbox from where the backup was."""
    before = [an_event(details={"n": n}) for n in range(3)]
    audit.append(before, (1, 2, 3))
    after = [before[1], an_event(details={"n": "new"})]
    assert audit.append(after, (2, 3)).appended == 1
    assert audit.append(after, (2, 3)).appended == 0
    assert [logged.entry for logged in audit.entries()] == [*before, after[1]]


def test_a_delivery_that_is_compared_with_the_log_holds_up_others_for_a_bounded_time(audit: RunningAudit) -> None:
    events = [an_event()]
    audit.append(events, (1,))
    with audit.ctx.redelivery, within(0.05), pytest.raises(Problem, match="STORE_UNAVAILABLE"):
        append_events.append(audit.ctx, DISCLOSURE, events, (1,), lambda: True)
    assert audit.append(events, (1,)).appended == 0


def test_a_call_of_more_than_a_group_is_whole(audit: RunningAudit) -> None:
    events = [an_event(details={"n": n}) for n in range(4_500)]
    answer = audit.append(events, [7] * len(events))
    assert answer.appended == 4_500
    assert audit.append(events, [7] * len(events)).appended == 0
    assert [logged.entry for logged in audit.entries()] == events
    assert audit.ctx.store.last_group() == 3
