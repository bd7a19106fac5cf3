"""The state machine: any acts in any order leave a case valid by the regulation (Art. 23 to 27)."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.errors import Problem
from chengxin.store.field_encryption import KeyRing
from chengxin.values.clock import shanghai_date
from chengxin.values.ids import is_objection_no
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.objection.domain import cases, guideline
from services.objection.domain.case_states import CLOSED, CaseOutcome, CaseState, CentreFinding, ProviderFinding
from services.objection.domain.cases import Case
from services.objection.domain.challenged_records import ChallengedRecord, Correction, LaterVersion, RecordHead
from services.objection.domain.deadlines import CaseTimetable, DeadlineRules, Step
from services.objection.domain.evidence import Attachment, numbered
from services.objection.store.case_mapper import case_row, read_case

RULES = guideline.REGULATION
WEEKENDS = WorkCalendar([CalendarYear(year, year < 2027, frozenset(), frozenset()) for year in range(2026, 2031)])
TIMETABLE = CaseTimetable(RULES, WEEKENDS)
START = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
LICENCE = ChallengedRecord("r_licence", "s_company", 1, "XZXK", 1, "11000000000000027K", "市场监管局")
FILES = [Attachment("a.txt", "text/plain", b"a"), Attachment("b.txt", "text/plain", b"b")]

# A record at ingest that is as it was objected to.
UNCHANGED = RecordHead(LICENCE, revoked=False)


@dataclass(frozen=True)
class World:
    """A case, and its record as ingest has it."""

    case: Case
    head: RecordHead = UNCHANGED

    def gets_version(self, at: datetime, items: tuple[str, ...] = (), *, revoked: bool = False) -> "World":
        """The record changes, and the case has not heard of it."""
        record = replace(self.head.record, record_version=self.head.record.record_version + 1)
        changed = self.head.changed_items | set(items)
        return replace(self, head=RecordHead(record, self.head.revoked or revoked, changed))

    def hears(self, at: datetime, *, named: bool) -> "World":
        """The feed tells the case of the record's version."""
        version, revoked = self.head.record.record_version, self.head.revoked
        correction = Correction(version, revoked, at) if named else None
        return replace(self, case=self.case.change_seen(LaterVersion(version, revoked, at, "更正"), correction))


Act = Callable[[Case, datetime], Case]


def new_case() -> Case:
    """A case about one item of the licence."""
    evidence = numbered(FILES[:1], ["file_a"], 0, START)
    return cases.filed("YY-20261124-0001", LICENCE, ["XK_NR"], "许可内容与证书不符", evidence, START, TIMETABLE)


ACTS: dict[str, Act] = {
    "accept": lambda c, at: c.accepted(at, TIMETABLE),
    "refuse": lambda c, at: c.refused("不属于异议", at),
    "request supplement": lambda c, at: c.supplement_requested(["证书"], at),
    "request another": lambda c, at: c.supplement_requested(["授权书"], at),
    "supplement": lambda c, at: c.supplemented(
        "补交", numbered(FILES[1:], ["file_b"], len(c.evidence), at), at, TIMETABLE
    ),
    "find own fault": lambda c, at: c.verified(CentreFinding.SYSTEM_FAULT, "截断", at, TIMETABLE),
    "find consistent": lambda c, at: c.verified(CentreFinding.CONSISTENT_WITH_SOURCE, "一致", at, TIMETABLE),
    "extend": lambda c, at: c.given_more_time("复杂", at, TIMETABLE),
    "answer wrong": lambda c, at: c.answered(ProviderFinding.WRONG, "", at, TIMETABLE),
    "answer right": lambda c, at: c.answered(ProviderFinding.RIGHT, "档案", at, TIMETABLE),
    "retract step": lambda c, at: c.step_retracted("点错", at, TIMETABLE),
    "retract answer": lambda c, at: c.answer_retracted("点错", at, TIMETABLE),
    "withdraw": lambda c, at: c.withdrawn(at),
    "recount": lambda c, at: c.rescheduled(TIMETABLE),
}
# The acts of the applicant: nobody else has to wait for them.
APPLICANTS = {"supplement", "withdraw"}
DECISIONS: dict[str, Callable[[World, datetime], Case]] = {
    "decide corrected": lambda w, at: w.case.decided(CaseOutcome.CORRECTED, "已更正", at, w.head),
    "decide upheld": lambda w, at: w.case.decided(CaseOutcome.UPHELD, "维持", at, w.head),
}
CHANGES: dict[str, Callable[[World, datetime], World]] = {
    "correct": lambda w, at: w.gets_version(at, ("XK_NR",)).hears(at, named=True),
    "amend": lambda w, at: w.gets_version(at, ("XK_NR",)).hears(at, named=False),
    "amend another item": lambda w, at: w.gets_version(at, ("XK_WSH",)).hears(at, named=False),
    "amend, not heard of yet": lambda w, at: w.gets_version(at, ("XK_NR",)),
    "revoke": lambda w, at: w.gets_version(at, revoked=True).hears(at, named=False),
    "revoke, not heard of yet": lambda w, at: w.gets_version(at, revoked=True),
}


