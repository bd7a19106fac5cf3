"""What the store hands out: where a record is, a subject while it changes, and a subject as it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.disclosure.called import Called
from services.disclosure.said import NOTHING, Said
from services.disclosure.shelf import SEATS, Named, Page, Sight


@dataclass(slots=True)
class Location:
    """Where a record is."""

    record_id: str
    ref: str
    seat: int
    version: int
    revoked: bool = False
    due: str = ""
    # Numbers of the links that the record is evidence of.
    links: list[str] = field(default_factory=list)
    # Who shows it to the public, and the record (`announcing.shown_key`); empty while it is not public.
    shown: str = ""


@dataclass
class Subject:
    """A subject while its records change. Pages are those that were loaded, by number."""

    ref: str
    kind: str = ""
    called: Called = field(default_factory=Called)
    uscc: str = ""
    # The number of the newest page, which is in the subject's document, and the next seat.
    tail: int = 0
    seats: int = 0
    top: Sight = field(default_factory=Sight)
    # What the public sees of the older pages, and of everything.
    below: Sight = field(default_factory=Sight)
    sight: Sight = field(default_factory=Sight)
    # What the providers say of it on the newest page, and on the older ones.
    said_top: Said = NOTHING
    said_below: Said = NOTHING
    pages: dict[int, Page] = field(default_factory=dict)
    new: bool = True
    # Scheme of the identifier that the reference stands for.
    scheme: str = ""
    # The references that are one subject with this one, strongest first; none when it is alone.
    group: list[str] = field(default_factory=list)
    group_uscc: str = ""
    # The names that the changes in hand bring, in order, and whether a register does; those of records that they take back.
    heard: dict[str, bool] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    @property
    def said(self) -> Said:
        """What the providers say of it."""
        return self.said_below.merged(self.said_top)

    def page(self, seat: int) -> Page:
        """The page of a seat; it was loaded before, or is the next one."""
        number = seat // SEATS
        if number not in self.pages:
            self.pages[number] = Page(number, said=NOTHING)
        return self.pages[number]


@dataclass(frozen=True, slots=True)
class Head:
    """A subject and its newest page in one view."""

    ref: str
    kind: str
    called: Called
    uscc: str
    tail: int
    blob: bytes | None
    names: Sequence[Named]
    # References of the same subject that have records, and the strongest; none when it is alone.
    group: Sequence[str] = ()
