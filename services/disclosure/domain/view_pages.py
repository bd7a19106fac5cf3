"""What the public can see of a subject: until when, and under which names."""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.disclosure.domain.masking import MASK
from services.disclosure.domain.subject_names import NameHistory

# The most names that are stored of a subject, from its newest records: each record may have another name.
MOST_NAMES: Final = 100


class PublicName(msgspec.Struct, frozen=True, array_like=True):
    """A name under which the public sees a subject: until when, and the slot of its newest record (`seat`)."""

    name: str
    until: str
    seat: int

    def merged(self, other: "PublicName") -> "PublicName":
        """Returns the name merged with the same name on other records."""
        return PublicName(self.name, max(self.until, other.until), max(self.seat, other.seat))


class PublicVisibility(msgspec.Struct, frozen=True, array_like=True):
    """The last day on which the public can see a subject, and the names under which it does."""

    until: str = ""
    names: tuple[PublicName, ...] = ()

    def same_as(self, other: "PublicVisibility") -> bool:
        """Whether the public finds the subject in the same way by both; slots only order the names."""
        mine, others = ([(n.name, n.until) for n in visibility.names] for visibility in (self, other))
        return self.until == other.until and mine == others

    def merged(self, other: "PublicVisibility") -> "PublicVisibility":
        """Returns both together; each name has its latest last day and its newest slot."""
        names = sorted(each_once((*self.names, *other.names)), key=lambda n: -n.seat)
        return PublicVisibility(max(self.until, other.until), tuple(names[:MOST_NAMES]))


def each_once(names: Iterable[PublicName]) -> Iterable[PublicName]:
    """Returns each name once, in the order of its first occurrence."""
    by_name: dict[str, PublicName] = {}
    for public_name in names:
        earlier = by_name.get(public_name.name)
        by_name[public_name.name] = earlier.merged(public_name) if earlier is not None else public_name
    return by_name.values()


def seen_names(names: Iterable[PublicName], called: NameHistory, today: str) -> list[str]:
    """Returns the name under which the public sees a subject today, then its former names.

    Only names that public records show are returned. If these records do not show the present name, their newest name
    comes first. A masked name is returned only if there is no other.
    """
    visible = [n.name for n in names if n.until >= today]
    plain = [name for name in visible if MASK not in name] or visible[:1]
    if not plain:
        return []
    present = called.name if called.name in plain else plain[0]
    return [present, *(name for name in plain if name != present and name in called.former)]
