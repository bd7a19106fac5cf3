"""Reads by callers without proof: each on record, and in a flood counted; nothing is answered that no event stands for."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chengxin.audit.event import AuditEvent
from chengxin.audit.public_reads import PublicReads
from chengxin.auth.principal import Principal, Role
from chengxin.errors import AUDIT_UNAVAILABLE, Problem
from chengxin.values.acts import Act

NOBODY = Principal("anonymous", frozenset({Role.PUBLIC}), client_id="portal")
PORTAL = Principal("a-portal", frozenset({Role.PUBLIC}), client_id="a-portal")


class ReadFlood:
    """Reads against a log, by a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[AuditEvent] = []
        self.away = False
        self.reads = PublicReads(lambda: self.now, burst=3)

    def append(self, event: AuditEvent) -> None:
        if self.away:
            raise AUDIT_UNAVAILABLE(retry_after=1)
        self.log.append(event)

    def read(self, ref: str = "s_a", actor: Principal = NOBODY, **what: Any) -> AuditEvent:
        act = what.pop("act", Act.RECORD_QUERIED_PUBLIC)
        event = AuditEvent("disclosure", act, actor, "2026-11-24T00:00:00Z", subject_refs=[ref], **what)
        stands = self.reads.record(event, self.append)
        assert stands in self.log
        return stands


@pytest.fixture
def flood() -> ReadFlood:
    return ReadFlood()


def test_each_read_has_its_event_while_they_are_few(flood: ReadFlood) -> None:
    assert len({flood.read().event_id for _ in range(3)}) == 3
    flood.now = 60
    assert flood.read().details == {}
    assert len(flood.log) == 4


def test_a_flood_of_reads_adds_one_event_a_minute_of_each_kind(flood: ReadFlood) -> None:
    with ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(lambda n: flood.read(f"s_{n}").event_id, range(500)))
    assert len(flood.log) == 4
    assert answered.count(flood.log[-1].event_id) == 497
    assert flood.log[-1].details == {"counted_seconds": 60}
    flood.read(act=Act.SUBJECT_SEARCHED_PUBLIC)
    flood.read(outcome="refused", details={"code": "ROLE_NOT_ALLOWED"})
    assert [e.details.get("code") for e in flood.log[4:]] == [None, "ROLE_NOT_ALLOWED"]


def test_the_next_event_says_how_many_and_of_whom(flood: ReadFlood) -> None:
    for n in range(10):
        flood.read(f"s_{n}")
    flood.now = 30.0
    # It is time for an event of its own again; the count goes on until its minute is over.
    assert flood.read("s_own").details == {}
    flood.now = 90.0
    told = flood.read("s_next")
    assert told.details == {"counted": 6}
    assert list(told.subject_refs) == ["s_next", *(f"s_{n}" for n in range(4, 10))]
    assert flood.read().details == {}


def test_a_flood_that_goes_on_is_told_minute_by_minute(flood: ReadFlood) -> None:
    flood.reads = PublicReads(lambda: flood.now, burst=1)
    flood.reads._budget.spend(NOBODY.claimant, 10**6)
    for minute in range(3):
        flood.now = minute * 60.0
        for _ in range(5):
            flood.read()
    counted = {"counted_seconds": 60}
    assert [e.details for e in flood.log] == [counted, counted | {"counted": 4}, counted | {"counted": 4}]


def test_one_flooder_does_not_take_the_events_of_another_caller(flood: ReadFlood) -> None:
    for _ in range(10):
        flood.read()
    assert flood.read(actor=PORTAL).details == {}
    assert flood.log[-1].actor == PORTAL


def test_without_the_log_nothing_is_answered_and_with_it_again_it_is(flood: ReadFlood) -> None:
    for _ in range(3):
        flood.read()
    flood.away = True
    for _ in range(3):
        with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
            flood.read()
    flood.away = False
    assert flood.read().details == {"counted_seconds": 60}
