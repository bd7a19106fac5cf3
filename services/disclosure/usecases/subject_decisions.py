"""Officers of the centre decide which references are one subject (Art. 2, 5, 6). Every act can be undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chengxin.auth.executor import command
from chengxin.auth.powers import CITY, Power, two
from chengxin.auth.principal import Principal
from chengxin.errors import InBoth, Problem, conflict, not_found
from chengxin.proposals.decisions import carries_out, propose
from chengxin.proposals.proposal import PROPOSAL_OUTDATED, Proposal
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.entity_resolution import (
    Groups,
    LinkDecision,
    joins_more,
    link_id,
    merged_together,
    mixes_kinds,
    two_persons,
)
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.generations import Generations
from services.disclosure.store.links import LinkAct, StoredLink, groups_of
from services.disclosure.usecases.query_records import SubjectIdentifier, ref_of
from services.disclosure.usecases.subject_identity import (
    APPROVERS,
    CENTRE,
    SUBJECT_UNKNOWN,
    Identity,
    any_subject,
    identity_of,
    put_reading_on_record,
    schemed_reference,
)
from services.disclosure.usecases.view_reader import strongest_first

_TOLD: Final = "both subjects, at /v1/me/accesses; supervisors, by the audit log"

# What is proposed for a link.
_DECISIONS: Final = {Act.SUBJECT_MERGED, Act.SUBJECT_SPLIT, Act.SUBJECT_DECISION_UNDONE}

LINK_UNKNOWN = not_found("LINK_UNKNOWN", "没有编号为 {link_id} 的关联", "There is no link {link_id}")
ONE_SUBJECT_ALREADY = conflict(
    "ONE_SUBJECT_ALREADY",
    "两个标识已经是同一主体，无需合并",
    "The two are one subject already; there is nothing to merge",
)
PERSON_AND_ORGANISATION = conflict(
    "PERSON_AND_ORGANISATION",
    "自然人与单位是两个主体，不能合并",
    "A person and an organisation are two subjects and cannot be merged",
)
TWO_PERSONS = conflict(
    "TWO_PERSONS",
    "两个不同的公民身份号码是两个人，不能归并为同一主体；号码有误的，请由提供单位更正该记录，"
    "或者先撤销、拆分把两人连在一起的其他归并",
    "Two different identity numbers are two persons, and cannot become one subject; where a record has a wrong number, "
    "its provider amends it; where another merge links the two, undo or split that one first",
)
LINK_SPLIT_ALREADY = conflict(
    "LINK_SPLIT_ALREADY", "该关联已经拆分，无需再次拆分", "The link is split already; there is nothing to split"
)
NOTHING_TO_UNDO = conflict(
    "NOTHING_TO_UNDO",
    "该关联没有可以撤销的决定",
    "No decision on the link is left that could be undone",
)


def any_link(ctx: DisclosureContext, caller: Principal, found: StoredLink | None, number: str) -> Problem | None:
    """Any link that there is."""
    return None if found is not None else LINK_UNKNOWN(link_id=number)


@command(
    Act.SUBJECT_MERGED,
    roles=CENTRE,
    articles=("5", "6"),
    may=any_subject,
    power=Power(CITY, two("one officer alone could show each of two subjects the other's records"), _TOLD),
)
def merge(
    ctx: DisclosureContext, caller: Principal, both: Sequence[SubjectIdentifier], reason: str, key: str = ""
) -> Identity | Proposal:
    """An officer proposes that two references are one subject.

    Raises SUBJECT_UNKNOWN, ONE_SUBJECT_ALREADY, TWO_PERSONS, PERSON_AND_ORGANISATION.
    """
    ctx = ctx.pinned()
    refs = [ref_of(ctx, identifier) for identifier in both]
    one, other = sorted(refs)
    if one == other:
        raise ONE_SUBJECT_ALREADY()

    def load(unit: UnitOfWork) -> StoredLink:
        groups = groups_of(ctx.store.links.around([one, other], unit))
        low, high = (authorise(schemed_reference(ctx, groups, ref, unit), ref) for ref in (one, other))
        return ctx.store.links.by_id([link_id(one, other)], unit).get(link_id(one, other)) or StoredLink(low, high)

    def work(unit: UnitOfWork, kept: StoredLink) -> Proposal:
        merged = _with_decision(ctx, kept, LinkDecision.SAME, reason, caller.sub)
        change = _change_of(ctx, unit, Act.SUBJECT_MERGED, kept, merged)
        if other in change.before.of(one):
            raise ONE_SUBJECT_ALREADY()
        asked = {"schemes": [kept.one.scheme, kept.other.scheme]}
        return _propose(ctx, caller, unit, change, reason, asked)

    return _once(ctx, caller, key, [Act.SUBJECT_MERGED, [one, other], reason], load, work, refs[0])


@command(
    Act.SUBJECT_SPLIT,
    roles=CENTRE,
    articles=("5", "6"),
    may=any_link,
    power=Power(
        CITY,
        two("a code that is taken from one subject may fall to another; what only takes apart is done at once"),
        _TOLD,
    ),
)
def split(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity | Proposal:
    """A link no longer joins its references, whatever claims it: at once, or, when others would be joined in its place,
    as a proposal. Raises LINK_UNKNOWN, LINK_SPLIT_ALREADY."""
    ctx = ctx.pinned()

    def work(unit: UnitOfWork, kept: StoredLink) -> Proposal | None:
        if kept.decision is LinkDecision.DIFFERENT:
            raise LINK_SPLIT_ALREADY()
        apart = _with_decision(ctx, kept, LinkDecision.DIFFERENT, reason, caller.sub)
        return _do_or_propose(ctx, caller, unit, _change_of(ctx, unit, Act.SUBJECT_SPLIT, kept, apart), reason, {})

    asked = [Act.SUBJECT_SPLIT, number, reason]
    return _once(ctx, caller, key, asked, _loader_of(ctx, number), work, _reference_in(number))


@command(
    Act.SUBJECT_DECISION_UNDONE,
    roles=CENTRE,
    articles=("5", "6"),
    may=any_link,
    power=Power(CITY, two("to undo a split is to merge; what only takes apart is done at once"), _TOLD),
)
def undo(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity | Proposal:
    """The last decision on a link that stands is taken back, and the one before it stands again: at once, or, when that
    joins references, as a proposal.

    Raises LINK_UNKNOWN, NOTHING_TO_UNDO, TWO_PERSONS, PERSON_AND_ORGANISATION.
    """
    ctx = ctx.pinned()

    def work(unit: UnitOfWork, kept: StoredLink) -> Proposal | None:
        if (last := kept.standing) is None:
            raise NOTHING_TO_UNDO()
        change = _change_of(ctx, unit, Act.SUBJECT_DECISION_UNDONE, kept, _without_last(ctx, kept, reason, caller.sub))
        return _do_or_propose(ctx, caller, unit, change, reason, {"undoes": [last.decision, last.by, last.at]})

    asked = [Act.SUBJECT_DECISION_UNDONE, number, reason]
    return _once(ctx, caller, key, asked, _loader_of(ctx, number), work, _reference_in(number))


def load_proposed(ctx: DisclosureContext, proposal: Proposal, unit: UnitOfWork) -> StoredLink:
    """Reads the link that a proposal is about; of a merge, the one that it makes. Raises PROPOSAL_OUTDATED."""
    ctx = ctx.pinned()
    kept = ctx.store.links.by_id([proposal.target], unit).get(proposal.target)
    if kept is None and proposal.act is Act.SUBJECT_MERGED:
        refs = proposal.target.split(".")
        groups = groups_of(ctx.store.links.around(refs, unit))
        low, high = (schemed_reference(ctx, groups, ref, unit) for ref in refs)
        kept = StoredLink(low, high) if low is not None and high is not None else None
    if kept is None:
        raise PROPOSAL_OUTDATED(what=InBoth("标识的记录已不在", "the identifiers have no record any more"))
    return kept


@carries_out(Act.SUBJECT_MERGED, region=CITY, approvers=APPROVERS, load=load_proposed)
def merge_proposed(
    ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, kept: StoredLink
) -> None:
    """The two are one subject. Raises PROPOSAL_OUTDATED, TWO_PERSONS, PERSON_AND_ORGANISATION."""
    if kept.one.ref in groups_of(ctx.store.links.around([kept.one.ref], unit)).of(kept.other.ref):
        raise PROPOSAL_OUTDATED(what=InBoth("已是同一主体", "they are one subject already"))
    reason = proposal.words["reason"]
    merged = _with_decision(ctx, kept, LinkDecision.SAME, reason, proposal.proposed_by, caller.sub)
    _carry_out(ctx, caller, unit, proposal, kept, merged)


@carries_out(Act.SUBJECT_SPLIT, region=CITY, approvers=APPROVERS, load=load_proposed)
def split_proposed(
    ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, kept: StoredLink
) -> None:
    """The link joins no more. Raises PROPOSAL_OUTDATED."""
    if kept.decision is LinkDecision.DIFFERENT:
        raise PROPOSAL_OUTDATED(what=InBoth("已拆分", "the link is split already"))
    reason = proposal.words["reason"]
    apart = _with_decision(ctx, kept, LinkDecision.DIFFERENT, reason, proposal.proposed_by, caller.sub)
    _carry_out(ctx, caller, unit, proposal, kept, apart)


@carries_out(Act.SUBJECT_DECISION_UNDONE, region=CITY, approvers=APPROVERS, load=load_proposed)
def undo_proposed(
    ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, proposal: Proposal, kept: StoredLink
) -> None:
    """The decision that the proposal names is taken back. Raises PROPOSAL_OUTDATED, TWO_PERSONS,
    PERSON_AND_ORGANISATION."""
    last = kept.standing
    if last is None or [last.decision, last.by, last.at] != list(proposal.asked["undoes"]):
        raise PROPOSAL_OUTDATED(what=InBoth("最后的决定", "the last decision on the link"))
    undone = _without_last(ctx, kept, proposal.words["reason"], proposal.proposed_by, caller.sub)
    _carry_out(ctx, caller, unit, proposal, kept, undone)


@dataclass(frozen=True)
class LinkChange:
    """A change of a link by an officer, and the subjects before and after it."""

    act: Act
    link: StoredLink
    before: Groups
    after: Groups

    def concerned(self) -> list[str]:
        """Returns the references of the subjects that it changes, strongest first."""
        ends = self.link.one.ref, self.link.other.ref
        groups = self.before, self.after
        return strongest_first((end, *each.of(end)) for each in groups for end in ends)


def _change_of(ctx: DisclosureContext, unit: UnitOfWork, act: Act, kept: StoredLink, changed: StoredLink) -> LinkChange:
    """Raises TWO_PERSONS, PERSON_AND_ORGANISATION for a merge, new or standing again, of what is never one subject."""
    refs = [kept.one.ref, kept.other.ref]
    around = ctx.store.links.around(refs, unit, {kept.link.id: changed})
    others = [stored for stored in around if stored.link.id != kept.link.id]
    change = LinkChange(act, changed, groups_of([*others, kept]), groups_of([*others, changed]))
    _require_possible(ctx, unit, changed, around, change.after)
    return change


def _with_decision(
    ctx: DisclosureContext, kept: StoredLink, decision: LinkDecision, reason: str, by: str, approved_by: str = ""
) -> StoredLink:
    sealed = ctx.keys.encrypt(reason, "reason")
    act = LinkAct(decision.value, by, rfc3339(ctx.clock.now()), sealed, approved_by=approved_by)
    return replace(kept, history=[*kept.history, act])


def _without_last(ctx: DisclosureContext, kept: StoredLink, reason: str, by: str, approved_by: str = "") -> StoredLink:
    last = kept.standing
    undone_at, sealed = rfc3339(ctx.clock.now()), ctx.keys.encrypt(reason, "reason")
    history = [
        replace(act, undone_by=by, undone_at=undone_at, undone_reason=sealed, undoing_approved_by=approved_by)
        if act is last
        else act
        for act in kept.history
    ]
    return replace(kept, history=history)


def _do_or_propose(
    ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, change: LinkChange, reason: str, asked: dict[str, Any]
) -> Proposal | None:
    """Does at once what only takes apart; proposes what shows somebody another's records."""
    if joins_more(change.before, change.after):
        return _propose(ctx, caller, unit, change, reason, asked)
    _save(ctx, caller, unit, change)
    return None


