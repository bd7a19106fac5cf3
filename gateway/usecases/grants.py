"""Grants of roles, purposes and legal bases: two officers give, one takes away (Art. 17, 30)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import covers, outside
from chengxin.errors import Problem
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import rfc3339
from chengxin.values.ids import new_id
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Client, Officer
from gateway.domain.separation_of_duties import (
    CLIENT_INVALID,
    OFFICER_INVALID,
    PROPOSAL_DECIDED,
    PROPOSAL_UNKNOWN,
    Grants,
    Proposal,
)
from gateway.usecases import client_administration, officer_administration
from gateway.usecases.revocation import end_all_sessions, end_client_tokens

_PROPOSERS: Final = {Role.AUTHORITY, Role.CENTRE}
_APPROVERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_EVERY: Final = _PROPOSERS | _APPROVERS
_ARTICLES: Final = ("16", "17", "30")


def proposal_in_region(_ctx: GatewayContext, caller: Principal, proposal: Proposal) -> Problem | None:
    """the proposal's region lies within the officer's"""
    return outside(caller, proposal.region)


def by_a_second_officer(ctx: GatewayContext, caller: Principal, proposal: Proposal) -> Problem | None:
    """in the officer's region; another officer proposed it, for another; the role supervisor takes a supervisor"""
    if problem := proposal_in_region(ctx, caller, proposal):
        return problem
    kind = proposal.refusal_of_approval(caller)
    return kind() if kind else None


@command(Act.CLIENT_GRANTS_PROPOSED, roles=_PROPOSERS, articles=_ARTICLES, may=client_administration.in_region)
def propose_for_client(
    ctx: GatewayContext, caller: Principal, client_id: str, grants: Grants, key: str = ""
) -> dict[str, Any]:
    """An officer proposes what a client may do. Less is in force at once; more waits for a second officer.

    Raises CLIENT_UNKNOWN, CLIENT_INVALID.
    """
    if fault := grants.client_fault():
        raise CLIENT_INVALID(what=fault)

    def load(unit: UnitOfWork) -> Client:
        return client_administration.load_authorised(ctx, client_id, unit)

    return _propose_once(ctx, caller, key, ["client", client_id, grants.to_dict()], load, grants)


@command(
    Act.OFFICER_ROLES_PROPOSED,
    roles={Role.AUTHORITY},
    articles=_ARTICLES,
    when=(officer_administration.not_oneself,),
    may=officer_administration.in_region,
)
def propose_for_officer(
    ctx: GatewayContext, caller: Principal, username: str, grants: Grants, key: str = ""
) -> dict[str, Any]:
    """An officer proposes another's roles, as for clients. Raises OFFICER_UNKNOWN, OFFICER_INVALID."""
    if fault := grants.officer_fault():
        raise OFFICER_INVALID(what=fault)

    def load(unit: UnitOfWork) -> Officer:
        return officer_administration.load_authorised(ctx, username, unit)

    return _propose_once(ctx, caller, key, ["officer", username, grants.to_dict()], load, grants)


@query(Act.GRANT_LISTED, roles=_EVERY, articles=_ARTICLES)
def list_proposals(ctx: GatewayContext, caller: Principal, state: str, before: str, limit: int) -> list[dict[str, Any]]:
    """An officer lists the proposals of the officer's region, the newest first."""
    found: list[dict[str, Any]] = []
    now = ctx.clock.now()
    while len(found) < limit and (page := ctx.administration.proposals(state, before, 200)):
        found += [proposal_to_dict(p.seen(now)) for p in page if covers(caller.region, p.region)]
        before = page[-1].proposal_id
    ctx.audit.record(ctx.audit.event(Act.GRANT_LISTED, caller))
    return found[:limit]


