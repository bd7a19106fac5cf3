"""What the public feed and its report of differences read beside the views."""

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.collection import Collection

from chengxin.mongo import Unit
from services.disclosure.domain.record_fragments import Fragment, unpacked
from services.disclosure.domain.record_views import View
from services.disclosure.store.documents import ShownRow, SubjectRow
from services.disclosure.store.subject_state import RecordLocation

Plain = dict[str, Any]
Pages = Callable[[Iterable[tuple[str, int]], Unit | None], Mapping[tuple[str, int], list[Fragment]]]
Locations = Callable[[Sequence[str]], Mapping[str, RecordLocation]]

_PAGES_AT_ONCE: Final = 64
_RECORDS_AT_ONCE: Final = 500
# Record ids are `r_` and letters and digits.
_PREFIX: Final = 2
_CHARACTERS: Final = sorted({"", *string.digits, *string.ascii_lowercase})


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """A record that is shown to the public, unless its period is over."""

    record_id: str
    version: int
    # The last day of disclosure; empty when there is none.
    due: str


class FeedStore:
    """Public records by subject and by provider."""

    def __init__(self, rows: Callable[[Any], Collection[Plain]], pages: Pages, locations: Locations) -> None:
        self._rows = rows
        self._pages = pages
        self._locations = locations

    def public_of(self, ref: str, unit: Unit) -> Iterator[Fragment]:
        """Everything public under one reference, items of long records left out."""
        found = self._rows(SubjectRow).find_one({"_id": ref}, {"tail": 1, "page": 1}, session=unit.session)
        if found is None:
            return
        yield from _public(unpacked(found["tail"]))
        for start in range(0, found["page"], _PAGES_AT_ONCE):
            numbers = range(start, min(start + _PAGES_AT_ONCE, found["page"]))
            for fragments in self._pages(((ref, number) for number in numbers), unit).values():
                yield from _public(fragments)

    def shown_by(self, provider: str, after: str, through: str, limit: int) -> list[StandingRecord]:
        """What a provider's records the public is shown, in the order of record ids: after one, through another one, or
        with an empty `through` to the last."""
        first, last = part_of(provider, after), part_of(provider, through) if through else ""
        found: list[StandingRecord] = []
        for part in (p for p in _parts(provider) if p >= first and (not last or p <= last)):
            rows = self._rows(ShownRow).find({"part": part}, {"records": 1})
            listed = {i for row in rows for i in row["records"] if i > after and (not through or i <= through)}
            ordered = sorted(listed)
            for start in range(0, len(ordered), _RECORDS_AT_ONCE):
                some = ordered[start : start + _RECORDS_AT_ONCE]
                places = self._locations(some)
                for where in (places[i] for i in some if i in places and places[i].shown == provider):
                    found.append(StandingRecord(where.record_id, where.version, where.due))
                    if len(found) == limit:
                        return found
        return found


def part_of(provider: str, record_id: str) -> str:
    """Under what a provider's public record is listed."""
    return f"{provider}:{record_id[_PREFIX : _PREFIX + 1]}"


def _parts(provider: str) -> list[str]:
    """All that there can be, in the order of record ids."""
    return [f"{provider}:{character}" for character in _CHARACTERS]


def _public(fragments: Iterable[Fragment]) -> Iterator[Fragment]:
    return (f for f in fragments if f.shows_in(View.PUBLIC))
