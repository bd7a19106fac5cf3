"""Which references are one subject, as officers of the centre see and decide it (Art. 2, 5). Every act can be undone."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import of_the_city
from chengxin.errors import conflict, not_found
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import rfc3339
from chengxin.values.document import RawDocument
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.assertions import DisputedFact
from services.disclosure.domain.disagreements import Disagreement
from services.disclosure.domain.entity_resolution import (
    Groups,
    LinkDecision,
    LinkState,
    SchemedReference,
    link_id,
    mixes_kinds,
)
from services.disclosure.domain.masking import mask_name
from services.disclosure.domain.record_views import RecordView, View, apply_form, form_of
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.public_changes import PublicChanges
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.generations import Generations
from services.disclosure.store.links import LinkAct, StoredLink, groups_of
from services.disclosure.usecases.query_records import SubjectIdentifier, ref_of
from services.disclosure.usecases.view_reader import RecordsQuery, disagreed, read, strongest_first

SUBJECT_UNKNOWN = not_found(
    "SUBJECT_UNKNOWN",
    "没有关于 {subject} 的记录，请核对标识",
    "No record names a subject {subject}; check the identifier",
)
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
LINK_SPLIT_ALREADY = conflict(
    "LINK_SPLIT_ALREADY", "该关联已经拆分，无需再次拆分", "The link is split already; there is nothing to split"
)
NOTHING_TO_UNDO = conflict(
    "NOTHING_TO_UNDO",
    "该关联没有可以撤销的决定",
    "No decision on the link is left that could be undone",
)

_CENTRE: Final = {Role.CENTRE}
_OVERSEERS: Final = {Role.CENTRE, Role.AUTHORITY}


@dataclass(frozen=True)
class Member:
    """A reference of a subject."""

    subject_ref: str
    scheme: str
    # Of a reference that has no record itself, empty.
    kind: str
    name: str
    uscc: str


@dataclass(frozen=True)
class LinkDetails:
    """A link with what it stands on and what was decided of it."""

    link_id: str
    subject_refs: tuple[str, str]
    schemes: tuple[str, str]
    state: str
    records: int
    record_id: str
    standard: bool
    conflict_since: str
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Identity:
    """A subject: its references, strongest first, and every link that touches them, made or not."""

    subject_ref: str
    members: list[Member]
    links: list[LinkDetails]


@dataclass(frozen=True)
class SubjectWithDisagreements:
    """A subject of whom providers tell facts differently."""

    subject_ref: str
    subject_refs: Sequence[str]
    kind: str
    name: str
    facts: Sequence[DisputedFact]


@query(Act.SUBJECT_IDENTITY_READ, roles=_CENTRE, articles=("5",))
def identity(ctx: DisclosureContext, caller: Principal, whom: SubjectIdentifier) -> Identity:
    """The references that are one subject, and why. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    ctx = ctx.pinned()
    found = _identity(ctx, ref_of(ctx, whom))
    ctx.audit.record(ctx.audit.event(Act.SUBJECT_IDENTITY_READ, caller, subject_refs=_refs(found)))
    return found


@query(Act.SUBJECT_REFERENCES_READ, roles={Role.SERVICE}, articles=("5",))
def references(ctx: DisclosureContext, caller: Principal, ref: str) -> tuple[str, ...]:
    """All references of the subject that has this one, for a service that knows only one of them."""
    ctx = ctx.pinned()
    found = ctx.store.links.subject_of(ref)
    ctx.audit.record(ctx.audit.event(Act.SUBJECT_REFERENCES_READ, caller, subject_refs=list(found)))
    return found


