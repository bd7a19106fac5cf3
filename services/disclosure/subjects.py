"""Which references are one subject, as officers of the centre see and decide it (Art. 2, 5). Every act can be undone."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from chengxin.canonical import canonical
from chengxin.clock import rfc3339
from chengxin.errors import conflict, not_found
from chengxin.mongo import Unit
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from chengxin.regions import of_the_city
from chengxin.subjects import INDIVIDUAL
from services.disclosure.announcing import Announcement
from services.disclosure.conflicts import Disagreement, disagreements
from services.disclosure.identity import Decision, Groups, Identifier, State, link_id, mixes_kinds
from services.disclosure.link_store import Act, Kept, groups_of
from services.disclosure.masking import mask_name
from services.disclosure.model import Shown, View, mode_view
from services.disclosure.query import Selector, ref_of
from services.disclosure.reading import ALL, Ask, read
from services.disclosure.relinking import Relinking
from services.disclosure.room import Disclosure
from services.disclosure.said import Differing

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
class LinkSeen:
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
    links: list[LinkSeen]


@dataclass(frozen=True)
class Differs:
    """A subject of whom providers tell facts differently."""

    subject_ref: str
    subject_refs: Sequence[str]
    kind: str
    name: str
    facts: Sequence[Differing]


@rule("subject.identity_read", roles=_CENTRE, articles=("5",))
def identity(room: Disclosure, caller: Principal, whom: Selector) -> Identity:
    """The references that are one subject, and why. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    found = _identity(room, ref_of(room, whom))
    room.audit.record(room.audit.event("subject.identity_read", caller, subject_refs=_refs(found)))
    return found


@rule("subject.references_read", roles={Role.SERVICE}, articles=("5",))
def references(room: Disclosure, caller: Principal, ref: str) -> tuple[str, ...]:
    """All references of the subject that has this one, for a service that knows only one of them."""
    found = room.store.links.subject_of(ref)
    room.audit.record(room.audit.event("subject.references_read", caller, subject_refs=list(found)))
    return found


