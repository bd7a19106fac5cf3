"""How a subject's views are kept: pages of its records, each packed once per view. Pure.

A record has a seat, counted from 0 in order of arrival, which it keeps through amendments. A page holds `SEATS` seats.
The last page, the newest records, lies in the subject's own document, so that most subjects are one read.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.disclosure.called import Called
from services.disclosure.entry import Entry
from services.disclosure.masking import MASK
from services.disclosure.model import MODES, Shown, View, mode_view, shown_name
from services.disclosure.period import NEVER
from services.disclosure.said import NOTHING, Said

# Most subjects have fewer records; rewriting a page costs about a millisecond.
SEATS: Final = 25

# A record or two: setting up the compressor costs more than it saves.
_WORTH_PACKING: Final = 4096
_JSON: Final = b"{"

_encoder: Final = msgspec.json.Encoder()


class Leaf(msgspec.Struct):
    """A page in one view: records and their seats, newest first."""

    seats: list[int]
    records: list[Shown]


_decoder: Final = msgspec.json.Decoder(Leaf)


class Named(msgspec.Struct, frozen=True):
    """A name under which the public sees a subject: until when, and on which seat."""

    name: str
    until: str
    seat: int

    def merged(self, other: "Named") -> "Named":
        """The same name on other records too."""
        return Named(self.name, max(self.until, other.until), max(self.seat, other.seat))


@dataclass(frozen=True)
class Sight:
    """What the public can see at all: until when, and under which names."""

    until: str = ""
    names: tuple[Named, ...] = ()

    def same_as(self, other: "Sight") -> bool:
        """Whether the public finds it the same way by both: seats only order the names."""
        mine, others = ([(n.name, n.until) for n in sight.names] for sight in (self, other))
        return self.until == other.until and mine == others

    def merged(self, other: "Sight") -> "Sight":
        """Both together: of a name, the longest time and the newest seat."""
        names = sorted(each_once((*self.names, *other.names)), key=lambda n: -n.seat)
        return Sight(max(self.until, other.until), tuple(names))


def each_once(names: Iterable[Named]) -> Iterable[Named]:
    """Each name once, in the order in which they come."""
    found: dict[str, Named] = {}
    for named in names:
        known = found.get(named.name)
        found[named.name] = known.merged(named) if known is not None else named
    return found.values()


def seen_names(names: Iterable[Named], called: Called, today: str) -> list[str]:
    """The name under which the public sees a subject today, then its former ones: only what public records show.

    Where they do not show what it is called, the newest of theirs. Masked ones only where there is no other.
    """
    seen = [n.name for n in names if n.until >= today]
    plain = [name for name in seen if MASK not in name] or seen[:1]
    if not plain:
        return []
    first = called.name if called.name in plain else plain[0]
    return [first, *(name for name in plain if name != first and name in called.former)]


@dataclass
class Page:
    """A page while it is changed: the full view of its records by seat."""

    number: int
    records: dict[int, Shown] = field(default_factory=dict)
    changed: bool = False
    # Whether something was taken away or replaced, not only added.
    reduced: bool = False
    # What was said on it when it was loaded, if that is known, and the records that were added since.
    said: Said | None = None
    added: list[Shown] = field(default_factory=list)

    def put(self, seat: int, shown: Shown) -> None:
        """Seats a record, or replaces what sits there."""
        if seat in self.records:
            self.reduced = True
        else:
            self.added.append(shown)
        self.records[seat] = shown
        self.changed = True

    def take(self, seat: int) -> None:
        """Empties a seat."""
        if self.records.pop(seat, None) is not None:
            self.changed = self.reduced = True


@dataclass(frozen=True)
class Packed:
    """A page as it is stored: a blob per view, empty ones left out; what the public sees, what providers say of whom."""

    views: Mapping[str, bytes]
    sight: Sight
    # Per view the last day on which it shows anything.
    until: Mapping[str, str]
    said: Said


def pack(
    page: Page, kind: str, entry_of: Callable[[str, int], Entry], opened_of: Callable[[Shown], dict[str, str]]
) -> Packed:
    """Prepares all views of a page. Archived records are in the full view only."""
    leaves: dict[View, Leaf] = {view: Leaf([], []) for view in View}
    names: list[Named] = []
    for seat in sorted(page.records, reverse=True):
        full = page.records[seat]
        _add(leaves[View.OWN], seat, full)
        if full.archived is True:
            continue
        entry = entry_of(full.entry_code, full.entry_version)
        opened = opened_of(full)
        for mode in MODES:
            shown = mode_view(full, entry, kind, mode, opened)
            if shown is None:
                continue
            _add(leaves[mode], seat, shown)
            if mode is View.PUBLIC and (name := shown_name(shown, entry)):
                names.append(Named(name, full.disclosed_until or NEVER, seat))
    views = {view.value: _packed(leaf) for view, leaf in leaves.items() if leaf.seats}
    until = {view.value: _until(leaf.records) for view, leaf in leaves.items() if leaf.seats}
    sight = Sight(until.get(View.PUBLIC.value, "")).merged(Sight("", tuple(names)))
    return Packed(views, sight, until, _said(page, entry_of))


def unpack(blob: bytes | None) -> Leaf:
    """A view of a page; an absent one is empty."""
    if not blob:
        return Leaf([], [])
    return _decoder.decode(blob if blob[:1] == _JSON else zlib.decompress(blob))


def page_of(number: int, own: bytes | None, said: Said | None = None) -> Page:
    """The page whose full view this is, and on which this is said."""
    leaf = unpack(own)
    return Page(number, dict(zip(leaf.seats, leaf.records, strict=True)), said=said)


def _said(page: Page, entry_of: Callable[[str, int], Entry]) -> Said:
    # Mostly records are added: looking at all of a page each time would be felt when a feed is followed.
    if page.said is None or page.reduced:
        return NOTHING.taking(page.records.values(), entry_of)
    return page.said.taking(page.added, entry_of)


def _add(leaf: Leaf, seat: int, shown: Shown) -> None:
    leaf.seats.append(seat)
    leaf.records.append(shown)


def _packed(leaf: Leaf) -> bytes:
    plain = _encoder.encode(leaf)
    return zlib.compress(plain, 1) if len(plain) > _WORTH_PACKING else plain


def _until(records: Iterable[Shown]) -> str:
    return max((r.disclosed_until or NEVER for r in records), default="")
