"""What is known of a subject beside its records, kept up with them (Art. 2, 5). Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.disclosure.domain.assertions import NOTHING, Assertions
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disclosure_period import NEVER
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View
from services.disclosure.domain.subject_names import NameHistory
from services.disclosure.domain.view_pages import MOST_NAMES, PublicName, PublicVisibility


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """What some records of a subject show the public, and what their providers say of it."""

    visible: PublicVisibility = PublicVisibility()
    said: Assertions = NOTHING

    def merged(self, other: "Summary") -> "Summary":
        """Of both together."""
        return Summary(self.visible.merged(other.visible), self.said.merged(other.said))


class SubjectState(msgspec.Struct, array_like=True):
    """A subject without its records."""

    kind: str = ""
    uscc: str = ""
    # Scheme of the identifier that the reference stands for.
    scheme: str = ""
    name: str = ""
    former: list[str] = []
    named_at: str = ""
    registered_at: str = ""
    summary: Summary = Summary()

    @property
    def called(self) -> NameHistory:
        """What it is called, and was."""
        return NameHistory(self.name, self.former, self.named_at, self.registered_at)

    @called.setter
    def called(self, called: NameHistory) -> None:
        self.name, self.former = called.name, list(called.former)[:MOST_NAMES]
        self.named_at, self.registered_at = called.at, called.registered


EMPTY: Final = Summary()

_pack: Final = msgspec.msgpack.Encoder().encode
_state: Final = msgspec.msgpack.Decoder(SubjectState)
_members: Final = msgspec.msgpack.Decoder(dict[str, SubjectState])
_summaries: Final = msgspec.msgpack.Decoder(dict[int, Summary])


def summary_of(fragments: Iterable[Fragment], entry_of: Callable[[str, int], DisclosureEntry]) -> Summary:
    """What these records show and say; archived ones nothing any more."""
    standing = [f for f in fragments if not f.archived]
    until, names = "", []
    for fragment in standing:
        if not fragment.shows_in(View.PUBLIC):
            continue
        last = fragment.disclosed_until or NEVER
        until = max(until, last)
        entry = entry_of(fragment.entry_code, fragment.entry_version)
        if name := fragment.items(View.PUBLIC).get(entry.subject_name_item, ""):
            names.append(PublicName(name, last, fragment.slot))
    return Summary(
        PublicVisibility(until).merged(PublicVisibility("", tuple(names))), NOTHING.taking(standing, entry_of)
    )


def state_packed(state: SubjectState) -> bytes:
    """As it is kept."""
    return _pack(state)


def state_unpacked(blob: bytes) -> SubjectState:
    """What `state_packed` gave."""
    return _state.decode(blob)


def members_packed(members: Mapping[str, SubjectState]) -> bytes:
    """The states of a group's members, as they are kept."""
    return _pack(members)


def members_unpacked(blob: bytes) -> dict[str, SubjectState]:
    """What `members_packed` gave."""
    return _members.decode(blob)


def summaries_packed(summaries: Mapping[int, Summary]) -> bytes:
    """Summaries of pages by number, as they are kept."""
    return _pack(summaries)


def summaries_unpacked(blob: Any) -> dict[int, Summary]:
    """What `summaries_packed` gave; none where there is nothing."""
    return _summaries.decode(blob) if blob else {}
