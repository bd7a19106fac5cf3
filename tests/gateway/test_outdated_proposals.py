"""What was taken away is not given back by a proposal that was left over: each act of the gateway, from the registry."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.principal import Role
from chengxin.proposals import decisions
from chengxin.proposals.proposal import MOST_OPEN, MOST_OPEN_OF_ONE
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from gateway.domain.separation_of_duties import Grants
from gateway.usecases import client_administration, counter_verification, grants, officer_administration
from tests.gateway.administered_gateway import PROVIDER, AdministeredGateway
from tests.gateway.test_two_officers import (
    COMPANY,
    GATEWAYS,
    account,
    officer,
    refusal,
    represent,
    reset,
    working,
)

LI, CLERK, SUN = officer("li"), officer("li", Role.CENTRE), officer("sun", Role.SUPERVISOR)
Propose = Callable[[], dict[str, Any]]
# How an act is proposed, and the ways in which one officer takes away what it gave.
Given = tuple[Propose, list[Callable[[], object]]]


def taking_from_client(g: AdministeredGateway, client_id: str) -> list[Callable[[], object]]:
    return [
        lambda: client_administration.suspend(g.ctx, LI, client_id),
        lambda: grants.propose_for_client(g.ctx, LI, client_id, Grants(frozenset())),
    ]


def client_grants(g: AdministeredGateway) -> Given:
    client_id = g.client().client_id
    return lambda: grants.propose_for_client(g.ctx, LI, client_id, PROVIDER), taking_from_client(g, client_id)


def client_key(g: AdministeredGateway) -> Given:
    client_id, jwk = working(g).client_id, public_jwk(Ed25519PrivateKey.generate())
    return lambda: client_administration.add_key(g.ctx, LI, client_id, jwk), [
        lambda: client_administration.retire_key(g.ctx, LI, client_id, jwk["kid"])
    ]


def client_resumed(g: AdministeredGateway) -> Given:
    client_id = working(g, suspended=True).client_id
    return lambda: client_administration.resume(g.ctx, LI, client_id), taking_from_client(g, client_id)


def taking_from_officer(g: AdministeredGateway, username: str) -> list[Callable[[], object]]:
    return [
        lambda: officer_administration.suspend(g.ctx, LI, username),
        lambda: officer_administration.reset(g.ctx, LI, username),
        lambda: grants.propose_for_officer(g.ctx, LI, username, Grants(frozenset())),
    ]


def officer_roles(g: AdministeredGateway) -> Given:
    username, both = account(g).username, Grants(frozenset({Role.CENTRE, Role.AUTHORITY}))
    return lambda: grants.propose_for_officer(g.ctx, LI, username, both), taking_from_officer(g, username)


def officer_resumed(g: AdministeredGateway) -> Given:
    username = account(g, suspended=True).username
    return lambda: officer_administration.resume(g.ctx, LI, username), taking_from_officer(g, username)


def officer_reset(g: AdministeredGateway) -> Given:
    target = account(g)
    return lambda: reset(g, LI, target), taking_from_officer(g, target.username)


def representation(g: AdministeredGateway) -> Given:
    def end() -> None:
        for row in counter_verification.list_representations(g.ctx, CLERK, COMPANY):
            counter_verification.end_representation(g.ctx, CLERK, row["representation_id"])

    return lambda: represent(g, CLERK), [end]


GIVES: dict[Act, Callable[[AdministeredGateway], Given]] = {
    Act.CLIENT_GRANTS_PROPOSED: client_grants,
    Act.CLIENT_KEY_ADDED: client_key,
    Act.CLIENT_RESUMED: client_resumed,
    Act.OFFICER_ROLES_PROPOSED: officer_roles,
    Act.OFFICER_RESUMED: officer_resumed,
    Act.OFFICER_RESET: officer_reset,
    Act.REPRESENTATION_RECORDED: representation,
}


def test_each_act_that_gives_is_tried_here() -> None:
    assert sorted(GIVES) == GATEWAYS


@pytest.mark.parametrize("act", GATEWAYS)
def test_a_proposal_that_was_left_over_gives_nothing_back(gateway: AdministeredGateway, act: Act) -> None:
    for n in range(len(GIVES[act](gateway)[1])):
        propose, takes_away = GIVES[act](gateway)
        left, approved = propose()["proposal_id"], propose()["proposal_id"]
        decisions.approve(gateway.ctx, SUN, approved)
        takes_away[n]()
        assert refusal(lambda left=left: decisions.approve(gateway.ctx, SUN, left)) == "PROPOSAL_OUTDATED"


@pytest.mark.parametrize("act", GATEWAYS)
def test_so_many_proposals_of_an_act_are_open_on_one_thing(gateway: AdministeredGateway, act: Act) -> None:
    """Except of a reset, which is never refused: each one outdates those before."""
    propose, _ = GIVES[act](gateway)
    first = gateway.ctx.proposals.get(propose()["proposal_id"])
    assert first is not None

    def fill(unit: UnitOfWork, number: int, by: str) -> None:
        gateway.ctx.proposals.outdate({act}, first.target, unit)
        for _ in range(number):
            gateway.ctx.proposals.save(replace(first, proposal_id=new_id("prop"), proposed_by=by), unit)

    for number, by in ((MOST_OPEN_OF_ONE, first.proposed_by), (MOST_OPEN, "officer:others")):
        gateway.ctx.accounts.transact(partial(fill, number=number - 1, by=by))
        assert propose()["state"] == "open"
        gateway.ctx.accounts.transact(partial(fill, number=number, by=by))
        if act is not Act.OFFICER_RESET:
            assert refusal(propose) == "PROPOSALS_OPEN"
    if act is not Act.OFFICER_RESET:
        some, *_ = gateway.ctx.proposals.waiting({act}, first.target, gateway.ctx.clock.now())
        decisions.reject(gateway.ctx, SUN, some.proposal_id)
    left = propose()["proposal_id"]
    assert left in [p.proposal_id for p in gateway.ctx.proposals.waiting({act}, first.target, gateway.ctx.clock.now())]
    gateway.ctx.accounts.transact(lambda unit: gateway.ctx.proposals.outdate({act}, first.target, unit))


def test_what_is_proposed_for_somebody_else_stays_open(gateway: AdministeredGateway) -> None:
    other = represent(gateway, CLERK)["proposal_id"]
    client = working(gateway, suspended=True)
    left = client_administration.resume(gateway.ctx, LI, client.client_id)["proposal_id"]
    client_administration.suspend(gateway.ctx, LI, working(gateway).client_id)
    assert decisions.approve(gateway.ctx, SUN, left)["state"] == "approved"
    assert decisions.approve(gateway.ctx, SUN, other)["state"] == "approved"
