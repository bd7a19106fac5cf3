"""Every command of an officer says what power it is, and what it says holds: derived from the registry of rules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chengxin.auth.executor import command
from chengxin.auth.policy import PowerNotDeclared
from chengxin.auth.powers import ADMINISTRATORS, CITY, OWN, Power, Scope, one
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import all_of, is_regional, of_the_city, within
from chengxin.errors import Problem
from chengxin.proposals.decisions import APPROVALS
from chengxin.values.acts import Act
from tests.chengxin.auth.use_cases import USE_CASES, StoreContext, named

OFFICERS_COMMANDS = [u for u in USE_CASES if u.rule.changes and u.rule.roles & ADMINISTRATORS]
DECLARED = [u for u in OFFICERS_COMMANDS if u.rule.power is not None]
ACTS_OF_TWO = {u.rule.act: u for u in DECLARED if u.rule.power.officers.number == 2}
COUNTY, ANOTHER_COUNTY = "441702", "441703"
DONE = Power(OWN, one("a test"), "nobody")


def officer(use_case: Any, region: str) -> Principal:
    role = sorted(use_case.rule.roles & ADMINISTRATORS)[0]
    return Principal("officer:li", frozenset({role}), region=region)


@within
def of_the_thing(_ctx: object, _thing: object, *_: object, **__: object) -> str:
    """the thing's region lies within the officer's"""
    return ANOTHER_COUNTY


def test_every_command_of_an_officer_says_what_power_it_is() -> None:
    assert [named(u) for u in OFFICERS_COMMANDS if u.rule.power is None] == []
    assert all(u.rule.power.told and u.rule.power.officers.reason for u in DECLARED)
    assert all(u.rule.power.region.reason for u in DECLARED if u.rule.power.region.scope is Scope.ANY)


def test_a_command_without_its_power_is_not_even_imported() -> None:
    with pytest.raises(PowerNotDeclared, match="power="):

        @command(Act.CLIENT_SUSPENDED, roles={Role.CENTRE}, articles=("17",))
        def suspend(ctx: StoreContext, caller: Principal) -> None:
            """Suspends."""


def test_a_power_in_ones_own_region_that_nothing_judges_is_not_even_imported() -> None:
    with pytest.raises(PowerNotDeclared, match="judges"):

        @command(Act.CLIENT_SUSPENDED, roles={Role.CENTRE}, articles=("17",), power=DONE)
        def suspend(ctx: StoreContext, caller: Principal) -> None:
            """Suspends."""


def test_what_no_officer_runs_has_no_power_to_declare() -> None:
    @command(Act.CONSENT_WITHDRAWN, roles={Role.SUBJECT, Role.PROVIDER}, articles=("16",))
    def withdraw(ctx: StoreContext, caller: Principal) -> None:
        """Withdraws."""

    assert withdraw.rule.power is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("use_case", [u for u in DECLARED if u.rule.power.region is CITY], ids=named)
def test_what_is_the_whole_citys_is_not_a_countys(use_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_case, "__wrapped__", lambda *_: pytest.fail("it ran"))
    ctx, caller = StoreContext(None), officer(use_case, COUNTY)  # type: ignore[arg-type]
    with pytest.raises(Problem) as refused:
        use_case(ctx, caller)
    assert refused.value.code == "OUTSIDE_REGION"
    assert ctx.audit.seen == [(use_case.rule.act, "OUTSIDE_REGION")]


@pytest.mark.parametrize("use_case", [u for u in DECLARED if u.rule.power.region is OWN], ids=named)
def test_what_is_another_countys_is_judged_by_a_condition_or_the_permission(use_case: Any) -> None:
    rule = use_case.rule
    judges = [check for check in (*rule.conditions, rule.permission) if check is not None and is_regional(check)]
    assert judges
    # Without them the rule could not be declared.
    without = replace(rule, conditions=(), permission=None)
    assert without.power_fault()


def test_each_act_of_two_officers_can_be_carried_out_and_nothing_else_can() -> None:
    assert APPROVALS.keys() == ACTS_OF_TWO.keys()


@pytest.mark.parametrize("act", sorted(APPROVALS))
def test_the_second_officer_is_judged_by_the_region_as_the_first(act: Act) -> None:
    approval, power = APPROVALS[act], ACTS_OF_TWO[act].rule.power
    assert approval.region.scope is power.region.scope
    assert is_regional(approval.may) or approval.region.scope is not Scope.OWN
    assert approval.approvers <= ADMINISTRATORS


@pytest.mark.parametrize("check", [of_the_thing, all_of(lambda *_: None, of_the_thing)])
def test_an_officer_is_judged_by_the_region_and_others_are_not(check: Callable[..., Problem | None]) -> None:
    def judged(role: Role, region: str) -> bool:
        return check(None, Principal("x", frozenset({role}), region=region), "a thing") is not None

    assert [judged(Role.CENTRE, region) for region in ("", "441700", ANOTHER_COUNTY, COUNTY)] == [
        False,
        False,
        False,
        True,
    ]
    assert not judged(Role.PROVIDER, COUNTY)
    assert is_regional(check)
    assert not is_regional(of_the_city)
