"""Two officers: one proposes, a second one approves, and what was proposed is carried out (Art. 16, 29, 31; decision 34).

A service says for each act that takes two how it is carried out (`carries_out`); its use case calls `propose` in its own
transaction. Listing, approving and rejecting are here, once for all services.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol, TypeVar

from chengxin.audit.trail import AuditTrail
from chengxin.auth.executor import command, query
from chengxin.auth.policy import Permission
from chengxin.auth.powers import ADMINISTRATORS, OWN, Power, Reach, Scope, one
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import of_the_city, outside, regional
from chengxin.errors import InBoth, Problem
from chengxin.proposals.documents import Proposals
from chengxin.proposals.proposal import (
    MOST_OPEN,
    MOST_OPEN_OF_ONE,
    NOT_AN_APPROVER,
    PROPOSAL_DECIDED,
    PROPOSAL_OUTDATED,
    PROPOSAL_UNKNOWN,
    PROPOSALS_OPEN,
    STATE_ZH,
    Proposal,
)
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.clock import Clock
from chengxin.values.ids import new_id

_ARTICLES: Final = ("16", "29", "31")
_TOLD: Final = "who proposed it, in the list of proposals; supervisors, by the audit log"


class ProposingContext(Protocol):
    """What the context of a service with proposals has."""

    @property
    def audit(self) -> AuditTrail: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def proposals(self) -> Proposals: ...


# Loads what a proposal is about, as it is now: (ctx, proposal, unit).
Load = Callable[[Any, Proposal, UnitOfWork], Any]
# Does what was proposed to what `Load` gave, and puts the act on record: (ctx, caller, unit, proposal, thing).
CarryOut = Callable[[Any, Principal, UnitOfWork, Proposal, Any], None]
F = TypeVar("F", bound=CarryOut)


@dataclass(frozen=True)
class Approval:
    """How an act that takes two officers is carried out, and who may have it done."""

    act: Act
    region: Reach
    approvers: frozenset[Role]
    load: Load
    # Judges the thing as it is at the approval: gets (ctx, caller, thing, proposal).
    may: Permission
    carry_out: CarryOut


APPROVALS: Final[dict[Act, Approval]] = {}


@dataclass(frozen=True)
class Judged:
    """A proposal, and what it is about as it is now: loaded when it is asked for, so that an officer whom the proposal does
    not concern is refused before, and does not learn what became of the thing."""

    proposal: Proposal
    load: Callable[[], Any]

    @cached_property
    def thing(self) -> Any:
        """Raises what `load` of the approval raises."""
        return self.load()


def carries_out(
    act: Act, *, region: Reach, approvers: set[Role], load: Load, may: Permission = lambda *_: None
) -> Callable[[F], F]:
    """Declares how a proposal of `act` is carried out: `f(ctx, caller, unit, proposal, thing)`, in the transaction of
    the approval.

    `thing` is what `load(ctx, proposal, unit)` read in it. `may` judges it as the proposing command does, for the second
    officer and as it is then; `region` is that of the command's power. `f` puts the act on record, with
    `proposal.on_record()` among the details, and raises PROPOSAL_OUTDATED for a thing that is no longer what was
    proposed.
    """

    def declare(carry_out: F) -> F:
        APPROVALS[act] = Approval(act, region, frozenset(approvers), load, may, carry_out)
        return carry_out

    return declare


def propose(
    ctx: ProposingContext,
    caller: Principal,
    unit: UnitOfWork,
    act: Act,
    target: str,
    region: str,
    asked: Mapping[str, Any],
    for_whom: str = "",
    subject_refs: Sequence[str] = (),
    words: Mapping[str, str] | None = None,
) -> Proposal:
    """Keeps a proposal for the second officer and puts it on record, in the transaction of the use case.

    `asked` is shown to the second officer and goes on record, so it holds pseudonyms and codes alone. `for_whom` is the
    `sub` of the officer whom it is about. `words`, which a person wrote, are kept sealed and shown to officers alone.
    Raises PROPOSALS_OPEN, and `ValueError` for an identity number in `asked`.
    """
    now = ctx.clock.now()
    waiting = ctx.proposals.waiting({act}, target, now, unit.session)
    own = [proposal for proposal in waiting if proposal.proposed_by == caller.sub]
    if len(own) >= MOST_OPEN_OF_ONE or len(waiting) >= MOST_OPEN:
        raise PROPOSALS_OPEN(target=target, open=len(waiting))
    proposal = Proposal(new_id("prop"), act, target, region, asked, caller.sub, now, for_whom, words=words or {})
    ctx.proposals.save(proposal, unit)
    told = {name: value for name, value in asked.items() if value is not None}
    details = {"proposal_id": proposal.proposal_id, "act": act, "target": target, "asked": told}
    event = ctx.audit.event(Act.PROPOSAL_MADE, caller, subject_refs=subject_refs, details=details)
    unit.record(event.encode())
    return proposal


@regional
def proposal_in_region(_ctx: ProposingContext, caller: Principal, proposal: Proposal) -> Problem | None:
    """the proposal's region lies within the officer's"""
    scope = APPROVALS[proposal.act].region.scope
    if scope is Scope.CITY:
        return of_the_city(_ctx, caller)
    return outside(caller, proposal.region) if scope is Scope.OWN else None


@regional
def by_a_second_officer(ctx: ProposingContext, caller: Principal, judged: Judged) -> Problem | None:
    """in the officer's region, also as the thing is now; who may approve the act, and neither proposed it nor is it for"""
    approval = APPROVALS[judged.proposal.act]
    if problem := proposal_in_region(ctx, caller, judged.proposal):
        return problem
    if not caller.roles & approval.approvers:
        return NOT_AN_APPROVER(required=", ".join(sorted(approval.approvers)))
    return approval.may(ctx, caller, judged.thing, judged.proposal) or judged.proposal.refusal_of_approval(caller)


