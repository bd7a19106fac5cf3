"""Queries are refused unless their event is durable; events of changes are delivered exactly once, in order."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from chengxin.audit.public_reads import PublicReads
from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError, Problem
from chengxin.feeds.quarantine import Quarantine
from chengxin.feeds.quarantine_rows import to_dict
from chengxin.grpc.rpc import make_channel
from chengxin.store.database import Store
from chengxin.values.acts import Act
from chengxin.values.clock import FixedClock
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc
from tests.chengxin.conftest import NOW
from tests.support import free_port, until

HER = Principal("officer:her", frozenset({Role.CENTRE}))


class Log(audit_pb2_grpc.AuditServiceServicer):
    """Keeps events, recognises positions, and can be away before or after it keeps a call."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.calls = 0
        self.fails_before: Callable[[int], bool] = lambda call: False
        self.fails_after: Callable[[int], bool] = lambda call: False
        self.refused: set[bytes] = set()
        self.away_with = grpc.StatusCode.UNAVAILABLE
        self._highest = (0, 0)

    def Append(self, request: audit_pb2.AppendRequest, context: grpc.ServicerContext) -> audit_pb2.AppendResponse:
        self.calls += 1
        call = self.calls
        if self.fails_before(call):
            context.abort(self.away_with, "before")
        if wrong := [n for n, entry in enumerate(request.entries) if entry in self.refused]:
            # As the service does, it compares the first position.
            problem = INPUT_INVALID(fields=[FieldError(f"entries[{wrong[0]}].actor", "required", "?")])
            context.abort_with_status(rpc_status.to_status(problem.to_rpc("en", "req")))
        if request.positions:
            new = []
            for n, (position, entry) in enumerate(zip(request.positions, request.entries, strict=True), 1):
                if (position, n) > self._highest or entry not in self.events:
                    new.append(entry)
                    self._highest = max(self._highest, (position, n))
        else:
            new = list(request.entries)
        self.events += new
        if self.fails_after(call):
            context.abort(grpc.StatusCode.UNAVAILABLE, "after")
        return audit_pb2.AppendResponse(appended=len(new))


@pytest.fixture
def log() -> Iterator[tuple[Log, audit_pb2_grpc.AuditServiceStub]]:
    found, port = Log(), free_port()
    server = grpc.server(ThreadPoolExecutor(8))
    audit_pb2_grpc.add_AuditServiceServicer_to_server(found, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    yield found, audit_pb2_grpc.AuditServiceStub(make_channel(f"127.0.0.1:{port}"))
    server.stop(None)


def outcomes(kept: Log) -> list[str]:
    return [json.loads(event)["outcome"] for event in kept.events]


def test_an_event_is_durable_before_record_returns(log: Any) -> None:
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW))
    with ThreadPoolExecutor(16) as pool:
        events = list(pool.map(lambda n: trail.record(trail.event("entry.read", HER, entries=[str(n)])), range(200)))
    there = {json.loads(e)["event_id"] for e in kept.events}
    assert {e.event_id for e in events} == there
    assert len(kept.events) == 200
    # Many callers waited for few calls.
    assert kept.calls < 200


def test_without_the_log_there_is_no_answer_and_with_it_again_there_is(log: Any) -> None:
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW))
    kept.fails_before = lambda call: call <= 1
    with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        trail.record(trail.event("entry.read", HER))
    trail.record(trail.event("entry.read", HER))
    assert outcomes(kept) == ["unanswered", "ok"]


def test_whatever_goes_wrong_the_trail_works_again_afterwards(log: Any) -> None:
    kept, stub = log
    troubles = iter([KeyError("access_token"), ValueError("closed"), RuntimeError("?"), OSError("gone")])

    def metadata() -> tuple[tuple[str, str], ...]:
        for trouble in troubles:
            raise trouble
        return ()

    trail = AuditTrail("catalog", stub, metadata, FixedClock(NOW))
    # Several kinds of failure; each would end a sender that did not catch it.
    for _ in range(4):
        with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
            trail.record(trail.event("entry.read", HER))
    trail.record(trail.event("entry.read", HER))
    assert outcomes(kept) == [*["unanswered"] * 4, "ok"]


def test_reads_of_the_public_are_counted_where_they_are_too_many(log: Any) -> None:
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW), PublicReads(lambda: 0, burst=2))
    nobody = Principal("anonymous", frozenset({Role.PUBLIC}), client_id="portal")
    public, own = (trail.event(Act.FEED_READ_PUBLIC, nobody) for _ in range(5)), trail.event("entry.read", HER)
    assert len({trail.record(event).event_id for event in public}) == len(kept.events) == 3
    assert trail.record(own) is own
    assert json.loads(kept.events[-1])["event_id"] == own.event_id


