"""The values that the store returns: where a record is, a subject while it changes, and a subject as it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.domain.view_pages import PublicVisibility, together


@dataclass(slots=True)
class RecordLocation:
    """Where a record is."""

    record_id: str
    ref: str
    page: int
    slot: int
    version: int
    revoked: bool = False
    due: str = ""
    # Numbers of the links that the record is evidence of.
    links: list[str] = field(default_factory=list)
    # Its provider while it is public; else empty.
    shown: str = ""
    objected: bool = False
    # `shown` when the location was loaded.
    shown_before: str = ""

    def __post_init__(self) -> None:
        self.shown_before = self.shown


@dataclass
class EditablePage:
    """Records of a subject while they change, by slot."""

    number: int
    fragments: dict[int, Fragment] = field(default_factory=dict)
    changed: bool = False
    # Bytes of items.
    size: int = 0

    def __post_init__(self) -> None:
        self.size = sum(fragment.size() for fragment in self.fragments.values())

    def put(self, fragment: Fragment) -> None:
        """Puts a record into its slot, and replaces what is there."""
        known = self.fragments.get(fragment.slot)
        self.size += fragment.size() - (known.size() if known else 0)
        self.fragments[fragment.slot] = fragment
        self.changed = True

    def take(self, slot: int) -> Fragment:
        """Empties a slot, and returns what was in it."""
        fragment = self.fragments.pop(slot)
        self.size -= fragment.size()
        self.changed = True
        return fragment


@dataclass
class Subject:
    """A subject while its records change. `pages` has the pages that were loaded, by number."""

    ref: str
    state: SubjectState = field(default_factory=SubjectState)
    # The number of the newest page, which is in the subject's document, and the next slot.
    tail: int = 0
    slots: int = 0
    pages: dict[int, EditablePage] = field(default_factory=dict)
    new: bool = True
    grouped: bool = False
    # Records that were added, and whether others were replaced or taken away.
    added: list[Fragment] = field(default_factory=list)
    reduced: bool = False
    # The names that these changes bring, in order, each with whether a register brings it; and the names of the records
    # that these changes withdraw.
    incoming_names: dict[str, bool] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    @property
    def changed(self) -> bool:
        """Whether any of its pages has changed."""
        return any(page.changed for page in self.pages.values())


@dataclass
class SubjectGroup:
    """References that are one subject: those with records and the strongest one, strongest first. `members` has the
    states of those with records."""

    group_id: str
    refs: list[str]
    members: dict[str, SubjectState]
    uscc: str = ""

    @property
    def visible(self) -> PublicVisibility:
        """What the public sees of all references together."""
        return together(self.members[ref].summary.visible for ref in self.refs if ref in self.members)


@dataclass(frozen=True, slots=True)
class SubjectDocument:
    """A subject and its newest page, as a query reads them."""

    ref: str
    state: SubjectState
    tail: int
    fragments: Sequence[Fragment]
    grouped: bool = False
