"""Grants of roles, purposes and legal bases: two officers give, one takes away (Art. 17, 30)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from chengxin.auth.executor import command
from chengxin.auth.powers import OWN, Power, two
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import all_of
from chengxin.errors import InBoth, Problem
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.ids import new_id
from gateway.context import GatewayContext
from gateway.domain.clients_and_officers import Client, Officer
from gateway.domain.separation_of_duties import (
    CLIENT_INVALID,
    OFFICER_INVALID,
    PASSWORD_NOT_CHOSEN,
    SUPERVISOR_MUST_APPROVE,
    Grants,
    thumbprints,
)
from gateway.usecases import client_administration, officer_administration
from gateway.usecases.revocation import end_all_sessions, end_client_tokens

_PROPOSERS: Final = {Role.AUTHORITY, Role.CENTRE}
_APPROVERS: Final = {Role.AUTHORITY, Role.SUPERVISOR}
_ARTICLES: Final = ("16", "17", "30")


def supervision_by_a_supervisor(
    _ctx: GatewayContext, caller: Principal, _officer: Officer, proposal: Proposal
) -> Problem | None:
    """the role supervisor takes a supervisor"""
    watches = Role.SUPERVISOR.value in proposal.asked["roles"]
    return SUPERVISOR_MUST_APPROVE() if watches and Role.SUPERVISOR not in caller.roles else None


@command(
    Act.CLIENT_GRANTS_PROPOSED,
    roles=_PROPOSERS,
    articles=_ARTICLES,
    may=client_administration.in_region,
    power=Power(
        OWN,
        two("one officer alone could give a system of hers access to any record; less than before is in force at once"),
        "the client's holder, at /v1/identity/clients/me if the client has a role already; officers of the region, in "
        "the list of proposals",
    ),
)
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
    power=Power(
        OWN,
        two("one officer alone could make accounts of her own with any role; fewer roles are in force at once"),
        "officers of the region, in the list of proposals; supervisors, by the audit log",
    ),
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


@carries_out(
    Act.CLIENT_GRANTS_PROPOSED,
    region=OWN,
    approvers=_APPROVERS,
    load=client_administration.load_proposed,
    may=client_administration.in_region,
)
def grant_to_client(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, client: Client
) -> None:
    """The grants are in force, for the keys that the second officer saw. Raises PROPOSAL_OUTDATED."""
    if not set(thumbprints(client)) <= set(proposal.asked.get("keys", ())):
        raise PROPOSAL_OUTDATED(what=InBoth("客户端的密钥", "the client's keys"))
    _grant(ctx, caller, unit, proposal, client)


@carries_out(
    Act.OFFICER_ROLES_PROPOSED,
    region=OWN,
    approvers=_APPROVERS,
    load=officer_administration.load_proposed,
    may=all_of(officer_administration.in_region, supervision_by_a_supervisor),
)
def grant_to_officer(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, officer: Officer
) -> None:
    """The roles are in force, once the account's holder has chosen a password: who made the account knows the first one.

    Raises PASSWORD_NOT_CHOSEN.
    """
    if officer.initial:
        raise PASSWORD_NOT_CHOSEN(username=officer.username)
    _grant(ctx, caller, unit, proposal, officer)


def _grant(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, holder: Client | Officer
) -> None:
    grants = Grants.read(proposal.asked)
    _apply(ctx, unit, holder, grants)
    _record(ctx, caller, unit, Act.GRANT_APPROVED, proposal, holder, grants)


def _propose(
    ctx: GatewayContext, caller: Principal, unit: UnitOfWork, holder: Client | Officer, grants: Grants
) -> Proposal:
    if isinstance(holder, Officer):
        act, target, whom, asked = Act.OFFICER_ROLES_PROPOSED, holder.username, holder.sub, grants.to_dict()
    else:
        act, target, whom = Act.CLIENT_GRANTS_PROPOSED, holder.client_id, ""
        asked = grants.to_dict() | {"keys": thumbprints(holder)}
    # In whose name it will act, the second officer must see.
    asked |= {"org": holder.org}
    if not grants.only_less_than(Grants.of(holder)):
        return propose(ctx, caller, unit, act, target, holder.region, asked, whom)
    _apply(ctx, unit, holder, grants)
    now = ctx.clock.now()
    reduced = Proposal(new_id("prop"), act, target, holder.region, asked, caller.sub, now, whom)
    reduced = reduced.decided(caller, "applied", now)
    ctx.proposals.save(reduced, unit)
    _record(ctx, caller, unit, Act.GRANT_REDUCED, reduced, holder, grants)
    return reduced


def _apply(ctx: GatewayContext, unit: UnitOfWork, holder: Client | Officer, grants: Grants) -> None:
    unit.committed.append(ctx.revocations.refresh)
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


def _record(
    ctx: GatewayContext,
    caller: Principal,
    unit: UnitOfWork,
    act: Act,
    proposal: Proposal,
    holder: Client | Officer,
    grants: Grants,
) -> None:
    kind = "officer" if isinstance(holder, Officer) else "client"
    details = proposal.on_record() | {kind: proposal.target} | grants.to_dict()
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
        return _propose(ctx, caller, unit, holder, grants).to_dict()

    return ctx.store.once_on(load, caller.sub, key, canonical(asked), work, dict).answer
