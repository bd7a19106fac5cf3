"""Disclosure's collections and every query on subjects, pages and records.

Frequent reads use pymongo with a projection. Three habits come from the embedded server (SecantusDB 0.7). Queries with
long `$in` lists go in chunks, because their cost there grows with the square of the length. Range queries use secondary
indexes, because a range of `_id` reads the whole collection. A document that is written again and again has no
secondary index, because that would double the cost of a write.

What is derived from the feeds belongs to a generation: a rebuild fills another generation beside the one in use.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Final, TypeVar

from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.collection import Collection

from chengxin.bounds import own
from chengxin.concurrency.coalescing import Coalescer
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.database import Store, UnitOfWork, find_among, session_of
from chengxin.store.deadlines import patience, within
from chengxin.store.documents import DocumentClass, collection_name
from chengxin.values.document import RawDocument
from chengxin.values.ids import new_id
from services.disclosure.domain.record_fragments import Fragment, packed, unpacked, with_items
from services.disclosure.domain.subject_state import (
    Summary,
    state_packed,
    state_unpacked,
    summaries_packed,
    summaries_unpacked,
)
from services.disclosure.store.consents import ConsentStore
from services.disclosure.store.disagreements import DisagreementStore
from services.disclosure.store.documents import (
    ALL,
    DERIVED,
    DueRow,
    LongRecordRow,
    NameRow,
    PageRow,
    RecordRow,
    ShownRow,
    SubjectRow,
    SummaryRow,
)
from services.disclosure.store.followed_entries import FollowedEntryStore
from services.disclosure.store.followed_objections import FollowedObjectionStore
from services.disclosure.store.links import LinkStore
from services.disclosure.store.name_rows import name_row
from services.disclosure.store.public_feed import FeedStore, part_of
from services.disclosure.store.subject_state import EditablePage, RecordLocation, Subject, SubjectDocument, SubjectGroup
from services.disclosure.store.writes import Writes

T = TypeVar("T")

# The first generation of this shape. In the version before, collections had no generation in their names.
FIRST: Final = 2
# Lists of records to be archived that are read at once.
_LISTS_PER_READ: Final = 100
# Pages whose summaries are in one document.
_PAGES_PER_BLOCK: Final = 32
# Documents of some kilobytes that one query asks for.
_LARGE_DOCUMENTS_PER_QUERY: Final = 16
# How long a read waits for other queries, so that one read answers all of them.
_COALESCING_SECONDS: Final = 0.001

own(
    __name__,
    "Coalescer",
    resource="Groups of reads of subjects under way",
    total=1,
    why="Those who wait are the callers that the faces let in",
)


class DisclosureStore:
    """Disclosure's database, in one generation."""

    def __init__(self, store: Store, generation: int = FIRST) -> None:
        self.store = store
        self.generation = generation
        self.links = LinkStore(self.rows)
        self.feed = FeedStore(self.rows, self.pages, self.locations)
        self.disagreements = DisagreementStore(self.rows)
        self.consents = ConsentStore(store)
        self.objections = FollowedObjectionStore(self.rows, self.locations)
        self.entries = entries = FollowedEntryStore(self.rows)
        self.entry, self.save_entry, self.entries_with_mode = entries.get, entries.save, entries.with_mode
        self.entries_about_persons = entries.about_persons
        self._heads = Coalescer(self._rows_of, _LARGE_DOCUMENTS_PER_QUERY, _COALESCING_SECONDS)

    def rows(self, document: Any) -> Collection[RawDocument]:
        """Returns the collection of a kind of documents; of derived ones, that of this generation."""
        return self.store.db[self._name(document)]

    def _name(self, document: DocumentClass) -> str:
        name = collection_name(document)
        return f"{name}.{self.generation}" if document in DERIVED else name

    def create_indexes(self) -> None:
        """Makes the collections and their indexes. A second call changes nothing."""
        self.store.create(ALL, self._name)

    def transact(self, work: Callable[[UnitOfWork], T]) -> T:
        """Runs `work` in a transaction."""
        return self.store.transact(work)

    # Reads for queries

    def head(self, ref: str) -> SubjectDocument | None:
        """Returns a subject with its newest page. Most queries make this read; one read answers those that come
        together."""
        try:
            row = self._heads.ask(ref, patience())
        except TimeoutError:
            raise STORE_UNAVAILABLE(retry_after=1) from None
        return None if row is None else _subject_document(row)

    def _rows_of(self, refs: Sequence[str], seconds: float) -> list[RawDocument | None]:
        with within(seconds):
            distinct = list(dict.fromkeys(refs))
            rows = {
                row["_id"]: row
                for row in self._find_by_id(SubjectRow, distinct, None, at_once=_LARGE_DOCUMENTS_PER_QUERY)
            }
        return [rows.get(ref) for ref in refs]

    def heads(self, refs: Sequence[str]) -> dict[str, SubjectDocument]:
        """Returns those of the subjects that have records, by reference."""
        return {
            row["_id"]: _subject_document(row)
            for row in self._find_by_id(SubjectRow, refs, None, at_once=_LARGE_DOCUMENTS_PER_QUERY)
        }

    def pages(
        self, keys: Iterable[tuple[str, int]], unit: UnitOfWork | None = None
    ) -> dict[tuple[str, int], list[Fragment]]:
        """Returns older pages, by subject and number."""
        by_key = {_page_key(ref, number): (ref, number) for ref, number in keys}
        rows = self._find_by_id(PageRow, list(by_key), unit, at_once=_LARGE_DOCUMENTS_PER_QUERY)
        return {by_key[row["_id"]]: unpacked(row["fragments"]) for row in rows}

    def in_full(self, fragments: Sequence[Fragment]) -> list[Fragment]:
        """Returns these fragments, long ones with their items. A long fragment stays as it is where the stored items
        are of another version."""
        long_ids = [f.record_id for f in fragments if f.long]
        if not long_ids:
            return list(fragments)
        rows = {
            row["_id"]: row
            for row in self._find_by_id(LongRecordRow, long_ids, None, at_once=_LARGE_DOCUMENTS_PER_QUERY)
        }
        return [_with_items(f, rows.get(f.record_id)) for f in fragments]

    def fragments(self, places: Sequence[RecordLocation], heads: Mapping[str, SubjectDocument]) -> list[Fragment]:
        """Returns the fragments at these places of some subjects, long ones without their items. A record that has
        moved away meanwhile is left out."""
        older = {
            (place.ref, place.page) for place in places if place.ref in heads and place.page < heads[place.ref].tail
        }
        pages = self.pages(older) | {(head.ref, head.tail): head.fragments for head in heads.values()}
        found: list[Fragment] = []
        for place in places:
            found += (f for f in pages.get((place.ref, place.page), ()) if f.record_id == place.record_id)
        return found

    def location(self, record_id: str) -> RecordLocation | None:
        """Returns where a record is; None for an unknown record."""
        return self.locations([record_id]).get(record_id)

    def group_of(self, ref: str) -> SubjectGroup | None:
        """Returns the group that a reference is in; None when it is in none."""
        return self.links.groups_with([ref]).get(ref)

    @property
    def name_rows(self) -> Collection[RawDocument]:
        """The collection of the public search entries."""
        return self.rows(NameRow)

    def names_after(self, seq: int) -> Iterator[RawDocument]:
        """Yields the public search entries that changed after change number `seq`."""
        yield from self.rows(NameRow).find({"seq": {"$gt": seq}}, batch_size=5000)

    # Writes from the feeds

    def _find_by_id(
        self,
        document: Any,
        keys: Sequence[str],
        unit: UnitOfWork | None,
        fields: RawDocument | None = None,
        at_once: int = 0,
    ) -> Iterator[RawDocument]:
        return find_among(
            self.rows(document), "_id", keys, fields, session_of(unit), **({"at_once": at_once} if at_once else {})
        )

    def locations(self, record_ids: Sequence[str], unit: UnitOfWork | None = None) -> dict[str, RecordLocation]:
        """Returns where records are; unknown ones are left out."""
        return {
            r["_id"]: RecordLocation(
                r["_id"],
                r["ref"],
                r["page"],
                r["slot"],
                r["version"],
                r.get("revoked", False),
                r.get("due", ""),
                r.get("links") or [],
                r.get("shown", ""),
                r.get("objected", False),
            )
            for r in self._find_by_id(RecordRow, record_ids, unit)
        }

    def write_locations(self, changed: Iterable[tuple[RecordLocation, bool]], writes: Writes) -> None:
        """Writes where records are. The flag of each marks a record that was not known before."""
        days: dict[str, list[str]] = {}
        parts: dict[str, list[str]] = {}
        for location, new in changed:
            row: RawDocument = {
                "_id": location.record_id,
                "ref": location.ref,
                "page": location.page,
                "slot": location.slot,
                "version": location.version,
            }
            if location.revoked:
                row["revoked"] = True
            if location.due:
                row["due"] = location.due
                days.setdefault(location.due, []).append(location.record_id)
            if location.links:
                row["links"] = location.links
            if location.shown:
                row["shown"] = location.shown
            if location.shown and location.shown != location.shown_before:
                parts.setdefault(part_of(location.shown, location.record_id), []).append(location.record_id)
            if location.objected:
                row["objected"] = True
            size = 300 + sum(map(len, location.links))
            write = InsertOne(row) if new else ReplaceOne({"_id": row["_id"]}, row, upsert=True)
            writes.add(RecordRow, location.record_id, write, size)
        for part, records in parts.items():
            row = {"_id": new_id("p"), "part": part, "records": records}
            writes.add(ShownRow, row["_id"], InsertOne(row), 80 + 40 * len(records))
        for day, records in days.items():
            row = {"_id": new_id("d"), "day": day, "records": records}
            writes.add(DueRow, row["_id"], InsertOne(row), 60 + 40 * len(records))

    def due(self, today: str) -> Iterator[tuple[str, list[str]]]:
        """Yields numbered lists of records whose disclosure was to end before a day, the oldest days first."""
        rows = self.rows(DueRow).find({"day": {"$lt": today}}, batch_size=_LISTS_PER_READ).sort("day", 1)
        return ((row["_id"], row["records"]) for row in rows)

    def drop_due(self, numbers: Iterable[str], unit: UnitOfWork) -> None:
        """Deletes lists of records that have been looked at."""
        for number in numbers:
            self.rows(DueRow).delete_one({"_id": number}, session=unit.session)

    def subjects(self, refs: Sequence[str], unit: UnitOfWork) -> dict[str, Subject]:
        """Returns subjects with their newest pages, to be changed. Unknown subjects are new and empty."""
        subjects = {ref: Subject(ref) for ref in refs}
        for row in self._find_by_id(SubjectRow, refs, unit, at_once=_LARGE_DOCUMENTS_PER_QUERY):
            subjects[row["_id"]] = _read_subject(row)
        return subjects

    def load_pages(self, wanted: Mapping[str, set[int]], subjects: Mapping[str, Subject], unit: UnitOfWork) -> None:
        """Loads older pages of subjects into them."""
        keys = [(ref, number) for ref, numbers in wanted.items() for number in numbers]
        for (ref, number), fragments in self.pages(keys, unit).items():
            subjects[ref].pages[number] = EditablePage(number, {f.slot: f for f in fragments})

    def summaries(self, ref: str, tail: int, unit: UnitOfWork) -> dict[int, Summary]:
        """Returns the summaries of a subject's older pages, by number."""
        keys = [f"{ref}:{block}" for block in range((tail + _PAGES_PER_BLOCK - 1) // _PAGES_PER_BLOCK)]
        summaries: dict[int, Summary] = {}
        for row in self._find_by_id(SummaryRow, keys, unit, at_once=_LARGE_DOCUMENTS_PER_QUERY):
            summaries |= summaries_unpacked(row["pages"])
        return summaries

    def write_summaries(self, changed: Mapping[str, Mapping[int, Summary]], writes: Writes, unit: UnitOfWork) -> None:
        """Keeps summaries of older pages, by subject and number."""
        blocks: dict[str, dict[int, Summary]] = {}
        for ref, summaries in changed.items():
            for number, summary in summaries.items():
                blocks.setdefault(f"{ref}:{number // _PAGES_PER_BLOCK}", {})[number] = summary
        stored = {
            row["_id"]: summaries_unpacked(row["pages"])
            for row in self._find_by_id(SummaryRow, list(blocks), unit, at_once=_LARGE_DOCUMENTS_PER_QUERY)
        }
        for key, block in blocks.items():
            blob = summaries_packed(stored.get(key, {}) | block)
            row = {"_id": key, "pages": blob}
            writes.add(SummaryRow, key, ReplaceOne({"_id": key}, row, upsert=True), len(blob) + 100)

    def write_subject(self, subject: Subject, writes: Writes) -> None:
        """Writes a subject with its changed pages."""
        for page in subject.pages.values():
            if not page.changed:
                continue
            fragments = [page.fragments[slot] for slot in sorted(page.fragments)]
            if page.number < subject.tail:
                key = _page_key(subject.ref, page.number)
                blob = packed(fragments, closed=True)
                page_row = {"_id": key, "fragments": blob}
                writes.add(PageRow, key, ReplaceOne({"_id": key}, page_row, upsert=True), len(blob) + 100)
            else:
                tail = packed(fragments)
        state = state_packed(subject.state)
        row: RawDocument = {"_id": subject.ref, "page": subject.tail, "slots": subject.slots, "state": state}
        if subject.grouped:
            row["grouped"] = True
        if subject.tail in subject.pages and subject.pages[subject.tail].changed:
            row["tail"] = tail
            write: Any = InsertOne(row) if subject.new else ReplaceOne({"_id": subject.ref}, row)
        else:
            write = UpdateOne({"_id": subject.ref}, {"$set": {k: v for k, v in row.items() if k != "_id"}})
        writes.add(SubjectRow, subject.ref, write, len(row.get("tail", b"")) + len(state) + 120)

    def write_long_items(self, changed: Mapping[str, tuple[int, bytes]], new: Set[str], writes: Writes) -> None:
        """Writes items that have a document of their own, by record, with the version; for empty items the document is
        deleted. The records in `new` were not known before."""
        for record_id, (version, items) in changed.items():
            row = {"_id": record_id, "version": version, "items": items}
            if not items:
                writes.add(LongRecordRow, record_id, DeleteOne({"_id": record_id}), 50)
            elif record_id in new:
                writes.add(LongRecordRow, record_id, InsertOne(row), len(items) + 80)
            else:
                writes.add(LongRecordRow, record_id, ReplaceOne({"_id": record_id}, row, upsert=True), len(items) + 80)

    def write_names(self, changed: Sequence[tuple[Subject, SubjectGroup | None]], seq: int, writes: Writes) -> None:
        """Writes the public search entries of subjects."""
        for subject, group in changed:
            row = name_row(subject, group, seq)
            write = InsertOne(row) if subject.new else ReplaceOne({"_id": subject.ref}, row, upsert=True)
            writes.add(NameRow, subject.ref, write, 200 + 100 * (len(row["names"]) + len(row["lookups"])))

    def write(self, writes: Writes, unit: UnitOfWork) -> None:
        """Sends all of these writes."""
        for document, requests in writes.items():
            self.rows(document).bulk_write(requests, ordered=False, session=unit.session)

    def next_seq(self, unit: UnitOfWork) -> int:
        """Takes the number of the next change of names."""
        # The transaction writes the counter, so that numbers are committed in order.
        counter = self.store.db["counters"].find_one_and_update(
            {"_id": f"names.{self.generation}"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if counter is None:
            raise RuntimeError("an upsert answered without its document")
        return int(counter["n"])


def _read_subject(row: RawDocument) -> Subject:
    fragments = {f.slot: f for f in unpacked(row["tail"])}
    return Subject(
        row["_id"],
        state_unpacked(row["state"]),
        row["page"],
        row["slots"],
        {row["page"]: EditablePage(row["page"], fragments)},
        new=False,
        grouped=row.get("grouped", False),
    )


def _subject_document(row: RawDocument) -> SubjectDocument:
    state = state_unpacked(row["state"])
    return SubjectDocument(row["_id"], state, row["page"], unpacked(row["tail"]), row.get("grouped", False))


def _with_items(fragment: Fragment, row: RawDocument | None) -> Fragment:
    """Gives a long fragment its items, when the row is of its version. Rows of earlier software have no version."""
    if not fragment.long or row is None or row.get("version", fragment.version) != fragment.version:
        return fragment
    return with_items(fragment, row["items"])


def _page_key(ref: str, number: int) -> str:
    return f"{ref}:{number:06d}"