def on_case(act: Act) -> Callable[[World, datetime], World]:
    return lambda world, at: replace(world, case=act(world.case, at))


def on_both(decide: Callable[[World, datetime], Case]) -> Callable[[World, datetime], World]:
    return lambda world, at: replace(world, case=decide(world, at))


EVERYTHING = (
    {name: on_case(act) for name, act in ACTS.items()}
    | {name: on_both(act) for name, act in DECISIONS.items()}
    | CHANGES
)
FOLLOWS = {
    CaseState.FILED: {CaseState.SUPPLEMENT_REQUESTED, CaseState.ACCEPTED, CaseState.REFUSED},
    CaseState.SUPPLEMENT_REQUESTED: {CaseState.FILED},
    CaseState.ACCEPTED: {CaseState.SYSTEM_FAULT, CaseState.PROVIDER_NOTIFIED},
    CaseState.SYSTEM_FAULT: {CaseState.CORRECTED, CaseState.ACCEPTED},
    CaseState.PROVIDER_NOTIFIED: {CaseState.ANSWERED_WRONG, CaseState.ANSWERED_RIGHT},
    CaseState.ANSWERED_WRONG: {CaseState.CORRECTED, CaseState.PROVIDER_NOTIFIED},
    CaseState.ANSWERED_RIGHT: {CaseState.CORRECTED, CaseState.UPHELD, CaseState.PROVIDER_NOTIFIED},
}
# The period that runs in a state.
RUNS = {
    CaseState.FILED: Step.ACCEPTANCE,
    CaseState.ACCEPTED: Step.VERIFICATION,
    CaseState.PROVIDER_NOTIFIED: Step.ANSWER,
    CaseState.SYSTEM_FAULT: Step.CONCLUSION,
    CaseState.ANSWERED_WRONG: Step.CONCLUSION,
    CaseState.ANSWERED_RIGHT: Step.CONCLUSION,
}


def must_be_valid(case: Case) -> None:
    """What holds of every case at any time."""
    states = [m.state for m in case.history]
    assert states[0] is CaseState.FILED
    assert states[-1] is case.state
    for before, after in pairwise(states):
        assert after in FOLLOWS.get(before, set()) | {CaseState.WITHDRAWN}, (before, after)
    assert states.count(CaseState.SUPPLEMENT_REQUESTED) <= 1
    assert [m.at for m in case.history] == sorted(m.at for m in case.history)
    # One period runs, the one of the state; none of a closed case.
    assert all(p.done_on is not None for p in case.periods[:-1])
    assert (case.running.step if case.running else None) is RUNS.get(case.state)
    assert case.open == (case.state not in CLOSED)
    for period in case.periods:
        assert period.start < period.due
        assert period.done_on is None or period.done_on >= period.start
    if case.state is CaseState.CORRECTED:
        assert case.correction is not None
        assert case.correction.record_version > case.record.record_version
    if case.state is CaseState.UPHELD:
        assert case.correction is None
        assert case.answer_evidence
    if case.state is CaseState.REFUSED:
        assert case.refusal_reason
    assert [e.number for e in case.evidence] == list(range(1, len(case.evidence) + 1))


def tried(act: Callable[[World, datetime], World], world: World, at: datetime) -> World:
    try:
        return act(world, at)
    except Problem:
        return world


# Which act comes next, among those that would change the case or among all; after how many days.
STEPS = st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.integers(0, 9)), max_size=14)


@settings(max_examples=300)
@given(STEPS)
def test_no_act_leaves_an_invalid_case_and_no_repeat_changes_one(steps: list[tuple[int, bool, int]]) -> None:
    world, at = World(new_case()), START
    for choice, possible_only, days in steps:
        at += timedelta(days=days)
        before = world
        names = list(EVERYTHING)
        if possible_only:
            names = [n for n in names if tried(EVERYTHING[n], before, at).case is not before.case] or names
        name = names[choice % len(names)]
        world = tried(EVERYTHING[name], before, at)
        case = world.case
        must_be_valid(case)
        assert case.version == before.case.version + (case is not before.case)
        if case.state is CaseState.UPHELD and before.case.open:
            assert not before.head.revoked
            assert "XK_NR" not in before.head.changed_items
        # A repeated click, later, changes nothing; nor does a repeated message.
        if name not in CHANGES:
            assert tried(EVERYTHING[name], world, at + timedelta(days=1)).case is case
        elif case.record_changes:
            assert case.change_seen(case.record_changes[-1], Correction(9, True, at)) is case
        if not before.case.open:
            assert case is before.case
        keys = KeyRing({1: b"k" * 32})
        assert read_case(case_row(case, keys), keys) == case


def situation(world: World) -> tuple[Any, ...]:
    """All that decides which acts are possible: worlds that agree in it go on alike."""
    case, head = world.case, world.head
    record = (head.revoked, head.differs_in(case.items), case.correction is None)
    return (case.state, bool(case.missing), case.extended, *record)