def _propose(
    ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, change: LinkChange, reason: str, asked: dict[str, Any]
) -> Proposal:
    number, concerned = change.link.link.id, change.concerned()
    return propose(ctx, caller, unit, change.act, number, "", asked, subject_refs=concerned, words={"reason": reason})


def _carry_out(
    ctx: DisclosureContext,
    caller: Principal,
    unit: UnitOfWork,
    proposal: Proposal,
    kept: StoredLink,
    changed: StoredLink,
) -> None:
    ctx = ctx.pinned()
    _save(ctx, caller, unit, _change_of(ctx, unit, proposal.act, kept, changed), **proposal.on_record())


def _loader_of(ctx: DisclosureContext, number: str) -> Callable[[UnitOfWork], StoredLink]:
    return lambda unit: authorise(ctx.store.links.by_id([number], unit).get(number), number)


def _reference_in(number: str) -> str:
    """The number of a link begins with one of its references."""
    return number.partition(".")[0]


def _once(
    ctx: DisclosureContext,
    caller: Principal,
    key: str,
    asked: list[Any],
    load: Callable[[UnitOfWork], StoredLink],
    work: Callable[[UnitOfWork, StoredLink], Proposal | None],
    ref: str,
) -> Identity | Proposal:
    """Carries out or proposes an act, at most once under a key. Returns the proposal, or the subject that `ref` belongs to
    after the act. A repeat is on record as a reading."""

    def carry_out(unit: UnitOfWork, loaded: StoredLink) -> RawDocument:
        made = work(unit, loaded)
        return {"proposal_id": made.proposal_id} if made else {}

    done = ctx.store.store.once_on(load, caller.sub, key, canonical(asked), carry_out, dict)
    if proposal_id := done.answer.get("proposal_id"):
        proposal = ctx.proposals.get(proposal_id)
        assert proposal is not None, "proposals are kept"
        return proposal.seen(ctx.clock.now())
    found = identity_of(ctx, ref)
    if found is None:
        raise SUBJECT_UNKNOWN(subject=ref)
    if not done.first:
        put_reading_on_record(ctx, caller, found)
    return found


