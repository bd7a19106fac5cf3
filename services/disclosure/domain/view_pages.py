"""What the public can see of a subject: until when, under which names, and with how much of a person's name."""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.disclosure.domain.masking import mask_name
from services.disclosure.domain.record_views import View
from services.disclosure.domain.subject_names import NameHistory

# The most names that are stored of a subject, and lookups, from its newest records: each record may have another one.
MOST_NAMES: Final = 100
# Before every day: what stood on any day counts.
ANY_DAY: Final = ""


class PublicName(msgspec.Struct, frozen=True, array_like=True):
    """A name under which the public sees a subject, or a lookup by which it finds a person: until when, and the slot of
    its newest record (`seat`)."""

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
    # The last days on which a public record asks that a person's name is masked, or left out, in all of them.
    masked: str = ""
    nameless: str = ""
    # What the public finds a person by.
    lookups: tuple[PublicName, ...] = ()

    def view(self, today: str) -> View:
        """Returns the form of the public view in which the subject's records are shown: the strictest that any of those
        that the public sees today asks for (Art. 4)."""
        if self.nameless and self.nameless >= today:
            return View.PUBLIC_NAMELESS
        return View.PUBLIC_MASKED if self.masked and self.masked >= today else View.PUBLIC

    def shown_as(self, other: "PublicVisibility", today: str) -> bool:
        """Whether records of the subject are shown in the same form by both. What ended lately counts, too: the public
        is told of it when the record is archived."""
        return (self.view(today), self.view(ANY_DAY)) == (other.view(today), other.view(ANY_DAY))

    def same_as(self, other: "PublicVisibility") -> bool:
        """Whether the public finds and sees the subject in the same way by both; slots only order the names."""
        return without_seats(self) == without_seats(other)

    def merged(self, other: "PublicVisibility") -> "PublicVisibility":
        """Returns both together; each name has its latest last day and its newest slot."""
        return PublicVisibility(
            max(self.until, other.until),
            _newest((*self.names, *other.names)),
            max(self.masked, other.masked),
            max(self.nameless, other.nameless),
            _newest((*self.lookups, *other.lookups)),
        )


def _newest(names: Iterable[PublicName]) -> tuple[PublicName, ...]:
    return tuple(sorted(each_once(names), key=lambda n: -n.seat)[:MOST_NAMES])


def without_seats(visible: PublicVisibility) -> PublicVisibility:
    """Returns what the public sees, whatever the order in which records came."""
    names = tuple(msgspec.structs.replace(name, seat=0) for name in visible.names)
    lookups = sorted((msgspec.structs.replace(lookup, seat=0) for lookup in visible.lookups), key=lambda n: n.name)
    return msgspec.structs.replace(visible, names=names, lookups=tuple(lookups))


def together(visibilities: Iterable[PublicVisibility]) -> PublicVisibility:
    """Returns what the public sees of a subject with several references, the strongest first: their names in this
    order, and the strictest form that any of them asks for."""
    several = list(visibilities)
    return PublicVisibility(
        max((v.until for v in several), default=""),
        tuple(each_once(name for v in several for name in v.names)),
        max((v.masked for v in several), default=""),
        max((v.nameless for v in several), default=""),
        tuple(each_once(lookup for v in several for lookup in v.lookups)),
    )


def each_once(names: Iterable[PublicName]) -> Iterable[PublicName]:
    """Returns each name once, in the order of its first occurrence."""
    by_name: dict[str, PublicName] = {}
    for public_name in names:
        earlier = by_name.get(public_name.name)
        by_name[public_name.name] = earlier.merged(public_name) if earlier is not None else public_name
    return by_name.values()


def seen_names(visible: PublicVisibility, called: NameHistory, today: str) -> list[str]:
    """Returns the name under which the public sees a subject today, then its former names.

    Only names that public records show are returned. If these records do not show the present name, their newest name
    comes first. Of a person the name is as masked as in the strictest of the records, without former names; there is
    none where one of them leaves it out.
    """
    view = visible.view(today)
    shown = [n.name for n in visible.names if n.until >= today]
    if view is View.PUBLIC_NAMELESS or not shown:
        return []
    if view is View.PUBLIC_MASKED:
        masked = [mask_name(name) for name in shown]
        return [mask_name(called.name) if mask_name(called.name) in masked else masked[0]]
    present = called.name if called.name in shown else shown[0]
    return [present, *(name for name in shown if name != present and name in called.former)]
