"""Finds the references that are one subject (Art. 2, 5). The result depends on the links, not on their order.

A reference is the pseudonym of one identifier under one scheme. A link joins two references: because a valid record
names both, because one code contains the other, or because an officer decided so. Nothing is rewritten when links
change.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from chengxin.values.identifiers import IDENTIFIERS, PERSONAL

# The schemes, strongest first; every other scheme comes after these.
_SCHEMES: Final = (*IDENTIFIERS, "registration_number")
# These identify a subject beyond doubt. Records alone never join two of them: officers do, for example a person's
# passport and her residence permit.
STRONG: Final = frozenset({"uscc"}) | PERSONAL
# Issued once, for life.
CITIZEN: Final = "identity_number"
ORGANISATION: Final = frozenset({"uscc", "organisation_code", "registration_number"})
# The place of the organisation code in a unified social credit code (GB 32100, characters 9 to 17; GB 11714).
_ORGANISATION_CODE: Final = slice(8, 17)
_USCC_LENGTH: Final = 18


class LinkDecision(StrEnum):
    """An officer's decision on a link; without one, the records decide."""

    NONE = ""
    SAME = "same"
    DIFFERENT = "different"


class LinkState(StrEnum):
    """Whether a link joins."""

    # Records name both references, or one code contains the other.
    AUTOMATIC = "automatic"
    # The link would give one subject two strong identifiers, or make two persons one: officers see it, and it does not
    # join.
    CONFLICT = "conflict"
    MERGED = "merged"
    SPLIT = "split"
    # No record and no officer supports the link any more.
    NONE = ""


@dataclass(frozen=True, slots=True)
class SchemedReference:
    """A reference and the scheme of the identifier that it stands for."""

    ref: str
    scheme: str

    @property
    def rank(self) -> tuple[int, str]:
        """The sort key that puts the strongest reference first."""
        return _SCHEMES.index(self.scheme) if self.scheme in _SCHEMES else len(_SCHEMES), self.ref


@dataclass(frozen=True, slots=True)
class Link:
    """Two references that records, codes or an officer link as one subject."""

    one: SchemedReference
    other: SchemedReference
    claimed: bool = True
    decision: LinkDecision = LinkDecision.NONE

    @property
    def id(self) -> str:
        """The id of the link; it is the same whichever reference comes first."""
        return link_id(self.one.ref, self.other.ref)


@dataclass(frozen=True)
class Groups:
    """The subjects that result from links, and the state of each link."""

    # Reference to the members of its subject, strongest first.
    members: Mapping[str, Sequence[SchemedReference]]
    states: Mapping[str, LinkState]

    def of(self, ref: str) -> tuple[str, ...]:
        """Returns the references of a subject, strongest first; a reference without links is alone."""
        return tuple(i.ref for i in self.members[ref]) if ref in self.members else (ref,)

    def schemes(self, ref: str) -> set[str]:
        """Returns the schemes of a subject's references."""
        return {i.scheme for i in self.members.get(ref, ())}


@dataclass
class _DisjointSets:
    parents: dict[str, str] = field(default_factory=dict)

    def root(self, ref: str) -> str:
        path = []
        while (parent := self.parents.setdefault(ref, ref)) != ref:
            path.append(ref)
            ref = parent
        for visited in path:
            self.parents[visited] = ref
        return ref

    def join(self, one: str, other: str) -> None:
        # The smaller reference becomes the root, so that the result does not depend on the order.
        low, high = sorted((self.root(one), self.root(other)))
        self.parents[high] = low


def link_id(one: str, other: str) -> str:
    """Returns the id of the link between two references."""
    return ".".join(sorted((one, other)))


def organisation_code_in(uscc: str) -> str:
    """Returns the organisation code in a unified social credit code; empty when `uscc` does not have its length."""
    return uscc[_ORGANISATION_CODE] if len(uscc) == _USCC_LENGTH else ""