def _save(ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, change: LinkChange, **approval: Any) -> None:
    today = ctx.clock.today().isoformat()
    links = LinkProjection(ctx.store, ctx.subject_key, ctx.keys, unit, rfc3339(ctx.clock.now()))
    links.put(change.link)
    # What was proposed for the link as it was would undo what is decided now.
    ctx.proposals.outdate(_DECISIONS, change.link.link.id, unit)
    Generations(ctx.store.store).note_act(unit, ctx.store.generation)
    work = RecordProjection(ctx.store, ctx.keys, unit, today)
    work.save(links.settle(work))
    announced = PublicChanges(unit, today)
    announced.move(ctx.store, links.moved)
    announced.publish()
    details = {"link": change.link.link.id, "state": change.link.state, **approval}
    event = ctx.audit.event(change.act, caller, subject_refs=change.concerned(), details=details)
    unit.record(event.encode())


def _require_possible(
    ctx: DisclosureContext, unit: UnitOfWork, kept: StoredLink, around: Sequence[StoredLink], groups: Groups
) -> None:
    """Refuses a merge, new or standing again, of what is never one subject; `groups` are those with it.

    Raises TWO_PERSONS, PERSON_AND_ORGANISATION.
    """
    if kept.decision is not LinkDecision.SAME:
        return
    together = merged_together((stored.link for stored in around), kept.one.ref)
    refs = [*groups.of(kept.one.ref), *groups.of(kept.other.ref)]
    kinds = {state.kind == INDIVIDUAL for state in ctx.store.links.states(refs, unit).values()}
    if mixes_kinds({member.scheme for member in together}) or len(kinds) > 1:
        raise PERSON_AND_ORGANISATION()
    if two_persons(together):
        raise TWO_PERSONS()
