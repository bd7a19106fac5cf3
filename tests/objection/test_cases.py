"""The state machine: any acts in any order leave a case valid by the regulation (Art. 23 to 27)."""

from collections.abc import Callable
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
from services.objection.domain.challenged_records import ChallengedRecord, Correction
from services.objection.domain.deadlines import CaseTimetable, DeadlineRules, Step
from services.objection.domain.evidence import Attachment, numbered
from services.objection.store.case_mapper import case_row, read_case

RULES = guideline.REGULATION
WEEKENDS = WorkCalendar([CalendarYear(year, year < 2027, frozenset(), frozenset()) for year in range(2026, 2031)])
TIMETABLE = CaseTimetable(RULES, WEEKENDS)
START = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
LICENCE = ChallengedRecord("r_licence", "s_company", 1, "XZXK", 1, "11000000000000027K", "市场监管局")
FILES = [Attachment("a.txt", "text/plain", b"a"), Attachment("b.txt", "text/plain", b"b")]

Act = Callable[[Case, datetime], Case]


def new_case() -> Case:
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
    "correct": lambda c, at: c.correction_seen(Correction(2, False, at)),
    "revoke": lambda c, at: c.correction_seen(Correction(3, True, at)),
    "decide corrected": lambda c, at: c.decided(CaseOutcome.CORRECTED, "已更正", at),
    "decide upheld": lambda c, at: c.decided(CaseOutcome.UPHELD, "维持", at),
    "withdraw": lambda c, at: c.withdrawn(at),
    "recount": lambda c, at: c.rescheduled(TIMETABLE),
}
FOLLOWS = {
    CaseState.FILED: {CaseState.SUPPLEMENT_REQUESTED, CaseState.ACCEPTED, CaseState.REFUSED},
    CaseState.SUPPLEMENT_REQUESTED: {CaseState.FILED},
    CaseState.ACCEPTED: {CaseState.SYSTEM_FAULT, CaseState.PROVIDER_NOTIFIED},
    CaseState.SYSTEM_FAULT: {CaseState.CORRECTED},
    CaseState.PROVIDER_NOTIFIED: {CaseState.ANSWERED_WRONG, CaseState.ANSWERED_RIGHT},
    CaseState.ANSWERED_WRONG: {CaseState.CORRECTED},
    CaseState.ANSWERED_RIGHT: {CaseState.CORRECTED, CaseState.UPHELD},
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


def tried(act: Act, case: Case, at: datetime) -> Case:
    try:
        return act(case, at)
    except Problem:
        return case


# Which act comes next, among those that would change the case or among all; after how many days.
STEPS = st.lists(st.tuples(st.integers(0, 99), st.booleans(), st.integers(0, 9)), max_size=14)


@settings(max_examples=300)
@given(STEPS)
def test_no_act_leaves_an_invalid_case_and_no_repeat_changes_one(steps: list[tuple[int, bool, int]]) -> None:
    case, at = new_case(), START
    for choice, possible_only, days in steps:
        at += timedelta(days=days)
        before = case
        acts = [a for a in ACTS.values() if tried(a, before, at) is not before] if possible_only else []
        act = (acts or list(ACTS.values()))[choice % len(acts or ACTS)]
        case = tried(act, before, at)
        must_be_valid(case)
        assert case.version == before.version + (case is not before)
        # A repeated click, later, changes nothing.
        assert tried(act, case, at + timedelta(days=1)) is case
        if not before.open:
            assert case is before
        keys = KeyRing({1: b"k" * 32})
        assert read_case(case_row(case, keys), keys) == case


def test_every_state_can_be_reached() -> None:
    reached, found = {CaseState.FILED}, [new_case()]
    while found:
        case = found.pop()
        for act in ACTS.values():
            after = tried(act, case, START + timedelta(hours=case.version))
            if after is not case and len(after.history) + after.version < 14:
                reached.add(after.state)
                found.append(after)
    assert reached == set(CaseState)


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


def test_a_late_amendment_does_not_replace_a_newer_one() -> None:
    case: Any = new_case().correction_seen(Correction(3, True, START))
    assert case.correction_seen(Correction(2, False, START)) is case
    assert case.correction_seen(Correction(1, False, START)) is case
