"""What the public can see of a subject at all: until when, and under which names. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.disclosure.domain.masking import MASK
from services.disclosure.domain.subject_names import NameHistory

# Names that are kept of a subject, those of its newest records: a provider may call it otherwise in each record.
MOST_NAMES: Final = 100


class PublicName(msgspec.Struct, frozen=True, array_like=True):
    """A name under which the public sees a subject: until when, and on which seat."""

    name: str
    until: str
    seat: int

    def merged(self, other: "PublicName") -> "PublicName":
        """The same name on other records too."""
        return PublicName(self.name, max(self.until, other.until), max(self.seat, other.seat))


class PublicVisibility(msgspec.Struct, frozen=True, array_like=True):
    """What the public can see at all: until when, and under which names."""

    until: str = ""
    names: tuple[PublicName, ...] = ()

    def same_as(self, other: "PublicVisibility") -> bool:
        """Whether the public finds it the same way by both: seats only order the names."""
        mine, others = ([(n.name, n.until) for n in sight.names] for sight in (self, other))
        return self.until == other.until and mine == others

    def merged(self, other: "PublicVisibility") -> "PublicVisibility":
        """Both together: of a name, the longest time and the newest seat."""
        names = sorted(each_once((*self.names, *other.names)), key=lambda n: -n.seat)
        return PublicVisibility(max(self.until, other.until), tuple(names[:MOST_NAMES]))


def each_once(names: Iterable[PublicName]) -> Iterable[PublicName]:
    """Each name once, in the order in which they come."""
    found: dict[str, PublicName] = {}
    for named in names:
        known = found.get(named.name)
        found[named.name] = known.merged(named) if known is not None else named
    return found.values()


def seen_names(names: Iterable[PublicName], called: NameHistory, today: str) -> list[str]:
    """The name under which the public sees a subject today, then its former ones: only what public records show.

    Where they do not show what it is called, the newest of theirs. Masked ones only where there is no other.
    """
    seen = [n.name for n in names if n.until >= today]
    plain = [name for name in seen if MASK not in name] or seen[:1]
    if not plain:
        return []
    first = called.name if called.name in plain else plain[0]
    return [first, *(name for name in plain if name != first and name in called.former)]
