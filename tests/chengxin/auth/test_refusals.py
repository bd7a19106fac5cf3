"""Whatever a use case refuses is on record once, with what was asked for."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from chengxin.auth.executor import NAMING, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, NOT_FOUND, ROLE_NOT_ALLOWED, UNAUTHENTICATED, Problem
from chengxin.proposals.proposal import PROPOSAL_DECIDED
from chengxin.store import on_record
from chengxin.values.acts import Act
from tests.chengxin.auth.use_cases import (
    SUBJECT,
    USE_CASES,
    StoreContext,
    allowed,
    named,
)


@pytest.mark.parametrize("use_case", USE_CASES, ids=named)
def test_each_refusal_is_on_record_once(use_case: Any, ctx: StoreContext, replaced: Any) -> None:
    """So is that there is no such thing, and that what is stored stands against it, which both tell of what there is.
    What the rule says is open to all without an event keeps nothing from anybody."""

    def refuse(problem: Problem, events: int) -> Callable[..., None]:
        def body(ctx: StoreContext, caller: Principal) -> None:
            on_record.enter(events)
            raise problem

        return body

    for problem, told in (
        (ROLE_NOT_ALLOWED(roles="", required=""), True),
        (UNAUTHENTICATED(reason=""), True),
        (NOT_FOUND(what="x"), not use_case.rule.unrecorded),
        (PROPOSAL_DECIDED(state="approved"), not use_case.rule.unrecorded),
        (INPUT_INVALID(), False),
    ):
        for events in (0, 1):
            replaced(use_case, refuse(problem, events))
            ctx.audit.seen.clear()
            with pytest.raises(Problem) as refused:
                use_case(ctx, allowed(use_case))
            assert refused.value is problem
            assert ctx.audit.seen == ([(use_case.rule.act, problem.code)] if told and not events else [])


# Parameters that name nothing: contents, secrets, conditions of a list, places in it.
_NOT_NAMING = {
    *("after", "before", "key", "state", "kind", "document", "query", "counter", "origin"),
    *("basis", "evidence", "explanation", "note", "reason", "statement"),
    *("identity_number", "name"),
    # A secret in one use case, and the name of an entry or list in another.
    "code",
    *("cookie", "jti", "token"),
}


def test_what_a_parameter_is_for_is_decided_for_each() -> None:
    texts = {
        name
        for use_case in USE_CASES
        for name, parameter in inspect.signature(use_case.__wrapped__).parameters.items()
        if parameter.annotation in (str, "str")
    }
    assert texts - NAMING == _NOT_NAMING
    assert NAMING - texts == set()


def test_a_refusal_names_what_was_asked_for(ctx: StoreContext) -> None:
    with pytest.raises(Problem):
        read_named(ctx, SUBJECT, "c_1", key="secret")
    with pytest.raises(Problem):
        read_named(ctx, Principal("s_2", frozenset()), consent_id="c_2")
    # Anybody can come without the role, with any words.
    assert ctx.audit.asked == [["c_1"], []]


@query(Act.CONSENT_LISTED, roles={Role.SUBJECT}, articles=("16",))
def read_named(ctx: StoreContext, caller: Principal, consent_id: str, key: str = "") -> None:
    """Finds nothing."""
    raise NOT_FOUND(what=consent_id)