@query(Act.PROPOSAL_LISTED, roles=set(ADMINISTRATORS), articles=_ARTICLES)
def list_proposals(
    ctx: ProposingContext, caller: Principal, state: str, before: str, limit: int
) -> list[dict[str, Any]]:
    """An officer lists the proposals of the officer's region, the newest first."""
    found: list[dict[str, Any]] = []
    now = ctx.clock.now()
    while len(found) < limit and (page := ctx.proposals.page(state, before, 200)):
        found += [p.seen(now).to_dict() for p in page if proposal_in_region(ctx, caller, p) is None]
        before = page[-1].proposal_id
    ctx.audit.record(ctx.audit.event(Act.PROPOSAL_LISTED, caller))
    return found[:limit]


@command(
    Act.PROPOSAL_APPROVED,
    roles=set(ADMINISTRATORS),
    articles=_ARTICLES,
    may=by_a_second_officer,
    power=Power(OWN, one("it is the second officer's part of an act that takes two"), _TOLD),
)
def approve(ctx: ProposingContext, caller: Principal, proposal_id: str) -> dict[str, Any]:
    """A second officer approves, and what was proposed is carried out. Raises PROPOSAL_UNKNOWN, PROPOSAL_DECIDED.

    The thing is judged as it is now; what is no longer as it was proposed is PROPOSAL_OUTDATED.
    """

    def work(unit: UnitOfWork) -> dict[str, Any]:
        proposal = _load(ctx, unit, proposal_id)
        approval = APPROVALS[proposal.act]
        judged = authorise(Judged(proposal, lambda: approval.load(ctx, proposal, unit)))
        _must_be_open(proposal)
        approval.carry_out(ctx, caller, unit, proposal, judged.thing)
        return _decide(ctx, caller, unit, proposal, "approved", Act.PROPOSAL_APPROVED)

    return ctx.proposals.store.transact(work)


@command(
    Act.PROPOSAL_REJECTED,
    roles=set(ADMINISTRATORS),
    articles=_ARTICLES,
    may=proposal_in_region,
    power=Power(OWN, one("to reject is to leave things as they are"), _TOLD),
)
def reject(ctx: ProposingContext, caller: Principal, proposal_id: str) -> dict[str, Any]:
    """An officer refuses a proposal, or its proposer takes it back. Raises PROPOSAL_UNKNOWN, PROPOSAL_DECIDED."""

    def work(unit: UnitOfWork) -> dict[str, Any]:
        proposal = authorise(_load(ctx, unit, proposal_id))
        _must_be_open(proposal)
        return _decide(ctx, caller, unit, proposal, "rejected", Act.PROPOSAL_REJECTED)

    return ctx.proposals.store.transact(work)


def _load(ctx: ProposingContext, unit: UnitOfWork, proposal_id: str) -> Proposal:
    stored = ctx.proposals.get(proposal_id, unit.session)
    if stored is None:
        raise PROPOSAL_UNKNOWN(proposal_id=proposal_id)
    return stored.seen(ctx.clock.now())


def _must_be_open(proposal: Proposal) -> None:
    if proposal.state == "outdated":
        raise PROPOSAL_OUTDATED(what=InBoth("所涉对象已被更改或收回", "what it is about was changed, or taken away"))
    if proposal.state != "open":
        raise PROPOSAL_DECIDED(state=proposal.state, state_zh=STATE_ZH[proposal.state])


def _decide(
    ctx: ProposingContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, state: str, act: Act
) -> dict[str, Any]:
    decided = proposal.decided(caller, state, ctx.clock.now())
    ctx.proposals.save(decided, unit)
    details = {"act": proposal.act, "target": proposal.target, **proposal.on_record()}
    unit.record(ctx.audit.event(act, caller, details=details).encode())
    return decided.to_dict()
