"""What the public feed and its report of differences read beside the views."""

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database

from chengxin.store.database import UnitOfWork, session_of
from chengxin.values.document import RawDocument
from chengxin.values.ids import new_id
from services.disclosure.domain.record_fragments import Fragment, unpacked
from services.disclosure.domain.record_views import View
from services.disclosure.store.documents import AnnouncementRow, ShownRow, SubjectRow
from services.disclosure.store.subject_state import RecordLocation

Pages = Callable[[Iterable[tuple[str, int]], UnitOfWork | None], Mapping[tuple[str, int], list[Fragment]]]
Locations = Callable[[Sequence[str]], Mapping[str, RecordLocation]]

# Pages that are looked through for what is public in one transaction.
PAGES_AT_ONCE: Final = 64
# Records that one announcement names.
RECORDS_TOLD: Final = 1000
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


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the public feed is still to be told: of a reference from a page on, or of these records."""

    number: str
    subject_ref: str = ""
    page: int = 0
    # In which generation that is the page.
    generation: int = 0
    # Record, provider and entry.
    records: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What is public under a reference on some pages; how many pages, and with which one it goes on: 0 when with none."""

    shown: Sequence[Fragment]
    pages: int
    rest: int


class FeedStore:
    """Public records by subject and by provider, and what is still to be told of them."""

    def __init__(
        self,
        rows: Callable[[Any], Collection[RawDocument]],
        pages: Pages,
        locations: Locations,
        db: Database[RawDocument],
    ) -> None:
        self._rows = rows
        self._pages = pages
        self._locations = locations
        self._announcements = db[AnnouncementRow._get_collection_name()]

    def public_of(self, ref: str, page: int, most: int, unit: UnitOfWork) -> PublicPart:
        """What is public under a reference on so many older pages at most, from one on, and on the newest one after them;
        items of long records left out."""
        found = self._rows(SubjectRow).find_one({"_id": ref}, {"tail": 1, "page": 1}, session=unit.session)
        if found is None:
            return PublicPart([], 1, 0)
        end = min(page + most, found["page"])
        shown = [f for some in self._pages(((ref, n) for n in range(page, end)), unit).values() for f in _public(some)]
        if end < found["page"]:
            return PublicPart(shown, end - page, end)
        return PublicPart([*shown, *_public(unpacked(found["tail"]))], end - page + 1, 0)

    def tell_later(self, since: int, announcement: Announcement, unit: UnitOfWork | None = None) -> None:
        """Leaves something to be told, once this generation or a later one is in use."""
        row = asdict(announcement) | {"since": since}
        row["_id"] = row.pop("number") or new_id("an")
        self._announcements.replace_one({"_id": row["_id"]}, row, upsert=True, session=session_of(unit))

    def to_tell(self, generation: int, limit: int) -> list[str]:
        """Numbers of some announcements that are to be told now."""
        rows = self._announcements.find({"since": {"$lte": generation}}, {"_id": 1}).sort("since").limit(limit)
        return [row["_id"] for row in rows]

    def announcement(self, number: str, unit: UnitOfWork) -> Announcement | None:
        """What is to be told; None when it has been."""
        row = self._announcements.find_one({"_id": number}, session=unit.session)
        if row is None:
            return None
        records = [(record, provider, entry) for record, provider, entry in row["records"]]
        return Announcement(number, row["subject_ref"], row["page"], row["generation"], records)

    def told(self, number: str, unit: UnitOfWork) -> None:
        """Nothing of it is left to be told."""
        self._announcements.delete_one({"_id": number}, session=unit.session)

    def forget(self, after: int) -> None:
        """Nothing is to be told with later generations: they are compared anew."""
        for row in list(self._announcements.find({"since": {"$gt": after}}, {"_id": 1})):
            self._announcements.delete_one({"_id": row["_id"]})

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
