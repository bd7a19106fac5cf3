"""The data about a subject that is stored beside its records and updated with them (Art. 2, 5)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from services.disclosure.domain.assertions import NOTHING, Assertions
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.domain.disclosure_period import NEVER
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import PERSON_PUBLIC, View
from services.disclosure.domain.subject_names import NameHistory
from services.disclosure.domain.view_pages import MOST_NAMES, PublicName, PublicVisibility


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """What some records of a subject show the public, and the providers' assertions in them."""

    visible: PublicVisibility = PublicVisibility()
    assertions: Assertions = NOTHING

    def merged(self, other: "Summary") -> "Summary":
        """Returns the summary of both together."""
        return Summary(self.visible.merged(other.visible), self.assertions.merged(other.assertions))


class SubjectState(msgspec.Struct, array_like=True):
    """A subject without its records."""

    kind: str = ""
    uscc: str = ""
    # The scheme of the identifier that the reference stands for.
    scheme: str = ""
    name: str = ""
    former: list[str] = []
    named_at: str = ""
    registered_at: str = ""
    summary: Summary = Summary()

    @property
    def called(self) -> NameHistory:
        """The present and former names."""
        return NameHistory(self.name, self.former, self.named_at, self.registered_at)

    @called.setter
    def called(self, called: NameHistory) -> None:
        self.name, self.former = called.name, list(called.former)[:MOST_NAMES]
        self.named_at, self.registered_at = called.at, called.registered


EMPTY: Final = Summary()

_pack: Final = msgspec.msgpack.Encoder().encode
_state_decoder: Final = msgspec.msgpack.Decoder(SubjectState)
_members_decoder: Final = msgspec.msgpack.Decoder(dict[str, SubjectState])
_summaries_decoder: Final = msgspec.msgpack.Decoder(dict[int, Summary])


def summary_of(fragments: Iterable[Fragment], entry_of: Callable[[str, int], DisclosureEntry]) -> Summary:
    """Returns the summary of these records; archived records do not count."""
    current = [f for f in fragments if not f.archived]
    until = dict.fromkeys(PERSON_PUBLIC, "")
    names: list[PublicName] = []
    lookups: list[PublicName] = []
    for fragment in current:
        if not fragment.shows_in(View.PUBLIC):
            continue
        last_day = fragment.disclosed_until or NEVER
        until[fragment.discretion] = max(until[fragment.discretion], last_day)
        entry = entry_of(fragment.entry_code, fragment.entry_version)
        if name := fragment.items(View.PUBLIC).get(entry.subject_name_item, ""):
            names.append(PublicName(name, last_day, fragment.slot))
        lookups += (PublicName(lookup, last_day, fragment.slot) for lookup in fragment.lookups)
    visible = PublicVisibility(
        max(until.values()), tuple(names), until[View.PUBLIC_MASKED], until[View.PUBLIC_NAMELESS], tuple(lookups)
    )
    return Summary(PublicVisibility().merged(visible), NOTHING.taking(current, entry_of))


def state_packed(state: SubjectState) -> bytes:
    """Returns the bytes that are stored."""
    return _pack(state)


def state_unpacked(blob: bytes) -> SubjectState:
    """Reads the bytes that `state_packed` returned."""
    return _state_decoder.decode(blob)


def members_packed(members: Mapping[str, SubjectState]) -> bytes:
    """Returns the bytes for the states of a group's members."""
    return _pack(members)


def members_unpacked(blob: bytes) -> dict[str, SubjectState]:
    """Reads the bytes that `members_packed` returned."""
    return _members_decoder.decode(blob)


def summaries_packed(summaries: Mapping[int, Summary]) -> bytes:
    """Returns the bytes for summaries of pages by number."""
    return _pack(summaries)


def summaries_unpacked(blob: Any) -> dict[int, Summary]:
    """Reads the bytes that `summaries_packed` returned; without bytes there are no summaries."""
    return _summaries_decoder.decode(blob) if blob else {}