@command(Act.GRANT_APPROVED, roles=_APPROVERS, articles=_ARTICLES, may=by_a_second_officer)
def approve(ctx: GatewayContext, caller: Principal, proposal_id: str) -> dict[str, Any]:
    """A second officer approves, and the grants are in force. Raises PROPOSAL_UNKNOWN, PROPOSAL_DECIDED."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        proposal = _load_open(ctx, unit, proposal_id)
        holder: Client | Officer
        if proposal.kind == "client":
            holder = client_administration.load(ctx, proposal.target, unit)
        else:
            holder = officer_administration.load(ctx, proposal.target, unit)
        _apply(ctx, unit, holder, proposal.grants)
        return _decide(ctx, caller, unit, proposal, "approved")

    found = ctx.accounts.transact(work)
    ctx.revocations.refresh()
    return found


@command(Act.GRANT_REJECTED, roles=_EVERY, articles=_ARTICLES, may=proposal_in_region)
def reject(ctx: GatewayContext, caller: Principal, proposal_id: str) -> dict[str, Any]:
    """An officer refuses a proposal, or its proposer takes it back. Raises PROPOSAL_UNKNOWN, PROPOSAL_DECIDED."""
    return ctx.accounts.transact(
        lambda unit: _decide(ctx, caller, unit, _load_open(ctx, unit, proposal_id), "rejected")
    )


def proposal_to_dict(proposal: Proposal) -> dict[str, Any]:
    """Returns a proposal as it is shown."""
    return {
        "proposal_id": proposal.proposal_id,
        "kind": proposal.kind,
        "target": proposal.target,
        "region": proposal.region,
        "grants": proposal.grants.to_dict(),
        "state": proposal.state,
        "proposed_by": proposal.proposed_by,
        "proposed_at": rfc3339(proposal.proposed_at),
        "decided_by": proposal.decided_by,
        "decided_at": rfc3339(proposal.decided_at) if proposal.decided_at else "",
    }


def _propose(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, holder: Client | Officer, grants: Grants
) -> dict[str, Any]:
    kind, target = ("officer", holder.username) if isinstance(holder, Officer) else ("client", holder.client_id)
    now = ctx.clock.now()
    proposal = Proposal(new_id("grant"), kind, target, holder.region, grants, caller.sub, now)
    act = Act.OFFICER_ROLES_PROPOSED if kind == "officer" else Act.CLIENT_GRANTS_PROPOSED
    if grants.only_less_than(Grants.of(holder)):
        _apply(ctx, unit, holder, grants)
        proposal, act = proposal.decided(caller, "applied", now), Act.GRANT_REDUCED
    ctx.administration.save_proposal(proposal, unit)
    _record(ctx, caller, unit, act, proposal)
    return proposal_to_dict(proposal)


def _apply(ctx: GatewayContext, unit: UnitOfWork, holder: Client | Officer, grants: Grants) -> None:
    if isinstance(holder, Officer):
        ctx.accounts.put_officer(replace(holder, roles=grants.roles), unit)
        # Tokens that were issued name the earlier roles.
        end_all_sessions(ctx, unit, holder.sub)
        return
    agreements = tuple(sorted(grants.agreements, key=lambda a: (a.purpose, a.number)))
    changed = replace(holder, roles=grants.roles, agreements=agreements, legal_bases=tuple(sorted(grants.legal_bases)))
    ctx.accounts.put_client(changed, unit)
    if not Grants.of(holder).only_less_than(grants):
        end_client_tokens(ctx, unit, holder.client_id)


def _load_open(ctx: GatewayContext, unit: UnitOfWork, proposal_id: str) -> Proposal:
    stored = ctx.administration.proposal(proposal_id, unit.session)
    if stored is None:
        raise PROPOSAL_UNKNOWN(proposal_id=proposal_id)
    proposal = authorise(stored).seen(ctx.clock.now())
    if proposal.state != "open":
        raise PROPOSAL_DECIDED(state=proposal.state)
    return proposal


def _decide(ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, state: str) -> dict[str, Any]:
    decided = proposal.decided(caller, state, ctx.clock.now())
    ctx.administration.save_proposal(decided, unit)
    _record(ctx, caller, unit, Act(f"grant.{state}"), decided)
    return proposal_to_dict(decided)


def _record(ctx: GatewayContext, caller: Principal, unit: UnitOfWork, act: Act, proposal: Proposal) -> None:
    details = {"proposal_id": proposal.proposal_id, proposal.kind: proposal.target} | proposal.grants.to_dict()
    unit.record(ctx.audit.event(act, caller, details=details).encode())


def _propose_once(
    ctx: GatewayContext,
    caller: Principal,
    key: str,
    asked: list[Any],
    load: Callable[[UnitOfWork], Client | Officer],
    grants: Grants,
) -> dict[str, Any]:
    def work(unit: UnitOfWork, holder: Client | Officer) -> dict[str, Any]:
        return _propose(ctx, caller, unit, holder, grants)

    found = ctx.store.once_on(load, caller.sub, key, canonical(asked), work, dict).answer
    if found["state"] == "applied":
        ctx.revocations.refresh()
    return dict(found)
