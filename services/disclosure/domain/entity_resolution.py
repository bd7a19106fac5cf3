"""Which references are one subject (Art. 2, 5). Pure: a function of the links, whatever the order in which they came.

A reference is the pseudonym of one identifier under one scheme. A link joins two of them: because a valid record names
both, because one code contains the other, or because an officer decided so. Nothing is rewritten when links change.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

# Strongest first; every other scheme comes after these.
_SCHEMES: Final = ("uscc", "identity_number", "organisation_code", "registration_number")
# Nobody has two of these: they name a subject beyond doubt.
STRONG: Final = frozenset({"uscc", "identity_number"})
PERSON: Final = "identity_number"
ORGANISATION: Final = frozenset({"uscc", "organisation_code", "registration_number"})
# Where a unified social credit code has the organisation code (GB 32100, characters 9 to 17; GB 11714).
_ORGANISATION_CODE: Final = slice(8, 17)
_USCC_LENGTH: Final = 18


class LinkDecision(StrEnum):
    """What an officer decided of a link; nothing leaves it to the records."""

    NONE = ""
    SAME = "same"
    DIFFERENT = "different"


class LinkState(StrEnum):
    """Whether a link joins."""

    # Records name both, or a code contains the other.
    AUTOMATIC = "automatic"
    # It would join two identifiers of which nobody has two: shown to officers, never made.
    CONFLICT = "conflict"
    MERGED = "merged"
    SPLIT = "split"
    # Nobody says it any more.
    NONE = ""


@dataclass(frozen=True, slots=True)
class SchemedReference:
    """A reference and the scheme of what it stands for."""

    ref: str
    scheme: str

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts the strongest first."""
        return _SCHEMES.index(self.scheme) if self.scheme in _SCHEMES else len(_SCHEMES), self.ref


@dataclass(frozen=True, slots=True)
class Link:
    """Two references that something or somebody calls one subject."""

    one: SchemedReference
    other: SchemedReference
    claimed: bool = True
    decision: LinkDecision = LinkDecision.NONE

    @property
    def id(self) -> str:
        """Its number, the same whichever end is named first."""
        return link_id(self.one.ref, self.other.ref)


@dataclass(frozen=True)
class Groups:
    """The subjects that links make, and which links do not join."""

    # Each reference to the members of its subject, strongest first.
    members: Mapping[str, Sequence[SchemedReference]]
    states: Mapping[str, LinkState]

    def of(self, ref: str) -> tuple[str, ...]:
        """The references of a subject, strongest first; one that no link names is alone."""
        return tuple(i.ref for i in self.members[ref]) if ref in self.members else (ref,)

    def schemes(self, ref: str) -> set[str]:
        """What a subject is known by."""
        return {i.scheme for i in self.members.get(ref, ())}


@dataclass
class _Sets:
    """Disjoint sets of references."""

    above: dict[str, str] = field(default_factory=dict)

    def top(self, ref: str) -> str:
        path = []
        while (higher := self.above.setdefault(ref, ref)) != ref:
            path.append(ref)
            ref = higher
        for passed in path:
            self.above[passed] = ref
        return ref

    def join(self, one: str, other: str) -> None:
        # The smaller name is the top, so that the outcome does not depend on the order.
        low, high = sorted((self.top(one), self.top(other)))
        self.above[high] = low


def link_id(one: str, other: str) -> str:
    """The number of the link between two references."""
    return ".".join(sorted((one, other)))


def organisation_code_in(uscc: str) -> str:
    """The organisation code that a unified social credit code contains; empty when it is none."""
    return uscc[_ORGANISATION_CODE] if len(uscc) == _USCC_LENGTH else ""


def grouped(links: Iterable[Link]) -> Groups:
    """The subjects that these links make.

    What officers merged is joined first. Then records join, as long as that joins no two sets of which each has a
    strong identifier. References without one that records join to several such sets join none of them: which is right
    is for an officer to say.
    """
    known = {link.id: link for link in links}
    ends = {i.ref: i for link in known.values() for i in (link.one, link.other)}
    decided, weak = _Sets(), _Sets()
    for link in known.values():
        if link.decision is LinkDecision.SAME:
            decided.join(link.one.ref, link.other.ref)
    anchored = {decided.top(i.ref) for i in ends.values() if i.scheme in STRONG}
    open_links = [link for link in known.values() if link.claimed and link.decision is LinkDecision.NONE]
    tops = {link.id: (decided.top(link.one.ref), decided.top(link.other.ref)) for link in open_links}
    for one, other in tops.values():
        if one not in anchored and other not in anchored:
            weak.join(one, other)
    anchors: dict[str, set[str]] = {}
    for one, other in tops.values():
        for loose, fast in ((one, other), (other, one)):
            if loose not in anchored and fast in anchored:
                anchors.setdefault(weak.top(loose), set()).add(fast)
    persons = {decided.top(i.ref) for i in ends.values() if i.scheme == PERSON}
    organisations = {weak.top(decided.top(i.ref)) for i in ends.values() if i.scheme in ORGANISATION}
    torn = {
        loose
        for loose, fast in anchors.items()
        if len(fast) > 1 or (loose in organisations and not fast.isdisjoint(persons))
    }
    states = {
        link.id: LinkState.MERGED if link.decision is LinkDecision.SAME else LinkState.SPLIT
        for link in known.values()
        if link.decision is not LinkDecision.NONE
    }
    whole = _Sets(dict(decided.above))
    for link in open_links:
        firm = {top for top in tops[link.id] if top in anchored}
        free = {weak.top(top) for top in tops[link.id] if top not in anchored}
        states[link.id] = LinkState.AUTOMATIC
        if len(firm) == 2 or (firm and free & torn):
            states[link.id] = LinkState.CONFLICT
        else:
            whole.join(*tops[link.id])
    members: dict[str, list[SchemedReference]] = {}
    for identifier in sorted(ends.values(), key=lambda i: i.rank):
        members.setdefault(whole.top(identifier.ref), []).append(identifier)
    return Groups({ref: members[whole.top(ref)] for ref in ends}, states)


def mixes_kinds(schemes: set[str]) -> bool:
    """Whether a subject would be a person and an organisation at once, which the law keeps apart."""
    return PERSON in schemes and bool(schemes & ORGANISATION)
