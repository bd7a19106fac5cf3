"""Officers of the centre decide which references are one subject (Art. 2, 5, 6). Every act can be undone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal
from chengxin.auth.regions import of_the_city
from chengxin.errors import Problem, conflict, not_found
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
    SchemedReference,
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
    CENTRE,
    SUBJECT_UNKNOWN,
    Identity,
    any_subject,
    identity_of,
    put_reading_on_record,
    schemed_reference,
)
from services.disclosure.usecases.view_reader import strongest_first

T = TypeVar("T")

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


@command(Act.SUBJECT_MERGED, roles=CENTRE, articles=("5", "6"), when=(of_the_city,), may=any_subject)
def merge(
    ctx: DisclosureContext, caller: Principal, both: Sequence[SubjectIdentifier], reason: str, key: str = ""
) -> Identity:
    """Two references are one subject.

    Raises SUBJECT_UNKNOWN, ONE_SUBJECT_ALREADY, TWO_PERSONS, PERSON_AND_ORGANISATION.
    """
    ctx = ctx.pinned()
    refs = [ref_of(ctx, identifier) for identifier in both]
    one, other = sorted(refs)
    if one == other:
        raise ONE_SUBJECT_ALREADY()

    def load(unit: UnitOfWork) -> tuple[list[StoredLink], Groups, SchemedReference, SchemedReference]:
        around = ctx.store.links.around([one, other], unit)
        groups = groups_of(around)
        low, high = (authorise(schemed_reference(ctx, groups, ref, unit), ref) for ref in (one, other))
        return around, groups, low, high

    def work(unit: UnitOfWork, loaded: tuple[list[StoredLink], Groups, SchemedReference, SchemedReference]) -> None:
        around, groups, low, high = loaded
        if other in groups.of(one):
            raise ONE_SUBJECT_ALREADY()
        known = {kept.link.id: kept for kept in around}
        kept = known.get(link_id(one, other)) or StoredLink(low, high)
        _decide(ctx, caller, unit, Act.SUBJECT_MERGED, kept, LinkDecision.SAME, reason)

    return _once(ctx, caller, key, [Act.SUBJECT_MERGED, [one, other], reason], load, work, refs[0])


@command(Act.SUBJECT_SPLIT, roles=CENTRE, articles=("5", "6"), when=(of_the_city,), may=any_link)
def split(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """A link no longer joins its references, whatever claims it. Raises LINK_UNKNOWN, LINK_SPLIT_ALREADY."""
    ctx = ctx.pinned()

    def work(unit: UnitOfWork, kept: StoredLink) -> None:
        if kept.decision is LinkDecision.DIFFERENT:
            raise LINK_SPLIT_ALREADY()
        _decide(ctx, caller, unit, Act.SUBJECT_SPLIT, kept, LinkDecision.DIFFERENT, reason)

    asked = [Act.SUBJECT_SPLIT, number, reason]
    return _once(ctx, caller, key, asked, _loader_of(ctx, number), work, _reference_in(number))


@command(Act.SUBJECT_DECISION_UNDONE, roles=CENTRE, articles=("5", "6"), when=(of_the_city,), may=any_link)
def undo(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """The last decision on a link that stands is taken back, and the one before it stands again.

    Raises LINK_UNKNOWN, NOTHING_TO_UNDO, TWO_PERSONS, PERSON_AND_ORGANISATION.
    """
    ctx = ctx.pinned()

    def work(unit: UnitOfWork, kept: StoredLink) -> None:
        standing = [n for n, act in enumerate(kept.history) if not act.undone_at]
        if not standing:
            raise NOTHING_TO_UNDO()
        last = kept.history[standing[-1]]
        kept.history[standing[-1]] = replace(
            last,
            undone_by=caller.sub,
            undone_at=rfc3339(ctx.clock.now()),
            undone_reason=ctx.keys.encrypt(reason, "reason"),
        )
        _save(ctx, caller, unit, Act.SUBJECT_DECISION_UNDONE, kept)

    asked = [Act.SUBJECT_DECISION_UNDONE, number, reason]
    return _once(ctx, caller, key, asked, _loader_of(ctx, number), work, _reference_in(number))


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
    load: Callable[[UnitOfWork], T],
    work: Callable[[UnitOfWork, T], None],
    ref: str,
) -> Identity:
    """Carries out an act, at most once under a key, and returns the subject that `ref` belongs to after it. A repeat is
    on record as a reading."""

    def carry_out(unit: UnitOfWork, loaded: T) -> RawDocument:
        work(unit, loaded)
        return {}

    done = ctx.store.store.once_on(load, caller.sub, key, canonical(asked), carry_out, dict)
    found = identity_of(ctx, ref)
    if found is None:
        raise SUBJECT_UNKNOWN(subject=ref)
    if not done.first:
        put_reading_on_record(ctx, caller, found)
    return found


def _decide(
    ctx: DisclosureContext,
    caller: Principal,
    unit: UnitOfWork,
    act: Act,
    kept: StoredLink,
    decision: LinkDecision,
    reason: str,
) -> None:
    sealed = ctx.keys.encrypt(reason, "reason")
    kept.history.append(LinkAct(decision.value, caller.sub, rfc3339(ctx.clock.now()), sealed))
    _save(ctx, caller, unit, act, kept)


def _save(ctx: DisclosureContext, caller: Principal, unit: UnitOfWork, act: Act, kept: StoredLink) -> None:
    refs = [kept.one.ref, kept.other.ref]
    around = ctx.store.links.around(refs, unit, {kept.link.id: kept})
    groups = groups_of(around)
    _require_possible(ctx, unit, kept, around, groups)
    today = ctx.clock.today().isoformat()
    links = LinkProjection(ctx.store, ctx.subject_key, ctx.keys, unit, rfc3339(ctx.clock.now()))
    links.put(kept)
    Generations(ctx.store.store).note_act(unit, ctx.store.generation)
    work = RecordProjection(ctx.store, ctx.keys, unit, today)
    work.save(links.settle(work))
    announced = PublicChanges(unit, today)
    announced.move(ctx.store, links.moved)
    announced.publish()
    concerned = strongest_first((end, *groups.of(end)) for end in refs)
    details = {"link": kept.link.id, "state": kept.state}
    unit.record(ctx.audit.event(act, caller, subject_refs=concerned, details=details).encode())


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
