"""An officer is authorised on what the transaction read: what another officer does in between does not slip through."""

from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.principal import Role
from chengxin.errors import Problem
from chengxin.proposals import decisions
from chengxin.values.jwk import public_jwk
from gateway.domain.separation_of_duties import Grants
from gateway.usecases import client_administration, grants, officer_administration
from tests.gateway.administered_gateway import (
    ELSEWHERE,
    PROVIDER,
    AdministeredGateway,
    named,
)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Callable[[], object]], None]:
    """Has something happen once, right after the next time that a method of a store read."""

    def interrupt(reader: Any, method: str, happens: Callable[[], object]) -> None:
        read, left = getattr(reader, method), [happens]

        def reading(*args: Any) -> Any:
            found = read(*args)
            if left:
                # Another process: it has no account of the use case that is running here.
                Context().run(left.pop())
            return found

        monkeypatch.setattr(reader, method, reading)

    return interrupt


def refused(gateway: AdministeredGateway, act: Callable[[], object]) -> tuple[str, list[dict[str, Any]]]:
    """The code of a refusal, and what went on record of it."""
    with pytest.raises(Problem) as problem:
        act()
    return problem.value.code, [event.details for event in gateway.audit.events if event.outcome == "refused"]


def test_a_client_that_moves_to_another_region_in_between_is_not_suspended(
    gateway: AdministeredGateway, meanwhile: Any
) -> None:
    client = gateway.client()
    meanwhile(gateway.ctx.accounts, "client", lambda: gateway.move(client))
    found = refused(gateway, lambda: client_administration.suspend(gateway.ctx, named("li"), client.client_id))
    assert found == ("OUTSIDE_REGION", [{"code": "OUTSIDE_REGION", "asked": [client.client_id]}])
    stored = gateway.ctx.accounts.client(client.client_id)
    assert stored == replace(client, region=ELSEWHERE)


def test_an_officer_who_moves_to_another_region_in_between_is_not_reset(
    gateway: AdministeredGateway, meanwhile: Any
) -> None:
    officer = gateway.officer()
    meanwhile(gateway.ctx.accounts, "officer", lambda: gateway.move(officer))
    found = refused(gateway, lambda: officer_administration.reset(gateway.ctx, named("li"), officer.username))
    assert found == ("OUTSIDE_REGION", [{"code": "OUTSIDE_REGION", "asked": [officer.username]}])
    assert gateway.ctx.accounts.officer(officer.username) == replace(officer, region=ELSEWHERE)


def test_a_repeat_is_authorised_on_what_is_stored_now(gateway: AdministeredGateway) -> None:
    client = gateway.client()
    added = public_jwk(Ed25519PrivateKey.generate())

    def add() -> dict[str, Any]:
        return client_administration.add_key(gateway.ctx, named("li"), client.client_id, added, key="once")

    assert add() == add()
    gateway.move(client)
    assert refused(gateway, add)[0] == "OUTSIDE_REGION"


@pytest.mark.parametrize(
    ("decide", "officer", "approvers"), [(decisions.approve, "zhao", ["officer:zhao"]), (decisions.reject, "li", [])]
)
def test_a_proposal_that_is_decided_in_between_is_not_approved(
    gateway: AdministeredGateway, meanwhile: Any, decide: Any, officer: str, approvers: list[str]
) -> None:
    client = gateway.client()
    proposal_id = grants.propose_for_client(gateway.ctx, named("li"), client.client_id, PROVIDER)["proposal_id"]
    meanwhile(gateway.ctx.proposals, "get", lambda: decide(gateway.other, named(officer), proposal_id))
    assert refused(gateway, lambda: decisions.approve(gateway.ctx, named("sun"), proposal_id))[0] == "PROPOSAL_DECIDED"
    approvals = [e for e in gateway.committed("grant.approved") if e["details"]["proposal_id"] == proposal_id]
    assert [event["actor"]["sub"] for event in approvals] == approvers
    stored = gateway.ctx.accounts.client(client.client_id)
    assert stored is not None
    assert stored.roles == (PROVIDER.roles if approvers else frozenset())


@pytest.mark.parametrize(
    ("approver", "changed", "code"),
    [
        ("sun", {"region": ELSEWHERE}, "OUTSIDE_REGION"),
        ("sun", {"proposed_by": "officer:sun"}, "FOUR_EYES"),
        ("sun", {"asked": Grants(frozenset({Role.SUPERVISOR})).to_dict()}, "SUPERVISOR_MUST_APPROVE"),
    ],
)
def test_a_proposal_that_changes_in_between_is_judged_as_it_is(
    gateway: AdministeredGateway, meanwhile: Any, approver: str, changed: dict[str, Any], code: str
) -> None:
    officer = gateway.officer()
    wanted = Grants(frozenset({Role.CENTRE, Role.AUTHORITY}))
    proposal_id = grants.propose_for_officer(gateway.ctx, named("li"), officer.username, wanted)["proposal_id"]
    proposal = gateway.other.proposals.get(proposal_id)
    assert proposal is not None

    def change() -> None:
        proposals = gateway.other.proposals
        gateway.other.accounts.transact(lambda unit: proposals.save(replace(proposal, **changed), unit))

    meanwhile(gateway.ctx.proposals, "get", change)
    found = refused(gateway, lambda: decisions.approve(gateway.ctx, named(approver), proposal_id))
    assert found == (code, [{"code": code, "asked": [proposal_id]}])
    assert gateway.ctx.accounts.officer(officer.username) == officer