@command(Act.SUBJECT_MERGED, roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def merge(
    ctx: DisclosureContext, caller: Principal, both: Sequence[SubjectIdentifier], reason: str, key: str = ""
) -> Identity:
    """Two references are one subject. Raises SUBJECT_UNKNOWN, ONE_SUBJECT_ALREADY, PERSON_AND_ORGANISATION."""
    ctx = ctx.pinned()
    one, other = (ref_of(ctx, whom) for whom in both)
    if one == other:
        raise ONE_SUBJECT_ALREADY()

    def work(unit: UnitOfWork) -> None:
        around = ctx.store.links.around([one, other], unit)
        groups = groups_of(around)
        if other in groups.of(one):
            raise ONE_SUBJECT_ALREADY()
        low, high = (_identifier(ctx, groups, ref, unit) for ref in sorted((one, other)))
        schemes = {low.scheme, high.scheme} | groups.schemes(one) | groups.schemes(other)
        states = ctx.store.links.states([*groups.of(one), *groups.of(other)], unit).values()
        if mixes_kinds(schemes) or len({state.kind == INDIVIDUAL for state in states}) > 1:
            raise PERSON_AND_ORGANISATION()
        known = {kept.link.id: kept for kept in around}
        kept = known.get(link_id(one, other)) or StoredLink(low, high)
        _decide(ctx, caller, unit, Act.SUBJECT_MERGED, kept, LinkDecision.SAME, reason)

    return _once(ctx, caller, key, [Act.SUBJECT_MERGED, sorted((one, other)), reason], work, one)


@command(Act.SUBJECT_SPLIT, roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def split(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """A link joins no more, whoever says so. Raises LINK_UNKNOWN, LINK_SPLIT_ALREADY."""
    ctx = ctx.pinned()

    def work(unit: UnitOfWork) -> None:
        kept = _link(ctx, number, unit)
        if kept.decision is LinkDecision.DIFFERENT:
            raise LINK_SPLIT_ALREADY()
        _decide(ctx, caller, unit, Act.SUBJECT_SPLIT, kept, LinkDecision.DIFFERENT, reason)

    return _once(ctx, caller, key, [Act.SUBJECT_SPLIT, number, reason], work, _first(number))


@command(Act.SUBJECT_DECISION_UNDONE, roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def undo(ctx: DisclosureContext, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """The last decision on a link that stands is taken back: what was before it is again. Raises LINK_UNKNOWN,
    NOTHING_TO_UNDO."""
    ctx = ctx.pinned()

    def work(unit: UnitOfWork) -> None:
        kept = _link(ctx, number, unit)
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

    return _once(ctx, caller, key, [Act.SUBJECT_DECISION_UNDONE, number, reason], work, _first(number))


@query(Act.SUBJECT_CONFLICTS_LISTED, roles=_CENTRE, articles=("5", "12"))
def conflicts(ctx: DisclosureContext, caller: Principal, after: str, limit: int) -> list[LinkDetails]:
    """Links that records claim and that are not made, because they would join two subjects; oldest first."""
    ctx = ctx.pinned()
    found = ctx.store.links.conflicts(after, limit)
    page = [_seen(ctx, kept) for kept in found]
    refs = list(dict.fromkeys(ref for seen in page for ref in seen.subject_refs))
    ctx.audit.record(
        ctx.audit.event(Act.SUBJECT_CONFLICTS_LISTED, caller, subject_refs=refs, details={"found": len(page)})
    )
    return page


@query(Act.SUBJECT_DISAGREEMENTS_LISTED, roles=_OVERSEERS, articles=("2", "5"))
def differing(
    ctx: DisclosureContext, caller: Principal, after: str, limit: int
) -> tuple[list[SubjectWithDisagreements], str]:
    """Subjects of whom providers tell facts differently, those that differ for the longest time first, and the place
    where the next page begins. No value is told."""
    ctx = ctx.pinned()
    found = ctx.store.said.listed(after, limit + 1)
    page = found[:limit]
    refs = strongest_first(listed.refs for listed in page)
    known = ctx.store.links.states(refs)
    ctx.audit.record(
        ctx.audit.event(Act.SUBJECT_DISAGREEMENTS_LISTED, caller, subject_refs=refs, details={"found": len(page)})
    )
    told = [
        SubjectWithDisagreements(s.ref, s.refs, *_called([known[ref] for ref in s.refs if ref in known]), s.facts)
        for s in page
    ]
    return told, page[-1].place if len(found) > limit else ""


@query(Act.SUBJECT_CONFLICTS_READ, roles=_CENTRE, articles=("5", "12"))
def conflicts_of(
    ctx: DisclosureContext, caller: Principal, whom: SubjectIdentifier
) -> tuple[Identity, list[Disagreement]]:
    """What is not agreed of one subject: links that are not made, and facts that providers tell differently. Values as
    they are shared among organs. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    ctx = ctx.pinned()
    ref = ref_of(ctx, whom)
    found = _identity(ctx, ref)
    differing, records = disagreed(ctx, read(ctx, ref, View.OWN, RecordsQuery(1)))
    individual = any(member.kind == INDIVIDUAL for member in found.members)
    shown = [
        replace(
            d,
            statements=tuple(
                replace(s, value=_shared(ctx, s.value, records[s.record_id], s.item, individual)) for s in d.statements
            ),
        )
        for d in differing
    ]
    ctx.audit.record(
        ctx.audit.event(
            Act.SUBJECT_CONFLICTS_READ,
            caller,
            subject_refs=_refs(found),
            records=list(dict.fromkeys(s.record_id for d in shown for s in d.statements))[:20],
        )
    )
    held = [link for link in found.links if link.state == LinkState.CONFLICT]
    return replace(found, links=held), shown


def _once(
    ctx: DisclosureContext, caller: Principal, key: str, asked: list[Any], work: Callable[[UnitOfWork], None], ref: str
) -> Identity:
    """Does an act, at most once under a key, and answers whom it made of `ref`. A repeat is on record as a reading."""

    def carry_out(unit: UnitOfWork) -> RawDocument:
        work(unit)
        return {}

    done = ctx.store.store.once(caller.sub, key, canonical(asked), carry_out, dict)
    found = _identity(ctx, ref)
    if not done.first:
        ctx.audit.record(ctx.audit.event(Act.SUBJECT_IDENTITY_READ, caller, subject_refs=_refs(found)))
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
    today = ctx.clock.today().isoformat()
    links = LinkProjection(ctx.store, ctx.subject_key, ctx.keys, unit, rfc3339(ctx.clock.now()))
    links.put(kept)
    Generations(ctx.store.store).note_act(unit, ctx.store.generation)
    work = RecordProjection(ctx.store, ctx.keys, unit, today)
    work.save(links.settle(work))
    announced = PublicChanges(unit, today)
    announced.move(ctx.store, links.moved)
    announced.publish()
    refs = [kept.one.ref, kept.other.ref]
    groups = groups_of(ctx.store.links.around(refs, unit, {kept.link.id: kept}))
    concerned = strongest_first((end, *groups.of(end)) for end in refs)
    details = {"link": kept.link.id, "state": kept.state}
    unit.record(ctx.audit.event(act, caller, subject_refs=concerned, details=details).encode())


def _identity(ctx: DisclosureContext, ref: str) -> Identity:
    around = ctx.store.links.around([ref])
    groups = groups_of(around)
    refs = groups.of(ref)
    known = ctx.store.links.states(refs)
    if not known and not around:
        raise SUBJECT_UNKNOWN(subject=ref)
    members = groups.members.get(ref) or [_identifier(ctx, groups, ref, None)]
    links = sorted((k for k in around if k.one.ref in refs or k.other.ref in refs), key=lambda k: k.link.id)
    return Identity(refs[0], [_member(i, known.get(i.ref)) for i in members], [_seen(ctx, k) for k in links])


def _identifier(ctx: DisclosureContext, groups: Groups, ref: str, unit: UnitOfWork | None) -> SchemedReference:
    """The reference with its scheme. Raises SUBJECT_UNKNOWN."""
    for member in groups.members.get(ref, ()):
        if member.ref == ref:
            return member
    known = ctx.store.links.states([ref], unit).get(ref)
    if known is None:
        raise SUBJECT_UNKNOWN(subject=ref)
    return SchemedReference(ref, known.scheme)


def _member(identifier: SchemedReference, state: SubjectState | None) -> Member:
    return Member(identifier.ref, identifier.scheme, *_called([state] if state else []), state.uscc if state else "")


def _called(states: Sequence[SubjectState]) -> tuple[str, str]:
    """Kind and name, of a person masked, of the first of these."""
    if not states:
        return "", ""
    name, kind = states[0].name, states[0].kind
    return kind, mask_name(name) if kind == INDIVIDUAL else name


def _seen(ctx: DisclosureContext, kept: StoredLink) -> LinkDetails:
    history = [
        {
            name: ctx.keys.decrypt(value, "reason") if name.endswith("reason") and value else value
            for name, value in asdict(act).items()
        }
        for act in kept.history
    ]
    return LinkDetails(
        kept.link.id,
        (kept.one.ref, kept.other.ref),
        (kept.one.scheme, kept.other.scheme),
        kept.state,
        kept.records,
        kept.record,
        kept.standard,
        kept.conflict_since.partition(" ")[0],
        history,
    )


def _link(ctx: DisclosureContext, number: str, unit: UnitOfWork) -> StoredLink:
    kept = ctx.store.links.by_id([number], unit).get(number)
    if kept is None:
        raise LINK_UNKNOWN(link_id=number)
    return kept


def _shared(ctx: DisclosureContext, value: str, record: RecordView, item: str, individual: bool) -> str:
    """A value as organs share it; what they do not share is not told, only that it differs."""
    entry = ctx.store.entry(record.entry_code, record.entry_version)
    kind = INDIVIDUAL if individual else ""
    declared = entry.shown_in.get(View.SHARED, {}).get(item) if entry else None
    if entry is None or declared is None:
        return ""
    form = form_of(declared, entry, kind, View.SHARED)
    return apply_form(form, item, value, {}) if form else ""


def _first(number: str) -> str:
    return number.partition(".")[0]


def _refs(found: Identity) -> list[str]:
    return [member.subject_ref for member in found.members]
