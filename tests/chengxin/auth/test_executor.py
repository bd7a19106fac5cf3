"""A use case that forgets its audit event changes nothing and answers nothing, whichever it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chengxin.auth.executor import command, open_command, query
from chengxin.auth.policy import declared_rules
from chengxin.auth.principal import Assurance, Principal, Role
from chengxin.errors import ROLE_NOT_ALLOWED, Problem
from chengxin.store import on_record
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import NotAuthorised, NotOnRecord, NotReadOnly
from chengxin.values.acts import Act
from tests.chengxin.auth.use_cases import COMMANDS, RECORDED, SUBJECT, USE_CASES, StoreContext, allowed, named


def test_all_use_cases_are_known() -> None:
    assert len(USE_CASES) > 140
    assert {u.rule for u in USE_CASES} <= set(declared_rules())


def test_a_use_case_asks_for_a_role_or_says_why_it_is_open_to_all() -> None:
    assert all(bool(u.rule.roles) != bool(u.rule.open_to_all) for u in USE_CASES)


def test_what_proves_who_a_caller_is_has_an_account_as_everything_else_has() -> None:
    assert {named(u).removeprefix("gateway.usecases.") for u in USE_CASES if u.rule.open_to_all} == {
        "counter_verification.exchange",
        "issue_token.issue",
        "officer_sign_in.sign_in",
        "oidc_relying_party.begin",
        "oidc_relying_party.finish",
        "revocation.revoke",
        "verify_identity.identify",
    }


@pytest.mark.parametrize("use_case", RECORDED, ids=named)
def test_no_answer_without_an_event(use_case: Any, ctx: StoreContext, replaced: Any) -> None:
    replaced(use_case, lambda ctx, caller: "the answer")
    with pytest.raises(NotOnRecord, match=use_case.rule.act):
        use_case(ctx, allowed(use_case))


@pytest.mark.parametrize("use_case", COMMANDS, ids=named)
def test_no_commit_without_an_event(use_case: Any, ctx: StoreContext, replaced: Any) -> None:
    def forget(ctx: StoreContext, caller: Principal) -> None:
        ctx.store.transact(
            lambda unit: unit.session.client.get_database(ctx.store.db.name)["things"].insert_one(
                {"by": use_case.rule.act}, session=unit.session
            )
        )

    replaced(use_case, forget)
    with pytest.raises(NotOnRecord, match=use_case.rule.act):
        use_case(ctx, allowed(use_case))
    assert ctx.store.db["things"].count_documents({}) == 0


@pytest.mark.parametrize("use_case", [u for u in USE_CASES if not u.rule.open_to_all], ids=named)
def test_who_is_not_let_in_is_on_record_and_nothing_is_done(use_case: Any, ctx: StoreContext, replaced: Any) -> None:
    replaced(use_case, lambda ctx, caller: pytest.fail("it ran"))
    with pytest.raises(Problem) as refused:
        use_case(ctx, Principal("s_1", frozenset()))
    assert refused.value.code == "ROLE_NOT_ALLOWED"
    assert ctx.audit.seen == [(use_case.rule.act, "ROLE_NOT_ALLOWED")]


@pytest.mark.parametrize("use_case", [u for u in USE_CASES if u.rule.permission], ids=named)
def test_nothing_is_done_to_what_the_rule_was_not_asked_about(use_case: Any, ctx: StoreContext, replaced: Any) -> None:
    def forget(ctx: StoreContext, caller: Principal) -> object:
        if use_case.rule.changes:
            return ctx.store.transact(lambda unit: unit.record(b"event"))
        return on_record.enter(1)

    before = len(ctx.store.rows(0))
    rule = use_case.rule
    replaced(use_case, forget)
    use_case.rule = replace(use_case.rule, permission=rule.permission)
    with pytest.raises(NotAuthorised, match=rule.act):
        use_case(ctx, allowed(use_case))
    assert len(ctx.store.rows(0)) == before


def own(ctx: StoreContext, caller: Principal, owner: str | None, name: str) -> Problem | None:
    """Only the owner."""
    return None if owner == caller.sub else ROLE_NOT_ALLOWED(roles=name, required="-")


@command(Act.CONSENT_WITHDRAWN, roles={Role.SUBJECT}, articles=("16",), may=own)
def change_own(ctx: StoreContext, caller: Principal, *owners: str) -> None:
    """Changes things, each in a transaction of its own."""

    def work(unit: UnitOfWork, owner: str) -> None:
        if owner:
            on_record.authorise(owner, "thing")
        unit.record(b"event")

    for owner in owners:
        ctx.store.transact(lambda unit, owner=owner: work(unit, owner))


def test_a_refusal_of_what_was_loaded_is_on_record_and_nothing_is_done(ctx: StoreContext) -> None:
    before = len(ctx.store.rows(0))
    with pytest.raises(Problem, match="ROLE_NOT_ALLOWED"):
        change_own(ctx, SUBJECT, "somebody else")
    assert ctx.audit.seen == [(Act.CONSENT_WITHDRAWN, "ROLE_NOT_ALLOWED")]
    assert len(ctx.store.rows(0)) == before


def test_each_transaction_asks_about_what_it_acts_on(ctx: StoreContext) -> None:
    before = len(ctx.store.rows(0))
    with pytest.raises(NotAuthorised):
        change_own(ctx, SUBJECT, "s_1", "")
    assert len(ctx.store.rows(0)) == before + 1


def test_what_no_rule_judges_is_not_authorised(ctx: StoreContext) -> None:
    with pytest.raises(NotAuthorised, match="may="):
        change(ctx, SUBJECT, lambda unit: on_record.authorise("thing"))


def test_after_a_refusal_nothing_is_done_even_by_who_goes_on(ctx: StoreContext) -> None:
    def go_on(unit: UnitOfWork) -> None:
        on_record.authorise("s_1", "thing")
        with pytest.raises(Problem):
            on_record.authorise("somebody else", "thing")
        unit.record(b"event")

    before = len(ctx.store.rows(0))
    with pytest.raises(NotAuthorised):
        work_on_own(ctx, SUBJECT, go_on)
    assert len(ctx.store.rows(0)) == before


@command(Act.CONSENT_WITHDRAWN, roles={Role.SUBJECT}, articles=("16",), may=own)
def work_on_own(ctx: StoreContext, caller: Principal, work: Callable[[UnitOfWork], Any]) -> Any:
    """Does what `work` does to a thing."""
    return ctx.store.transact(work)


@command(Act.CONSENT_GIVEN, roles={Role.SUBJECT}, articles=("16",), assurance=Assurance.NONE)
def change(ctx: StoreContext, caller: Principal, work: Callable[[UnitOfWork], Any]) -> Any:
    """Changes what `work` changes."""
    return ctx.store.transact(work)


@query(Act.CONSENT_LISTED, roles={Role.SUBJECT}, articles=("16",))
def read_by(ctx: StoreContext, caller: Principal, work: Callable[[], Any]) -> Any:
    """Answers what `work` answers."""
    return work()


def test_a_change_with_its_event_commits(ctx: StoreContext) -> None:
    before = len(ctx.store.rows(0))
    change(ctx, SUBJECT, lambda unit: unit.record(b"event"))
    assert [row.events for row in ctx.store.rows(before)] == [[b"event"]]


def test_what_changes_nothing_says_so(ctx: StoreContext) -> None:
    assert change(ctx, SUBJECT, lambda unit: unit.without_event("nothing changes")) is None


@open_command(Act.OFFICER_SIGNED_IN, articles=("31",), reason="a test")
def sign_in(ctx: StoreContext, caller: Principal, events: int) -> str:
    """Commits something whose event follows, and puts so many events on record."""
    ctx.store.transact(lambda unit: unit.event_follows("it is on record before the answer"))
    on_record.enter(events)
    return "a token"


def test_an_event_may_follow_its_transaction_but_not_the_answer(ctx: StoreContext) -> None:
    nameless = Principal("anonymous", frozenset())
    assert sign_in(ctx, nameless, 1) == "a token"
    with pytest.raises(NotOnRecord, match=Act.OFFICER_SIGNED_IN):
        sign_in(ctx, nameless, 0)


def test_an_event_of_a_use_case_counts_for_the_one_that_called_it(ctx: StoreContext) -> None:
    assert read_by(ctx, SUBJECT, lambda: read_by(ctx, SUBJECT, lambda: on_record.enter(1) or "inner")) == "inner"


def test_an_event_before_or_beside_a_use_case_does_not_count(ctx: StoreContext) -> None:
    on_record.enter(1)
    assert read_by(ctx, SUBJECT, lambda: on_record.enter(1) or "the first")
    with pytest.raises(NotOnRecord):
        read_by(ctx, SUBJECT, lambda: "the second")


def test_a_use_case_within_a_transaction_puts_its_event_into_it(ctx: StoreContext) -> None:
    @command(Act.CORRECTION_SEEN, roles={Role.SUBJECT}, articles=("25",))
    def inner(ctx: StoreContext, caller: Principal, unit: UnitOfWork) -> None:
        unit.record(b"inner")

    before = len(ctx.store.rows(0))
    # A follower's transaction: no use case began it.
    ctx.store.transact(lambda unit: inner(ctx, SUBJECT, unit))
    assert [row.events for row in ctx.store.rows(before)] == [[b"inner"]]


QUERIES = [u for u in USE_CASES if not u.rule.changes]


@pytest.mark.parametrize("use_case", QUERIES, ids=map(named, QUERIES))
def test_a_query_begins_no_transaction(ctx: StoreContext, use_case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def body(ctx: StoreContext, caller: Principal) -> None:
        ctx.store.transact(lambda unit: unit.record(b"event"))

    monkeypatch.setattr(use_case, "__wrapped__", body)
    monkeypatch.setattr(use_case, "rule", replace(use_case.rule, conditions=()))
    with pytest.raises(NotReadOnly):
        use_case(ctx, allowed(use_case))