@rule("subject.merged", roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def merge(room: Disclosure, caller: Principal, both: Sequence[Selector], reason: str, key: str = "") -> Identity:
    """Two references are one subject. Raises SUBJECT_UNKNOWN, ONE_SUBJECT_ALREADY, PERSON_AND_ORGANISATION."""
    one, other = (ref_of(room, whom) for whom in both)
    if one == other:
        raise ONE_SUBJECT_ALREADY()

    def work(unit: Unit) -> None:
        around = room.store.links.around([one, other], unit)
        groups = groups_of(around)
        if other in groups.of(one):
            raise ONE_SUBJECT_ALREADY()
        low, high = (_identifier(room, groups, ref, unit) for ref in sorted((one, other)))
        schemes = {low.scheme, high.scheme} | groups.schemes(one) | groups.schemes(other)
        rows = room.store.links.subjects([*groups.of(one), *groups.of(other)], unit).values()
        if mixes_kinds(schemes) or len({row["kind"] == INDIVIDUAL for row in rows}) > 1:
            raise PERSON_AND_ORGANISATION()
        known = {kept.link.id: kept for kept in around}
        kept = known.get(link_id(one, other)) or Kept(low, high)
        _decide(room, caller, unit, "subject.merged", kept, Decision.SAME, reason)

    return _once(room, caller, key, ["subject.merged", sorted((one, other)), reason], work, one)


@rule("subject.split", roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def split(room: Disclosure, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """A link joins no more, whoever says so. Raises LINK_UNKNOWN, LINK_SPLIT_ALREADY."""

    def work(unit: Unit) -> None:
        kept = _link(room, number, unit)
        if kept.decision is Decision.DIFFERENT:
            raise LINK_SPLIT_ALREADY()
        _decide(room, caller, unit, "subject.split", kept, Decision.DIFFERENT, reason)

    return _once(room, caller, key, ["subject.split", number, reason], work, _first(number))


@rule("subject.decision_undone", roles=_CENTRE, articles=("5", "6"), when=(of_the_city,))
def undo(room: Disclosure, caller: Principal, number: str, reason: str, key: str = "") -> Identity:
    """The last decision on a link that stands is taken back: what was before it is again. Raises LINK_UNKNOWN,
    NOTHING_TO_UNDO."""

    def work(unit: Unit) -> None:
        kept = _link(room, number, unit)
        standing = [n for n, act in enumerate(kept.history) if not act.undone_at]
        if not standing:
            raise NOTHING_TO_UNDO()
        last = kept.history[standing[-1]]
        kept.history[standing[-1]] = replace(
            last,
            undone_by=caller.sub,
            undone_at=rfc3339(room.clock.now()),
            undone_reason=room.keys.encrypt(reason, "reason"),
        )
        _save(room, caller, unit, "subject.decision_undone", kept)

    return _once(room, caller, key, ["subject.decision_undone", number, reason], work, _first(number))


@rule("subject.conflicts_listed", roles=_CENTRE, articles=("5", "12"))
def conflicts(room: Disclosure, caller: Principal, after: str, limit: int) -> list[LinkSeen]:
    """Links that records claim and that are not made, because they would join two subjects; oldest first."""
    found = room.store.links.conflicts(after, limit)
    page = [_seen(room, kept) for kept in found]
    refs = list(dict.fromkeys(ref for seen in page for ref in seen.subject_refs))
    room.audit.record(
        room.audit.event("subject.conflicts_listed", caller, subject_refs=refs, details={"found": len(page)})
    )
    return page


@rule("subject.disagreements_listed", roles=_OVERSEERS, articles=("2", "5"))
def differing(room: Disclosure, caller: Principal, after: str, limit: int) -> tuple[list[Differs], str]:
    """Subjects of whom providers tell facts differently, those that differ for the longest time first, and the place
    where the next page begins. No value is told."""
    found = room.store.said.listed(after, limit + 1)
    page = found[:limit]
    refs = [ref for listed in page for ref in listed.refs]
    known = room.store.links.subjects(refs)
    room.audit.record(
        room.audit.event("subject.disagreements_listed", caller, subject_refs=refs, details={"found": len(page)})
    )
    told = [Differs(s.ref, s.refs, *_called([known[ref] for ref in s.refs if ref in known]), s.facts) for s in page]
    return told, page[-1].place if len(found) > limit else ""


@rule("subject.conflicts_read", roles=_CENTRE, articles=("5", "12"))
def conflicts_of(room: Disclosure, caller: Principal, whom: Selector) -> tuple[Identity, list[Disagreement]]:
    """What is not agreed of one subject: links that are not made, and facts that providers tell differently. Values as
    they are shared among organs. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    ref = ref_of(room, whom)
    found = _identity(room, ref)
    records = {r.record_id: r for r in read(room, ref, View.OWN, Ask(ALL)).records}
    differing = disagreements(records.values(), room.store.entry)
    individual = any(member.kind == INDIVIDUAL for member in found.members)
    shown = [
        replace(
            d,
            statements=tuple(
                replace(s, value=_shared(room, s.value, records[s.record_id], s.item, individual)) for s in d.statements
            ),
        )
        for d in differing
    ]
    room.audit.record(
        room.audit.event(
            "subject.conflicts_read",
            caller,
            subject_refs=_refs(found),
            records=list(dict.fromkeys(s.record_id for d in shown for s in d.statements))[:20],
        )
    )
    held = [link for link in found.links if link.state == State.CONFLICT]
    return replace(found, links=held), shown


def _once(
    room: Disclosure, caller: Principal, key: str, asked: list[Any], work: Callable[[Unit], None], ref: str
) -> Identity:
    """Does an act, at most once under a key, and answers whom it made of `ref`. A repeat is on record as a reading."""
    done: list[bool] = []

    def first_time(unit: Unit) -> dict[str, Any]:
        done[:] = [True]
        work(unit)
        return {}

    room.store.store.once(caller.sub, key, canonical(asked), first_time)
    found = _identity(room, ref)
    if not done:
        room.audit.record(room.audit.event("subject.identity_read", caller, subject_refs=_refs(found)))
    return found


def _decide(
    room: Disclosure, caller: Principal, unit: Unit, act: str, kept: Kept, decision: Decision, reason: str
) -> None:
    sealed = room.keys.encrypt(reason, "reason")
    kept.history.append(Act(decision.value, caller.sub, rfc3339(room.clock.now()), sealed))
    _save(room, caller, unit, act, kept)


def _save(room: Disclosure, caller: Principal, unit: Unit, act: str, kept: Kept) -> None:
    work = Relinking(room.store, room.subject_key, room.keys, unit, rfc3339(room.clock.now()))
    work.put(kept)
    work.save()
    announced = Announcement(unit, room.clock.today().isoformat())
    announced.move(room.store, work.moved)
    announced.publish()
    refs = [kept.one.ref, kept.other.ref]
    groups = groups_of(room.store.links.around(refs, unit, {kept.link.id: kept}))
    concerned = list(dict.fromkeys(ref for end in refs for ref in (end, *groups.of(end))))
    details = {"link": kept.link.id, "state": kept.state}
    unit.record(room.audit.event(act, caller, subject_refs=concerned, details=details).encode())


def _identity(room: Disclosure, ref: str) -> Identity:
    around = room.store.links.around([ref])
    groups = groups_of(around)
    refs = groups.of(ref)
    known = room.store.links.subjects(refs)
    if not known and not around:
        raise SUBJECT_UNKNOWN(subject=ref)
    members = groups.members.get(ref) or [_identifier(room, groups, ref, None)]
    links = sorted((k for k in around if k.one.ref in refs or k.other.ref in refs), key=lambda k: k.link.id)
    return Identity(refs[0], [_member(i, known.get(i.ref, {})) for i in members], [_seen(room, k) for k in links])


def _identifier(room: Disclosure, groups: Groups, ref: str, unit: Unit | None) -> Identifier:
    """The reference with its scheme. Raises SUBJECT_UNKNOWN."""
    for member in groups.members.get(ref, ()):
        if member.ref == ref:
            return member
    known = room.store.links.subjects([ref], unit).get(ref)
    if known is None:
        raise SUBJECT_UNKNOWN(subject=ref)
    return Identifier(ref, known.get("scheme", ""))


def _member(identifier: Identifier, row: dict[str, Any]) -> Member:
    return Member(identifier.ref, identifier.scheme, *_called([row]), row.get("uscc", ""))


def _called(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Kind and name, of a person masked, of the first of these that have them."""
    row = rows[0] if rows else {}
    name, kind = row.get("name", ""), row.get("kind", "")
    return kind, mask_name(name) if kind == INDIVIDUAL else name


def _seen(room: Disclosure, kept: Kept) -> LinkSeen:
    history = [
        {
            name: room.keys.decrypt(value, "reason") if name.endswith("reason") and value else value
            for name, value in asdict(act).items()
        }
        for act in kept.history
    ]
    return LinkSeen(
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


def _link(room: Disclosure, number: str, unit: Unit) -> Kept:
    kept = room.store.links.by_id([number], unit).get(number)
    if kept is None:
        raise LINK_UNKNOWN(link_id=number)
    return kept


def _shared(room: Disclosure, value: str, record: Shown, item: str, individual: bool) -> str:
    """A value as organs share it; what they do not share is not told, only that it differs."""
    entry = room.store.entry(record.entry_code, record.entry_version)
    kind = INDIVIDUAL if individual else ""
    shown = entry and mode_view(record, entry, kind, View.SHARED, {})
    return shown.items.get(item, "") if shown else ""


def _first(number: str) -> str:
    return number.partition(".")[0]


def _refs(found: Identity) -> list[str]:
    return [member.subject_ref for member in found.members]
