"""Disclosure's collections and every query on them.

Hot reads go to pymongo with a projection. Two habits come from the embedded server (SecantusDB 0.7): long `$in` lists are
asked in chunks, because their cost there grows with the square of their length, and ranges are asked on secondary
indexes, because a range of `_id` reads the whole collection.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from pymongo import InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import OperationFailure

from chengxin.mongo import Store, Unit, find_among, session_of
from services.disclosure.called import Called
from services.disclosure.entry import Entry
from services.disclosure.feed_store import FeedStore
from services.disclosure.holdings import Head, Location, Subject
from services.disclosure.link_store import LinkStore
from services.disclosure.model import View
from services.disclosure.rows import (
    ConsentRow,
    DifferingRow,
    EntryRow,
    LinkRow,
    NameRow,
    ObjectionRow,
    PageRow,
    RecordRow,
    SubjectRow,
)
from services.disclosure.said import NOTHING, Said, packed, unpacked
from services.disclosure.said_store import SaidStore
from services.disclosure.shelf import Named, Packed, Sight, page_of

T = TypeVar("T")
Plain = dict[str, Any]

_TOO_LARGE: Final = 388


_CALLED: Final[Plain] = {"name": 1, "former": 1, "named_at": 1, "registered_at": 1}
_HEAD: Final[Plain] = {**_CALLED, "kind": 1, "uscc": 1, "tail": 1, "group": 1}
_CHANGING: Final[Plain] = {
    **_HEAD,
    "seats": 1,
    "own": 1,
    "top": 1,
    "below": 1,
    "sight": 1,
    "said_top": 1,
    "said_below": 1,
    "scheme": 1,
    "group_uscc": 1,
}


class DisclosureStore:
    """What disclosure keeps."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._rows = store.collection
        self.links = LinkStore(store)
        self.feed = FeedStore(store)
        self.said = SaidStore(store)
        self._entries: dict[tuple[str, int], Entry] = {}

    def create_indexes(self) -> None:
        """Makes the collections and their indexes; doing it again changes nothing."""
        for row in (EntryRow, SubjectRow, PageRow, RecordRow, ObjectionRow, NameRow, LinkRow, DifferingRow, ConsentRow):
            row.ensure_indexes()

    def transact(self, work: Callable[[Unit], T]) -> T:
        """Runs `work` in a transaction."""
        return self.store.transact(work)

    # Reading for queries.

    def head(self, ref: str, view: View) -> Head | None:
        """A subject and its newest page in one view: the read of most queries."""
        found = self._rows(SubjectRow).find_one({"_id": ref}, _wanted(_HEAD, view))
        return None if found is None else _head(found, view)

    def heads(self, refs: Sequence[str], view: View) -> list[Head]:
        """Those of the subjects that have records, in the order asked for."""
        found = {row["_id"]: row for row in self._in(SubjectRow, "_id", refs, None, _wanted(_HEAD, view))}
        return [_head(found[ref], view) for ref in refs if ref in found]

    def older(self, ref: str, numbers: Iterable[int], view: View, today: str) -> list[tuple[int, bytes]]:
        """Older pages in one view, newest first; those that show nothing any more are left out."""
        keys = [_page_key(ref, n) for n in numbers]
        query: Plain = {"_id": {"$in": keys}}
        if view is not View.OWN:
            query[f"until.{view.value}"] = {"$gte": today}
        found = self._rows(PageRow).find(query, {"number": 1, view.value: 1})
        return sorted(((p["number"], p[view.value]) for p in found if view.value in p), reverse=True)

    def location(self, record_id: str) -> Location | None:
        """Where a record is."""
        return self.locations([record_id]).get(record_id)

    def entry(self, code: str, version: int) -> Entry | None:
        """One version of an entry. Versions never change, so each is read once."""
        if (known := self._entries.get((code, version))) is not None:
            return known
        found = self._rows(EntryRow).find_one({"_id": f"{code}:{version}"})
        if found is None:
            return None
        self._entries[code, version] = entry = Entry.read(found)
        return entry

    def names_after(self, seq: int) -> Iterator[Plain]:
        """Changes of what the public finds subjects by, after one."""
        yield from self._rows(NameRow).find({"seq": {"$gt": seq}}, batch_size=5000)

    # Consents.

    def consent(self, consent_id: str, unit: Unit) -> Plain | None:
        """A consent."""
        found = self._rows(ConsentRow).find_one({"_id": consent_id}, session=unit.session)
        return found and {**found, "consent_id": found["_id"]}

    def consent_by_code(self, code_digest: str) -> Plain | None:
        """The consent whose code has this digest."""
        found = self._rows(ConsentRow).find_one({"code_digest": code_digest})
        return found and {**found, "consent_id": found["_id"]}

    def consents_of(self, ref: str, before: str, limit: int) -> list[Plain]:
        """A subject's consents, newest first, before one."""
        # A subject has few; see above about ranges of `_id`.
        found = sorted(self._rows(ConsentRow).find({"subject_ref": ref}), key=lambda c: str(c["_id"]), reverse=True)
        return [{**c, "consent_id": c["_id"]} for c in found if not before or c["_id"] < before][:limit]

    def save_consent(self, consent: Plain, unit: Unit) -> None:
        """Writes a consent, new or changed; what is not named stays."""
        row = {name: value for name, value in consent.items() if name not in ("_id", "consent_id")}
        self._rows(ConsentRow).update_one(
            {"_id": consent["consent_id"]}, {"$set": row}, upsert=True, session=unit.session
        )

    def return_use(self, consent_id: str) -> None:
        """One more use of a consent whose uses are counted."""
        self._rows(ConsentRow).update_one({"_id": consent_id}, {"$inc": {"uses_left": 1}})

    # Writing from the feeds.

    def _in(
        self, document: Any, name: str, values: Sequence[str], unit: Unit | None, fields: Plain | None = None
    ) -> Iterator[Plain]:
        return find_among(self._rows(document), name, values, fields, session_of(unit))

    def _write(self, document: Any, writes: list[Any], unit: Unit) -> None:
        if writes:
            self._rows(document).bulk_write(writes, ordered=False, session=unit.session)

    def save_entry(self, entry: Plain, unit: Unit) -> None:
        """Keeps a version of an entry."""
        key = f"{entry['code']}:{entry['version']}"
        self._rows(EntryRow).replace_one({"_id": key}, {"_id": key, **entry}, upsert=True, session=unit.session)

    def locations(self, record_ids: Sequence[str], unit: Unit | None = None) -> dict[str, Location]:
        """Where records are; unknown ones are left out."""
        return {
            r["_id"]: Location(
                r["_id"],
                r["ref"],
                r["seat"],
                r["version"],
                r.get("revoked", False),
                r.get("due", ""),
                r.get("links") or [],
                r.get("shown", ""),
            )
            for r in self._in(RecordRow, "_id", record_ids, unit)
        }

    def save_locations(self, changed: Iterable[tuple[Location, bool]], unit: Unit) -> None:
        """Writes where records are; the flag says that it was not known before."""
        writes: list[Any] = []
        for location, new in changed:
            row: Plain = {
                "_id": location.record_id,
                "ref": location.ref,
                "seat": location.seat,
                "version": location.version,
            }
            if location.revoked:
                row["revoked"] = True
            if location.due:
                row["due"] = location.due
            if location.links:
                row["links"] = location.links
            if location.shown:
                row["shown"] = location.shown
            writes.append(InsertOne(row) if new else ReplaceOne({"_id": row["_id"]}, row, upsert=True))
        self._write(RecordRow, writes, unit)

    def due(self, today: str, limit: int) -> list[str]:
        """Records whose disclosure has ended and that are not archived yet."""
        return [r["_id"] for r in self._rows(RecordRow).find({"due": {"$lt": today}}, {"_id": 1}).limit(limit)]

    def objected(self, record_ids: Sequence[str], unit: Unit) -> set[str]:
        """Those of the records to which an objection is open."""
        return {o["record_id"] for o in self._in(ObjectionRow, "record_id", record_ids, unit) if o["open"]}

    def save_objection(self, number: str, record_id: str, is_open: bool, position: int, unit: Unit) -> bool:
        """Keeps the state of an objection; False when a newer one is known."""
        rows = self._rows(ObjectionRow)
        known = rows.find_one({"_id": number}, session=unit.session)
        if known is not None and known["position"] > position:
            return False
        row = {"_id": number, "record_id": record_id, "open": is_open, "position": position}
        rows.replace_one({"_id": number}, row, upsert=True, session=unit.session)
        return True

    def subjects(self, refs: Sequence[str], unit: Unit) -> dict[str, Subject]:
        """Subjects with their newest pages, to be changed; unknown ones begin empty."""
        found = {ref: Subject(ref) for ref in refs}
        for row in self._in(SubjectRow, "_id", refs, unit, _CHANGING):
            found[row["_id"]] = _subject(row)
        return found

    def load_pages(self, wanted: Mapping[str, set[int]], subjects: Mapping[str, Subject], unit: Unit) -> None:
        """Loads older pages of subjects into them."""
        keys = [_page_key(ref, n) for ref, numbers in wanted.items() for n in sorted(numbers)]
        for row in self._in(PageRow, "_id", keys, unit, {"ref": 1, "number": 1, "own": 1}):
            subjects[row["ref"]].pages[row["number"]] = page_of(row["number"], row.get("own"))

    def below(self, ref: str, unit: Unit) -> dict[int, tuple[Sight, Said]]:
        """What the public sees of each older page, and what is said on it."""
        found = self._rows(PageRow).find({"ref": ref}, {"number": 1, "sight": 1, "said": 1}, session=unit.session)
        return {p["number"]: (_sight(p.get("sight")), unpacked(p.get("said"))) for p in found}

    def save_subjects(self, changed: Sequence[tuple[Subject, Mapping[int, Packed], bool]], unit: Unit) -> None:
        """Writes subjects with their changed pages, packed; the flag says that what the public sees has changed."""
        subject_writes: list[Any] = []
        page_writes: list[Any] = []
        names: list[Subject] = []
        for subject, pages, visible in changed:
            for number, page in pages.items():
                if number < subject.tail:
                    page_writes.append(_page_write(subject.ref, number, page))
            subject_writes.append(_subject_write(subject, pages.get(subject.tail)))
            if visible:
                names.append(subject)
        self._write(PageRow, page_writes, unit)
        self._write(SubjectRow, subject_writes, unit)
        if names:
            seq = self.next_seq(unit)
            self._write(NameRow, [_name_write(subject, seq) for subject in names], unit)

    def next_seq(self, unit: Unit) -> int:
        """The number of a change of names."""
        # Written in the transaction, so that numbers are committed in order.
        counter = self.store.db["counters"].find_one_and_update(
            {"_id": "names"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if counter is None:
            raise RuntimeError("an upsert answered without its document")
        return int(counter["n"])


def is_too_large(error: Exception) -> bool:
    """Whether the store refused a transaction for its size."""
    return isinstance(error, OperationFailure) and error.code == _TOO_LARGE


def _subject(row: Plain) -> Subject:
    said = unpacked(row["said_top"]) if "said_top" in row else None
    return Subject(
        row["_id"],
        row["kind"],
        called_of(row),
        row["uscc"],
        row["tail"],
        row["seats"],
        _sight(row.get("top")),
        _sight(row.get("below")),
        _sight(row.get("sight")),
        said or NOTHING,
        unpacked(row.get("said_below")),
        {row["tail"]: page_of(row["tail"], row.get("own"), said)},
        new=False,
        scheme=row.get("scheme", ""),
        group=row.get("group", []),
        group_uscc=row.get("group_uscc", ""),
    )


def _wanted(fields: Plain, view: View) -> Plain:
    wanted = fields | {view.value: 1}
    return wanted | {"sight": 1} if view is View.PUBLIC else wanted


def _head(row: Plain, view: View) -> Head:
    names = _sight(row.get("sight")).names
    return Head(
        row["_id"],
        row["kind"],
        called_of(row),
        row["uscc"],
        row["tail"],
        row.get(view),
        names,
        row.get("group", ()),
    )


def _subject_write(subject: Subject, top: Packed | None) -> Any:
    row: Plain = {
        "kind": subject.kind,
        **_called_row(subject.called),
        "uscc": subject.uscc,
        "tail": subject.tail,
        "seats": subject.seats,
        "below": _sight_row(subject.below),
        "sight": _sight_row(subject.sight),
        "top": _sight_row(subject.top),
        "scheme": subject.scheme,
        "said_top": packed(subject.said_top),
        "said_below": packed(subject.said_below) if subject.said_below.words else None,
    }
    if subject.group:
        row |= {"group": subject.group, "group_uscc": subject.group_uscc}
    if top is None:
        return UpdateOne({"_id": subject.ref}, {"$set": row})
    row |= {"_id": subject.ref, **top.views}
    return InsertOne(row) if subject.new else ReplaceOne({"_id": subject.ref}, row)


def _page_write(ref: str, number: int, page: Packed) -> Any:
    key = _page_key(ref, number)
    row = {"_id": key, "ref": ref, "number": number, "until": dict(page.until), "sight": _sight_row(page.sight)}
    row["said"] = packed(page.said)
    return ReplaceOne({"_id": key}, {**row, **page.views}, upsert=True)


def _name_write(subject: Subject, seq: int) -> Any:
    uscc = subject.uscc or subject.group_uscc
    row = {"_id": subject.ref, "kind": subject.kind, "uscc": uscc, "seq": seq}
    # Nothing else can be found by the directory than what the public sees.
    row |= _called_row(subject.called.among([n.name for n in subject.sight.names])) | _sight_row(subject.sight)
    if subject.group:
        row["into"] = subject.group[0]
    return InsertOne(row) if subject.new else ReplaceOne({"_id": subject.ref}, row, upsert=True)


def called_of(row: Plain) -> Called:
    """What a subject is called, of a row of subjects or of `names_after`."""
    registered = row.get("registered_at", "")
    return Called(row.get("name", ""), row.get("former", ()), row.get("named_at", ""), registered)


def _called_row(called: Called) -> Plain:
    former = list(called.former)
    return {"name": called.name, "former": former, "named_at": called.at, "registered_at": called.registered}


def _sight(row: Any) -> Sight:
    return Sight(row["until"], tuple(Named(*n) for n in row["names"])) if row else Sight()


def _sight_row(sight: Sight) -> Plain:
    return {"until": sight.until, "names": [[n.name, n.until, n.seat] for n in sight.names]}


def read_names(row: Plain) -> Sight:
    """What the public finds a subject by, of a row of `names_after`."""
    return _sight(row)


def _page_key(ref: str, number: int) -> str:
    return f"{ref}:{number:06d}"