def test_of_a_query_that_nobody_got_an_answer_to_the_log_says_so(log: Any) -> None:
    """Its event may have come on the log before the call broke off, as `ok`."""
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW))
    kept.fails_after = lambda call: call == 1
    lost = trail.event("submission.read", HER, entries=["XZXK"], details={"submission_id": "sub-00001"})
    with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        trail.record(lost)
    trail.record(trail.event("submission.read", HER))
    ok, unanswered, answered = (json.loads(event) for event in kept.events)
    assert [e["outcome"] for e in (ok, unanswered, answered)] == ["ok", "unanswered", "ok"]
    assert unanswered["details"] == {"event_id": ok["event_id"]} == {"event_id": lost.event_id}
    assert [unanswered[name] for name in ("act", "actor", "entries", "request_id")] == [
        ok[name] for name in ("act", "actor", "entries", "request_id")
    ]
    # Once, and not again.
    trail.record(trail.event("submission.read", HER))
    assert len(kept.events) == 4


def test_what_could_not_be_told_is_told_later_and_what_the_log_never_takes_is_not(log: Any) -> None:
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW))
    kept.fails_before = lambda call: call <= 2
    for _ in range(2):
        with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
            trail.record(trail.event("entry.read", HER))
    never = trail.event("entry.read", HER)
    kept.refused.add(never.encode())
    with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        trail.record(never)
    trail.record(trail.event("entry.read", HER))
    assert outcomes(kept) == ["unanswered", "unanswered", "ok"]


def test_a_refusal_is_on_record_or_nothing_is_told(log: Any) -> None:
    kept, stub = log
    trail = AuditTrail("catalog", stub, tuple, FixedClock(NOW))
    from chengxin.errors import ROLE_NOT_ALLOWED

    trail.refused("entry.published", HER, ROLE_NOT_ALLOWED(roles="centre", required="authority"))
    event = json.loads(kept.events[0])
    assert (event["outcome"], event["details"]) == ("refused", {"code": "ROLE_NOT_ALLOWED"})
    kept.fails_before = lambda call: True
    with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        trail.refused("entry.published", HER, ROLE_NOT_ALLOWED(roles="centre", required="authority"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_changes_are_on_record_once_and_in_order_with_a_log_that_comes_and_goes(
    store: Store, log: Any, when: str
) -> None:
    kept, stub = log
    setattr(kept, f"fails_{when}", lambda call: call in (1, 4))
    for n in range(6):
        # Some rows have no events, some several.
        store.transact(
            lambda unit, n=n: [unit.publish("x", n=n)] + [unit.record(f"{n}.{i}".encode()) for i in range(n % 3)]
        )
    relay = Relay(store, stub, tuple)
    relay.start()
    until(lambda: store.position("relay.audit") == 6, "all rows are delivered")
    relay.stop()
    assert relay.ended(20)
    assert kept.events == [b"1.0", b"2.0", b"2.1", b"4.0", b"5.0", b"5.1"]
    # Another process resumes where this one stopped.
    store.transact(lambda unit: unit.record(b"6.0"))
    other = Relay(store, stub, tuple)
    other.start()
    until(lambda: kept.events[-1] == b"6.0", "the new row is delivered")
    other.stop()
    assert other.ended(20)
    assert len(kept.events) == 7


def test_an_event_that_the_log_refuses_holds_up_no_other_and_is_set_aside(store: Store, log: Any) -> None:
    kept, stub = log
    kept.refused = {b"1.1", b"2.0", b"4.0"}
    for n in range(1, 6):
        store.transact(lambda unit, n=n: [unit.record(f"{n}.{i}".encode()) for i in range(3)])
    quarantine = Quarantine(store, FixedClock(NOW))
    relay = Relay(store, stub, tuple, quarantine)
    relay.start()
    until(lambda: store.position("relay.audit") == 5, "all rows are delivered")
    assert kept.events == [
        f"{n}.{i}".encode() for n in range(1, 6) for i in range(3) if f"{n}.{i}".encode() not in kept.refused
    ]
    rows = [to_dict(row) for row in quarantine.rows()]
    assert [(row["feed"], row["name"]) for row in rows] == [("relay.audit", name) for name in ("1.1", "2.0", "4.0")]
    assert rows[0]["reason"] == "INPUT_INVALID entries[1].actor:required"
    assert not quarantine.is_empty()
    assert not relay.nothing_set_aside()
    quarantine.round()
    assert REGISTRY.get_sample_value("chengxin_quarantine_items", {"feed": "relay.audit"}) == 3
    # A log of a later version accepts it.
    kept.refused = {b"4.0"}
    assert [quarantine.retry(row["id"]) for row in rows] == [True, True, False]
    assert {b"1.1", b"2.0"} <= set(kept.events)
    kept.refused = set()
    assert quarantine.retry(rows[2]["id"])
    assert relay.nothing_set_aside()
    relay.stop()
    assert relay.ended(20)


def test_a_log_that_is_away_or_lets_nobody_in_is_asked_again_and_nothing_is_set_aside(store: Store, log: Any) -> None:
    kept, stub = log
    kept.fails_before = lambda call: call <= 1
    kept.away_with = grpc.StatusCode.PERMISSION_DENIED
    store.transact(lambda unit: unit.record(b"1.0"))
    quarantine = Quarantine(store, FixedClock(NOW))
    relay = Relay(store, stub, tuple, quarantine)
    relay.start()
    until(lambda: kept.events == [b"1.0"], "it is delivered")
    assert quarantine.is_empty()
    relay.stop()
    assert relay.ended(20)
