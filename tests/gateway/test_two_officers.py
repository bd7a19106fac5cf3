"""Each act of the gateway that takes two officers, derived from their registry: one alone is refused, a second does it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.powers import Scope
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem
from chengxin.proposals import decisions
from chengxin.proposals.decisions import APPROVALS
from chengxin.proposals.proposal import PROPOSAL_DAYS, Proposal
from chengxin.values.acts import Act
from chengxin.values.ids import new_id
from chengxin.values.jwk import public_jwk
from demo.identifiers import demo_identity_number
from gateway.domain.clients_and_officers import Client, Officer
from gateway.domain.separation_of_duties import Grants
from gateway.usecases import client_administration, counter_verification, grants, officer_administration
from tests.gateway.administered_gateway import COUNTY, ELSEWHERE, PROVIDER, AdministeredGateway, named

COMPANY = "91000000MA0000242C"
CITIZEN = demo_identity_number(date(1899, 5, 1), 7)
GATEWAYS = sorted(act for act, approval in APPROVALS.items() if approval.carry_out.__module__.startswith("gateway."))


def officer(name: str, role: Role = Role.AUTHORITY, region: str = "441700") -> Principal:
    return Principal(f"officer:{name}", frozenset({role}), org="11441700MB0000001X", region=region)


def working(gateway: AdministeredGateway, **changed: Any) -> Client:
    """A client with a role."""
    client = replace(gateway.client(), roles=frozenset({Role.PROVIDER}), **changed)
    gateway.ctx.accounts.transact(lambda unit: gateway.ctx.accounts.put_client(client, unit))
    return client


def account(gateway: AdministeredGateway, **changed: Any) -> Officer:
    made = replace(gateway.officer(), **changed)
    gateway.ctx.accounts.transact(lambda unit: gateway.ctx.accounts.put_officer(made, unit, "王某"))
    return made


def add_key(gateway: AdministeredGateway, by: Principal, client: Client) -> dict[str, Any]:
    return client_administration.add_key(gateway.ctx, by, client.client_id, public_jwk(Ed25519PrivateKey.generate()))


def reset(gateway: AdministeredGateway, by: Principal, target: Officer) -> dict[str, Any]:
    """The account is reset, and its holder has chosen a password."""
    found = officer_administration.reset(gateway.ctx, by, target.username)["proposal"]
    accounts = gateway.ctx.accounts
    now = accounts.officer(target.username)
    assert now is not None
    accounts.transact(lambda unit: accounts.put_officer(replace(now, initial=False), unit))
    return dict(found)


def represent(gateway: AdministeredGateway, by: Principal, uscc: str = COMPANY) -> dict[str, Any]:
    asked = counter_verification.Representation(CITIZEN, uscc, "legal_representative")
    return counter_verification.record_representation(gateway.ctx, by, asked)


# How one officer proposes each act. An act that takes two and is not here fails the first test.
PROPOSE: dict[Act, tuple[Role, Callable[[AdministeredGateway, Principal], dict[str, Any]]]] = {
    Act.CLIENT_GRANTS_PROPOSED: (
        Role.AUTHORITY,
        lambda g, by: grants.propose_for_client(g.ctx, by, g.client().client_id, PROVIDER),
    ),
    Act.OFFICER_ROLES_PROPOSED: (
        Role.AUTHORITY,
        lambda g, by: grants.propose_for_officer(
            g.ctx, by, g.officer().username, Grants(frozenset({Role.CENTRE, Role.AUTHORITY}))
        ),
    ),
    Act.CLIENT_KEY_ADDED: (Role.AUTHORITY, lambda g, by: add_key(g, by, working(g))),
    Act.CLIENT_RESUMED: (
        Role.AUTHORITY,
        lambda g, by: client_administration.resume(g.ctx, by, working(g, suspended=True).client_id),
    ),
    Act.OFFICER_RESET: (Role.AUTHORITY, lambda g, by: reset(g, by, account(g))),
    Act.OFFICER_RESUMED: (
        Role.AUTHORITY,
        lambda g, by: officer_administration.resume(g.ctx, by, account(g, suspended=True).username),
    ),
    Act.REPRESENTATION_RECORDED: (Role.CENTRE, represent),
}


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Problem) as problem:
        call()
    return problem.value.code


def test_each_act_of_two_officers_is_tried_here() -> None:
    assert sorted(PROPOSE) == GATEWAYS


@pytest.mark.parametrize("act", GATEWAYS)
def test_one_officer_alone_is_refused_and_a_second_one_has_it_done(gateway: AdministeredGateway, act: Act) -> None:
    role, proposes = PROPOSE[act]
    proposal = proposes(gateway, officer("li", role))
    assert (proposal["state"], proposal["act"], proposal["proposed_by"]) == ("open", act, "officer:li")
    [made] = [e for e in gateway.committed("proposal.made") if e["details"]["proposal_id"] == proposal["proposal_id"]]
    assert (made["actor"]["sub"], made["details"]["act"]) == ("officer:li", act)
    proposal_id = proposal["proposal_id"]

    def alone() -> object:
        # The one who proposed it, in whichever role may approve.
        return decisions.approve(gateway.ctx, replace(officer("li"), roles=APPROVALS[act].approvers), proposal_id)

    assert refusal(alone) == "FOUR_EYES"
    assert [(e.act, e.details) for e in gateway.audit.events] == [
        ("proposal.approved", {"code": "FOUR_EYES", "asked": [proposal["proposal_id"]]})
    ]
    approver = officer("sun", Role.SUPERVISOR)
    assert decisions.approve(gateway.ctx, approver, proposal_id)["state"] == "approved"
    [approved] = [
        e for e in gateway.committed("proposal.approved") if e["details"]["proposal_id"] == proposal["proposal_id"]
    ]
    assert (approved["actor"]["sub"], approved["details"]["proposed_by"]) == ("officer:sun", "officer:li")
    # What was carried out is an event of its own, in the same transaction, with both officers.
    [together] = [r.events for r in gateway.ctx.store.rows(0) if any(proposal_id.encode() in e for e in r.events)][-1:]
    assert len(together) == 2
    assert refusal(lambda: decisions.approve(gateway.ctx, approver, proposal_id)) == "PROPOSAL_DECIDED"


@pytest.mark.parametrize("act", [act for act in GATEWAYS if APPROVALS[act].region.scope is Scope.OWN])
def test_the_second_officer_is_of_the_region_too(gateway: AdministeredGateway, act: Act) -> None:
    role, proposes = PROPOSE[act]
    proposal_id = proposes(gateway, officer("li", role, COUNTY))["proposal_id"]
    elsewhere = officer("sun", Role.SUPERVISOR, ELSEWHERE)
    assert refusal(lambda: decisions.approve(gateway.ctx, elsewhere, proposal_id)) == "OUTSIDE_REGION"
    assert refusal(lambda: decisions.reject(gateway.ctx, elsewhere, proposal_id)) == "OUTSIDE_REGION"
    listed = decisions.list_proposals(gateway.ctx, elsewhere, "open", "", 10_000)
    assert proposal_id not in {p["proposal_id"] for p in listed}
    assert decisions.reject(gateway.ctx, officer("li", role, COUNTY), proposal_id)["state"] == "rejected"


@pytest.mark.parametrize("act", [act for act in GATEWAYS if APPROVALS[act].region.scope is Scope.OWN])
def test_an_officer_of_another_region_is_not_told_what_became_of_the_thing(
    gateway: AdministeredGateway, act: Act
) -> None:
    gone = Proposal(new_id("prop"), act, new_id("gone"), COUNTY, {}, "officer:li", gateway.ctx.clock.now())
    gateway.ctx.accounts.transact(lambda unit: gateway.ctx.proposals.save(gone, unit))
    elsewhere = officer("sun", Role.SUPERVISOR, ELSEWHERE)
    assert refusal(lambda: decisions.approve(gateway.ctx, elsewhere, gone.proposal_id)) == "OUTSIDE_REGION"
    assert [(e.act, e.outcome, e.details) for e in gateway.audit.events] == [
        ("proposal.approved", "refused", {"code": "OUTSIDE_REGION", "asked": [gone.proposal_id]})
    ]


@pytest.mark.parametrize("act", [act for act in GATEWAYS if APPROVALS[act].region.scope is Scope.OWN])
def test_the_thing_is_judged_by_the_region_that_it_has_at_the_approval(gateway: AdministeredGateway, act: Act) -> None:
    role, proposes = PROPOSE[act]
    proposal = proposes(gateway, officer("li", role))
    accounts = gateway.ctx.accounts
    gateway.move(accounts.client(proposal["target"]) or accounts.officer(proposal["target"]))  # type: ignore[arg-type]
    sun = officer("sun", Role.SUPERVISOR)
    assert refusal(lambda: decisions.approve(gateway.ctx, sun, proposal["proposal_id"])) == "OUTSIDE_REGION"


def test_a_key_that_slipped_in_gets_no_grants(gateway: AdministeredGateway) -> None:
    client = gateway.client()
    proposal = grants.propose_for_client(gateway.ctx, named("li"), client.client_id, PROVIDER)
    assert proposal["asked"]["keys"] == [client.jwks[0]["kid"]]
    add_key(gateway, named("li"), client)
    found = refusal(lambda: decisions.approve(gateway.ctx, named("sun"), proposal["proposal_id"]))
    assert found == "PROPOSAL_OUTDATED"
    assert gateway.ctx.accounts.client(client.client_id).roles == frozenset()  # type: ignore[union-attr]


def test_a_key_gets_no_more_than_was_seen(gateway: AdministeredGateway) -> None:
    client = working(gateway)
    proposal = add_key(gateway, named("li"), client)
    wider = replace(client, roles=client.roles | {Role.PUBLIC})
    gateway.ctx.accounts.transact(lambda unit: gateway.ctx.accounts.put_client(wider, unit))
    found = refusal(lambda: decisions.approve(gateway.ctx, named("sun"), proposal["proposal_id"]))
    assert found == "PROPOSAL_OUTDATED"
    assert gateway.ctx.accounts.client(client.client_id) == wider


def test_a_supervisors_account_is_given_back_by_a_supervisor(gateway: AdministeredGateway) -> None:
    proposal_id = reset(gateway, named("li"), account(gateway, roles=frozenset({Role.SUPERVISOR})))["proposal_id"]
    assert refusal(lambda: decisions.approve(gateway.ctx, named("zhao"), proposal_id)) == "SUPERVISOR_MUST_APPROVE"
    assert decisions.approve(gateway.ctx, officer("sun", Role.SUPERVISOR), proposal_id)["state"] == "approved"


def test_a_second_reset_makes_the_first_ones_approval_void(gateway: AdministeredGateway) -> None:
    target = account(gateway)
    first = reset(gateway, named("li"), target)["proposal_id"]
    reset(gateway, named("zhao"), target)
    assert refusal(lambda: decisions.approve(gateway.ctx, named("sun"), first)) == "PROPOSAL_OUTDATED"


def test_whose_account_it_is_does_not_approve_it(gateway: AdministeredGateway) -> None:
    target = account(gateway, suspended=True)
    proposal_id = officer_administration.resume(gateway.ctx, named("li"), target.username)["proposal_id"]
    assert refusal(lambda: decisions.approve(gateway.ctx, named(target.username), proposal_id)) == "FOUR_EYES"


def test_a_proposal_that_nobody_decides_is_void() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    proposal = Proposal("p1", Act.CLIENT_RESUMED, "c", "441700", {}, "officer:li", now)
    in_time, too_late = now + timedelta(days=PROPOSAL_DAYS, seconds=-1), now + timedelta(days=PROPOSAL_DAYS)
    assert (proposal.seen(in_time).state, proposal.seen(too_late).state) == ("open", "void")
    assert proposal.decided(named("zhao"), "approved", now).seen(too_late).state == "approved"


def test_nobody_represents_what_is_no_organisation(gateway: AdministeredGateway) -> None:
    clerk = officer("li", Role.CENTRE)
    assert refusal(lambda: represent(gateway, clerk, "000000000000000000")) == "INPUT_INVALID"
    assert refusal(lambda: represent(gateway, clerk, "91000000MA0000242D")) == "INPUT_INVALID"