def group_links(links: Iterable[Link]) -> Groups:
    """Returns the subjects that result from these links.

    The links that officers merged join first, unless they would make two persons, or a person and an organisation, one:
    then none of those that lead there joins, because it cannot be known which is wrong. Then the links from records
    join, unless a link would join two sets that both have a strong identifier. If records link references without a
    strong identifier to several such sets, these references join none of them: an officer must decide which is right.
    """
    by_id = {link.id: link for link in links}
    references = {i.ref: i for link in by_id.values() for i in (link.one, link.other)}
    merged = [link for link in by_id.values() if link.decision is LinkDecision.SAME]
    impossible = _impossible(merged)
    merged_sets, weak_sets = _joined(link for link in merged if link.id not in impossible), _DisjointSets()
    strong = {merged_sets.root(i.ref) for i in references.values() if i.scheme in STRONG}
    open_links = [link for link in by_id.values() if link.claimed and link.decision is LinkDecision.NONE]
    roots = {link.id: (merged_sets.root(link.one.ref), merged_sets.root(link.other.ref)) for link in open_links}
    for one, other in roots.values():
        if one not in strong and other not in strong:
            weak_sets.join(one, other)
    strong_roots_by_weak: dict[str, set[str]] = {}
    for one, other in roots.values():
        for weak_root, strong_root in ((one, other), (other, one)):
            if weak_root not in strong and strong_root in strong:
                strong_roots_by_weak.setdefault(weak_sets.root(weak_root), set()).add(strong_root)
    persons = {merged_sets.root(i.ref) for i in references.values() if i.scheme in PERSONAL}
    organisations = {weak_sets.root(merged_sets.root(i.ref)) for i in references.values() if i.scheme in ORGANISATION}
    ambiguous = {
        weak_root
        for weak_root, strong_roots in strong_roots_by_weak.items()
        if len(strong_roots) > 1 or (weak_root in organisations and not strong_roots.isdisjoint(persons))
    }
    states = {link.id: LinkState.SPLIT for link in by_id.values() if link.decision is LinkDecision.DIFFERENT}
    states |= {link.id: LinkState.CONFLICT if link.id in impossible else LinkState.MERGED for link in merged}
    joined_sets = _DisjointSets(dict(merged_sets.parents))
    for link in open_links:
        strong_ends = {root for root in roots[link.id] if root in strong}
        weak_ends = {weak_sets.root(root) for root in roots[link.id] if root not in strong}
        states[link.id] = LinkState.AUTOMATIC
        if len(strong_ends) == 2 or (strong_ends and weak_ends & ambiguous):
            states[link.id] = LinkState.CONFLICT
        else:
            joined_sets.join(*roots[link.id])
    members: dict[str, list[SchemedReference]] = {}
    for reference in sorted(references.values(), key=lambda i: i.rank):
        members.setdefault(joined_sets.root(reference.ref), []).append(reference)
    return Groups({ref: members[joined_sets.root(ref)] for ref in references}, states)


def two_persons(members: Iterable[SchemedReference]) -> bool:
    """Whether two identity numbers are among these: then they are two persons, whatever an officer decides. A number is
    issued to one citizen for life (Resident Identity Card Law, Art. 3; GB 11643), and records have only valid ones.

    Two credit codes are no such proof: an organisation may have got several (重码), and has one more when it is
    registered anew. Records alone never join these either; an officer may.
    """
    return len({i.ref for i in members if i.scheme == CITIZEN}) > 1


def mixes_kinds(schemes: Collection[str]) -> bool:
    """Whether a subject with these schemes is a person and an organisation at once, which the law keeps apart."""
    return not PERSONAL.isdisjoint(schemes) and not ORGANISATION.isdisjoint(schemes)


def joins_more(before: Groups, after: Groups) -> bool:
    """Whether references are one subject after a decision that were not before it: then each sees what is kept about the
    other. A decision that only takes apart shows nobody more."""
    return any(not set(after.of(ref)) <= set(before.of(ref)) for ref in after.members)


def merged_together(links: Iterable[Link], ref: str) -> set[SchemedReference]:
    """Returns what officers' merges connect with a reference, whether they join or not."""
    return next((members for members in _merged_members(links).values() if ref in {i.ref for i in members}), set())


def _impossible(links: Collection[Link]) -> set[str]:
    """Returns the ids of the merges that together would make one subject of what no decision makes one."""
    wrong = {
        reference.ref
        for members in _merged_members(links).values()
        if two_persons(members) or mixes_kinds({i.scheme for i in members})
        for reference in members
    }
    return {link.id for link in links if link.decision is LinkDecision.SAME and link.one.ref in wrong}


def _merged_members(links: Iterable[Link]) -> dict[str, set[SchemedReference]]:
    merged = [link for link in links if link.decision is LinkDecision.SAME]
    sets = _joined(merged)
    members: dict[str, set[SchemedReference]] = {}
    for link in merged:
        members.setdefault(sets.root(link.one.ref), set()).update((link.one, link.other))
    return members


def _joined(links: Iterable[Link]) -> _DisjointSets:
    sets = _DisjointSets()
    for link in links:
        sets.join(link.one.ref, link.other.ref)
    return sets
