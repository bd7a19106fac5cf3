"""Concurrent queries are read and put on record together, and each still has its own answer (decision 29)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chengxin.concurrency.coalescing import Coalescer
from chengxin.errors import Problem
from chengxin.store.deadlines import within
from tests.disclosure.running_disclosure import LI_NA, RunningDisclosure
from tests.support import until

STRANGER = "441702189202020014"
PEOPLE = {LI_NA: "李娜", "441702189303030019": "王强", "441702189404040013": "张伟", STRANGER: ""}


def fined(city: RunningDisclosure) -> None:
    for number, name in PEOPLE.items():
        if name:
            city.delivers(city.record("CFGR", number, name, f"fine{number}", CF_WSH=number[-4:], CF_GSJZQ="2027-11-20"))


def test_each_is_answered_with_its_own_records_and_has_an_event_of_its_own(city: RunningDisclosure) -> None:
    fined(city)
    before = len(city.audit.events)

    def ask(number: str) -> None:
        answer = city.person(number).get("/v1/me/records")
        assert answer.status_code == 200
        assert answer.json["subject"]["subject_ref"] == city.ref(number)
        assert answer.json["subject"]["name"] == PEOPLE[number]
        assert [r["items"]["CF_XDR_ZJHM"] for r in answer.json["records"]] == [number] * bool(PEOPLE[number])
        told[answer.json["audit_event_id"]] = number

    told: dict[str, str] = {}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, [number for _ in range(40) for number in PEOPLE]))
    events = city.audit.events[before:]
    assert {e["event_id"]: e["subject_refs"] for e in events} == {i: [city.ref(number)] for i, number in told.items()}
    assert len(events) == 160


def test_subjects_that_are_asked_for_together_are_one_read(city: RunningDisclosure) -> None:
    fined(city)
    store = city.ctx.store
    groups: list[list[str]] = []
    held = threading.Event()

    def read(refs, seconds):  # type: ignore[no-untyped-def]
        groups.append(list(refs))
        assert held.wait(10)
        return store._rows_of(refs, seconds)

    store._heads = Coalescer(read, 16, company=0)
    asked = [city.ref(number) for number in (*PEOPLE, LI_NA)]
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(store.head, city.ref(LI_NA))
        until(lambda: len(groups) == 1, "one is read")
        others = [pool.submit(store.head, ref) for ref in asked]
        until(lambda: len(store._heads._waiting) == len(asked), "all wait")
        held.set()
        heads = [found.result(10) for found in (first, *others)]
    assert [sorted(group) for group in groups] == [[city.ref(LI_NA)], sorted(asked)]
    assert [head and head.ref for head in heads] == [
        None if ref == city.ref(STRANGER) else ref for ref in (city.ref(LI_NA), *asked)
    ]


def test_whoever_waits_for_a_read_that_does_not_end_is_told_so_in_time(city: RunningDisclosure) -> None:
    store = city.ctx.store
    held = threading.Event()
    store._heads = Coalescer(lambda refs, seconds: [None] * (len(refs) * held.wait(10)), 16, company=0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.head, city.ref(LI_NA))
        until(lambda: store._heads._led and not store._heads._waiting, "one is at it")
        with within(0.2), pytest.raises(Problem, match="STORE_UNAVAILABLE"):
            store.head(city.ref(STRANGER))
        held.set()
        assert first.result(10) is None


def test_when_the_log_is_away_all_who_wait_are_refused(city: RunningDisclosure) -> None:
    fined(city)
    city.audit.away = True
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: city.person(number).get("/v1/me/records"), [*PEOPLE] * 4))
    assert {(a.status_code, a.json["code"]) for a in answers} == {(503, "AUDIT_UNAVAILABLE")}
    assert not any("CF_XDR_ZJHM" in a.text for a in answers)