def test_every_state_can_be_reached_and_left_by_those_who_handle_the_case() -> None:
    follows: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}
    found = [World(new_case())]
    while found:
        world = found.pop()
        if (now := situation(world)) in follows:
            continue
        at = START + timedelta(hours=world.case.version + world.head.record.record_version)
        after = {name: tried(act, world, at) for name, act in EVERYTHING.items()}
        found += after.values()
        if world.case.open and after["decide upheld"].case.state is CaseState.UPHELD:
            assert (world.head.revoked, "XK_NR" in world.head.changed_items) == (False, False)
        # The record may change no more, and the applicant may keep silent.
        follows[now] = {situation(w) for name, w in after.items() if name not in APPLICANTS | CHANGES.keys()}
    assert {now[0] for now in follows} == set(CaseState)
    ending = {now for now in follows if now[0] in CLOSED}
    while more := {now for now in follows.keys() - ending if follows[now] & ending}:
        ending |= more
    assert follows.keys() == ending


@given(st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.sampled_from(list(Step)))
def test_a_period_has_as_many_working_days_as_the_rules_say(start: date, step: Step) -> None:
    period = TIMETABLE.period(step, start)
    days = [start + timedelta(days=n) for n in range(1, (period.due - start).days + 1)]
    assert sum(map(WEEKENDS.is_working_day, days)) == RULES.working_days(step)
    assert WEEKENDS.is_working_day(period.due)
    assert not period.late(period.due)
    assert period.late(period.due + timedelta(days=1))
    assert not period.done(period.due).late(period.due + timedelta(days=99))


def test_a_rule_that_is_not_there_is_not_guessed() -> None:
    with pytest.raises(Problem, match="DEADLINE_UNKNOWN"):
        DeadlineRules(2, {}).working_days(Step.ANSWER)


@pytest.mark.parametrize(
    ("challenged", "again", "covered"),
    [(["A"], ["A", "B"], True), (["A"], ["B"], False), ([], ["B"], True), (["A"], [], True)],
)
def test_what_a_case_is_about(challenged: list[str], again: list[str], covered: bool) -> None:
    case = cases.filed("YY-1", LICENCE, challenged, "x", (), START, TIMETABLE)
    assert case.covers(again) is covered


def test_numbers_are_quoted_by_day() -> None:
    assert cases.case_number(shanghai_date(START), 12) == "YY-20261124-0012"
    assert cases.case_number(shanghai_date(START), 12345) == "YY-20261124-12345"
    assert is_objection_no("YY-20261124-0012")
    assert is_objection_no("YY-20261124-12345")
    assert not is_objection_no("YY-20991399-0005")


def test_a_late_amendment_does_not_replace_a_newer_one() -> None:
    case = new_case().change_seen(LaterVersion(3, True, START, "x"), Correction(3, True, START))
    for version in (2, 1):
        late = LaterVersion(version, False, START, "x")
        assert case.change_seen(late, Correction(version, False, START)) is case


def test_a_time_that_is_taken_up_again_ends_when_it_would_have_ended() -> None:
    case = ACTS["find own fault"](ACTS["accept"](new_case(), START), START)
    again = case.step_retracted("点错", START + timedelta(days=30), TIMETABLE)
    assert again.running == replace(case.periods[-2], done_on=None)
    assert [(r.state, r.reason, r.said) for r in again.retractions] == [(CaseState.SYSTEM_FAULT, "点错", "截断")]


def test_a_case_of_the_last_version_goes_on() -> None:
    keys = KeyRing({1: b"k" * 32})
    row = case_row(new_case(), keys)
    words = json.loads(keys.decrypt(row["words"], f"objection.words:{row['_id']}"))
    for name in ("record_changes", "retractions"):
        del row[name]
    for name in ("change_reasons", "retractions"):
        del words[name]
    row["words"] = keys.encrypt(json.dumps(words), f"objection.words:{row['_id']}")
    assert read_case(row, keys) == new_case()


def test_a_case_keeps_no_more_changes_and_retractions_than_fit_its_document() -> None:
    world = World(new_case().accepted(START, TIMETABLE))
    for _ in range(cases.MOST_CHANGES + 50):
        world = world.gets_version(START, ("XK_WSH",)).hears(START, named=False)
    kept = [change.record_version for change in world.case.record_changes]
    assert kept == list(range(52, 52 + cases.MOST_CHANGES))
    case = world.case
    for number in range(cases.MOST_RETRACTIONS):
        case = case.verified(CentreFinding.SYSTEM_FAULT, "截断", START, TIMETABLE)
        case = case.step_retracted(f"点错 {number}", START, TIMETABLE)
    case = case.verified(CentreFinding.SYSTEM_FAULT, "截断", START, TIMETABLE)
    with pytest.raises(Problem) as refused:
        case.step_retracted("又点错", START, TIMETABLE)
    assert refused.value.code == "RETRACTED_TOO_OFTEN"
    assert case.decided(CaseOutcome.CORRECTED, "已更正", START, RecordHead(LICENCE, revoked=True)).outcome
