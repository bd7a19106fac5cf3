"""The queries of the public feed and of its report of differences, beside those of the views."""

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pymongo.collection import Collection

from chengxin.store.database import UnitOfWork, session_of
from chengxin.values.document import RawDocument
from chengxin.values.ids import new_id
from services.disclosure.domain.record_fragments import Fragment, unpacked
from services.disclosure.domain.record_views import View
from services.disclosure.store.documents import AnnouncementRow, ShownRow, SubjectRow
from services.disclosure.store.subject_state import RecordLocation

Pages = Callable[[Iterable[tuple[str, int]], UnitOfWork | None], Mapping[tuple[str, int], list[Fragment]]]
Locations = Callable[[Sequence[str]], Mapping[str, RecordLocation]]

# Pages that one transaction searches for public records.
PAGES_AT_ONCE: Final = 64
# Records that one announcement names at most.
RECORDS_TOLD: Final = 1000
_RECORDS_PER_QUERY: Final = 500
# A record id is `r_`, followed by letters and digits.
_PREFIX_LENGTH: Final = 2
_CHARACTERS: Final = sorted({"", *string.digits, *string.ascii_lowercase})


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change still to be published in the public feed: the records of a reference from a page on, or some records."""

    number: str
    subject_ref: str = ""
    page: int = 0
    # The generation in which `page` is counted.
    generation: int = 0
    # Each with record, provider and entry.
    records: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class PublicPart:
    """The public records of a reference on some pages; the number of these pages, and the page after them, or 0."""

    shown: Sequence[Fragment]
    pages: int
    rest: int


class FeedStore:
    """Public records by subject and by provider, and the changes of them that are still to be published."""

    def __init__(
        self,
        rows: Callable[[Any], Collection[RawDocument]],
        pages: Pages,
        locations: Locations,
    ) -> None:
        self._rows = rows
        self._pages = pages
        self._locations = locations
        self._announcements = rows(AnnouncementRow)

    def public_of(self, ref: str, page: int, most: int, unit: UnitOfWork) -> PublicPart:
        """Returns the public records of a reference from a page on: on `most` older pages at most, and on the newest
        page where it follows them. Long records come without their items."""
        subject = self._rows(SubjectRow).find_one({"_id": ref}, {"tail": 1, "page": 1}, session=unit.session)
        if subject is None:
            return PublicPart([], 1, 0)
        end = min(page + most, subject["page"])
        shown = [
            f
            for fragments in self._pages(((ref, n) for n in range(page, end)), unit).values()
            for f in _select_public(fragments)
        ]
        if end < subject["page"]:
            return PublicPart(shown, end - page, end)
        return PublicPart([*shown, *_select_public(unpacked(subject["tail"]))], end - page + 1, 0)

    def tell_later(self, since: int, announcement: Announcement, unit: UnitOfWork | None = None) -> None:
        """Keeps an announcement to be published once this generation or a later one is in use."""
        row = asdict(announcement) | {"since": since}
        row["_id"] = row.pop("number") or new_id("an")
        self._announcements.replace_one({"_id": row["_id"]}, row, upsert=True, session=session_of(unit))

    def to_tell(self, generation: int, limit: int) -> list[str]:
        """Returns the numbers of some announcements that are to be published now."""
        rows = self._announcements.find({"since": {"$lte": generation}}, {"_id": 1}).sort("since").limit(limit)
        return [row["_id"] for row in rows]

    def announcement(self, number: str, unit: UnitOfWork) -> Announcement | None:
        """Returns an announcement; None when it has been published."""
        row = self._announcements.find_one({"_id": number}, session=unit.session)
        if row is None:
            return None
        records = [(record, provider, entry) for record, provider, entry in row["records"]]
        return Announcement(number, row["subject_ref"], row["page"], row["generation"], records)

    def told(self, number: str, unit: UnitOfWork) -> None:
        """Deletes an announcement that has been published completely."""
        self._announcements.delete_one({"_id": number}, session=unit.session)

    def forget(self, after: int) -> None:
        """Deletes the announcements of later generations, because these will be compared again."""
        for row in list(self._announcements.find({"since": {"$gt": after}}, {"_id": 1})):
            self._announcements.delete_one({"_id": row["_id"]})

    def shown_by(self, provider: str, after: str, through: str, limit: int) -> list[RecordLocation]:
        """Returns where a provider's records are that the public sees unless their period is over, in the order of
        record ids: after the id `after` and up to the id `through`, or to the last when that is empty."""
        first, last = part_of(provider, after), part_of(provider, through) if through else ""
        found: list[RecordLocation] = []
        for part in (p for p in _parts_of(provider) if p >= first and (not last or p <= last)):
            rows = self._rows(ShownRow).find({"part": part}, {"records": 1})
            listed = {i for row in rows for i in row["records"] if i > after and (not through or i <= through)}
            ordered = sorted(listed)
            for start in range(0, len(ordered), _RECORDS_PER_QUERY):
                chunk = ordered[start : start + _RECORDS_PER_QUERY]
                locations = self._locations(chunk)
                for location in (locations[i] for i in chunk if i in locations and locations[i].shown == provider):
                    found.append(location)
                    if len(found) == limit:
                        return found
        return found


def part_of(provider: str, record_id: str) -> str:
    """Returns the name of the part in which a provider's public record is listed."""
    return f"{provider}:{record_id[_PREFIX_LENGTH : _PREFIX_LENGTH + 1]}"


def _parts_of(provider: str) -> list[str]:
    """Returns the names of all possible parts, in the order of record ids."""
    return [f"{provider}:{character}" for character in _CHARACTERS]


def _select_public(fragments: Iterable[Fragment]) -> Iterator[Fragment]:
    return (f for f in fragments if f.shows_in(View.PUBLIC))
