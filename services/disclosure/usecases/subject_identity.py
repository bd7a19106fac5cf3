"""Which references are one subject, and why (Art. 2, 5)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import Problem, not_found
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.context import DisclosureContext
from services.disclosure.domain.entity_resolution import Groups, SchemedReference
from services.disclosure.domain.masking import mask_name
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.store.links import StoredLink, groups_of
from services.disclosure.usecases.query_records import SubjectIdentifier, ref_of

SUBJECT_UNKNOWN = not_found(
    "SUBJECT_UNKNOWN",
    "没有关于 {subject} 的记录，请核对标识",
    "No record names a subject {subject}; check the identifier",
)

CENTRE: Final = {Role.CENTRE}
# Who may approve a merge looks first at whom it joins. The authority may: a small city's centre has one officer.
APPROVERS: Final = {Role.CENTRE, Role.AUTHORITY}


@dataclass(frozen=True)
class Member:
    """A reference of a subject."""

    subject_ref: str
    scheme: str
    # Empty when the reference has no record itself.
    kind: str
    name: str
    uscc: str


@dataclass(frozen=True)
class LinkDetails:
    """A link, its grounds, and what officers decided on it."""

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


def any_subject(
    ctx: DisclosureContext, caller: Principal, found: Identity | SchemedReference | None, ref: str
) -> Problem | None:
    """Any subject that a record or a link names."""
    return None if found is not None else SUBJECT_UNKNOWN(subject=ref)


@query(Act.SUBJECT_IDENTITY_READ, roles=APPROVERS, articles=("5",), may=any_subject)
def read_identity(ctx: DisclosureContext, caller: Principal, identifier: SubjectIdentifier) -> Identity:
    """Reads the references that are one subject, and why. Raises INPUT_INVALID, SUBJECT_UNKNOWN."""
    ctx = ctx.pinned()
    ref = ref_of(ctx, identifier)
    found = authorise(identity_of(ctx, ref), ref)
    put_reading_on_record(ctx, caller, found)
    return found


@query(Act.SUBJECT_REFERENCES_READ, roles={Role.SERVICE}, articles=("5",))
def list_references(ctx: DisclosureContext, caller: Principal, ref: str) -> tuple[str, ...]:
    """Lists all references of the subject that has this one, for a service that knows only one of them."""
    ctx = ctx.pinned()
    found = ctx.store.links.subject_of(ref)
    ctx.audit.record(ctx.audit.event(Act.SUBJECT_REFERENCES_READ, caller, subject_refs=list(found)))
    return found


def put_reading_on_record(ctx: DisclosureContext, caller: Principal, found: Identity) -> None:
    """Puts on record that the caller reads who a subject is. Raises AUDIT_UNAVAILABLE."""
    ctx.audit.record(ctx.audit.event(Act.SUBJECT_IDENTITY_READ, caller, subject_refs=refs_of(found)))


def identity_of(ctx: DisclosureContext, ref: str) -> Identity | None:
    """Reads the subject of a reference; None when no record and no link names it."""
    around = ctx.store.links.around([ref])
    groups = groups_of(around)
    refs = groups.of(ref)
    known = ctx.store.links.states(refs)
    if not known and not around:
        return None
    members = groups.members.get(ref) or [SchemedReference(ref, known[ref].scheme)]
    links = sorted((k for k in around if k.one.ref in refs or k.other.ref in refs), key=lambda k: k.link.id)
    details = [details_of(ctx, kept) for kept in links]
    return Identity(refs[0], [_member(r, known.get(r.ref)) for r in members], details)


def refs_of(found: Identity) -> list[str]:
    """Returns the references of a subject, strongest first."""
    return [member.subject_ref for member in found.members]


def schemed_reference(
    ctx: DisclosureContext, groups: Groups, ref: str, unit: UnitOfWork | None = None
) -> SchemedReference | None:
    """Returns a reference with its scheme; None when no record and no link names it."""
    for member in groups.members.get(ref, ()):
        if member.ref == ref:
            return member
    known = ctx.store.links.states([ref], unit).get(ref)
    return SchemedReference(ref, known.scheme) if known is not None else None


def kind_and_name(states: Sequence[SubjectState]) -> tuple[str, str]:
    """Returns kind and name of the first of these; a person's name is masked."""
    if not states:
        return "", ""
    name, kind = states[0].name, states[0].kind
    return kind, mask_name(name) if kind == INDIVIDUAL else name


def details_of(ctx: DisclosureContext, kept: StoredLink) -> LinkDetails:
    """Returns a link as officers see it, with the reasons opened."""
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


def _member(reference: SchemedReference, state: SubjectState | None) -> Member:
    kind, name = kind_and_name([state] if state else [])
    return Member(reference.ref, reference.scheme, kind, name, state.uscc if state else "")
