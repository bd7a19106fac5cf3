"""Generations of what is derived from the feeds: one is in use, and a rebuild fills another one beside it."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from pymongo import DeleteOne, ReturnDocument
from pymongo.database import Database

from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.database import Store, UnitOfWork, session_of
from chengxin.store.documents import collection_name
from chengxin.values.document import RawDocument
from services.disclosure.store.disclosure_store import FIRST, DisclosureStore
from services.disclosure.store.documents import DERIVED, GenerationRow, LinkRow, LongRecordRow, RecordRow

# The form of what is derived. Where a home has another one, all of it is made again from the feeds at the start. A change
# of what fragments, states, names or lookups hold, of how texts are masked or of how lookups are normalised takes the
# next number.
FORM: Final = 4
# Stands for the collections of the version before the first generation, which have no number in their names.
UNNUMBERED: Final = 0
_CURRENT: Final = "current"
_REBUILD: Final = "rebuild"
# The states of a rebuild: requested, running, done, or given up.
ASKED: Final = "asked"
FILLING: Final = "filling"
DONE: Final = "done"
FAILED: Final = "failed"
_DERIVED_COLLECTIONS: Final = frozenset(collection_name(document) for document in DERIVED)
# The names of positions in a feed, and of changes set aside from it, with the generation.
_FEED_NAME: Final = re.compile(r"feed\.(?:catalog|ingest|objection)(?:\.(\d+)(?:\.\d+of\d+)?)?")
_DELETES_PER_TRANSACTION: Final = 200
# The same for documents of up to some megabytes.
_LARGE_DELETES_PER_TRANSACTION: Final = 4


class Generations:
    """Which generation is in use, and how far a rebuild is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._rows = store.collection(GenerationRow)
        # The generations that were left after all others had been dropped.
        self._kept_generations: set[int] = set()

    def prepare(self) -> None:
        """Sets the first generation in use where the store names none, and an empty one, to be filled, where what it has
        is of another form."""
        unnumbered_exists = self.store.db["subjects"].find_one({}, {"_id": 1}) is not None
        first = {
            "number": FIRST,
            "previous": UNNUMBERED if unnumbered_exists else None,
            "filling": unnumbered_exists,
            "acts": 0,
            "form": FORM,
        }
        self._rows.update_one({"_id": _CURRENT}, {"$setOnInsert": first}, upsert=True)
        current, rebuild = self.current(), self.rebuild()
        if current.get("form") == FORM:
            return
        # A rebuild under way fills a generation of the other form.
        unfinished = rebuild is not None and rebuild["state"] in (ASKED, FILLING)
        before = current["number"]
        number = 1 + (max(before, rebuild["number"]) if rebuild is not None else before)
        if unfinished:
            self.report_progress(state=FAILED, reason="everything is made again at the start of a new version")
        # Another process may have been first. What was itself being filled has nothing that could be carried over.
        filled_from = current["previous"] if current["filling"] else before
        begun = {"number": number, "previous": filled_from, "filling": True, "form": FORM}
        self._rows.update_one({"_id": _CURRENT, "number": before, "form": {"$ne": FORM}}, {"$set": begun})

    def current(self, unit: UnitOfWork | None = None) -> RawDocument:
        """Returns the generation in use: its number, the one before it, and whether it is still being filled from
        nothing."""
        found = self._rows.find_one({"_id": _CURRENT}, session=session_of(unit))
        return found or {"number": FIRST, "previous": None, "filling": False}

    def filled(self) -> None:
        """Remembers that the generation in use has everything that the feeds brought."""
        self._rows.update_one({"_id": _CURRENT}, {"$set": {"filling": False}})

    def judged(self) -> None:
        """Remembers that no merge of a former version makes two persons one any more."""
        self._rows.update_one({"_id": _CURRENT}, {"$set": {"judged": True}})

    def note_act(self, unit: UnitOfWork, number: int) -> None:
        """Counts an officer's decision in a generation, so that a rebuild does not miss it. Raises STORE_UNAVAILABLE
        when another generation is in use by now."""
        found = self._rows.find_one_and_update(
            {"_id": _CURRENT},
            {"$inc": {"acts": 1}, "$setOnInsert": {"number": number, "previous": None, "filling": False}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if found is None or found["number"] != number:
            raise STORE_UNAVAILABLE(retry_after=1)

    def switch(self, unit: UnitOfWork, before: int, after: int, told: RawDocument) -> None:
        """Puts another generation in use, and writes how the rebuild ended. Conflicts with decisions that are being
        made."""
        self._rows.update_one(
            {"_id": _CURRENT, "number": before},
            {"$set": {"number": after, "previous": before, "filling": False}, "$inc": {"acts": 1}},
            session=unit.session,
        )
        self._rows.update_one({"_id": _REBUILD}, {"$set": told}, session=unit.session)

    # Rebuilds

    def rebuild(self, unit: UnitOfWork | None = None) -> RawDocument | None:
        """Returns the rebuild that was requested last, or None."""
        return self._rows.find_one({"_id": _REBUILD}, session=session_of(unit))

    def request_rebuild(self, unit: UnitOfWork, by: str, at: str) -> RawDocument:
        """Requests a rebuild, unless one is under way. Returns the rebuild that is under way then."""
        known = self.rebuild(unit)
        if known is not None and known["state"] in (ASKED, FILLING):
            return known
        number = max(int(self.current(unit)["number"]), known["number"] if known else 0) + 1
        asked = {"_id": _REBUILD, "number": number, "state": ASKED, "by": by, "asked_at": at}
        self._rows.replace_one({"_id": _REBUILD}, asked, upsert=True, session=unit.session)
        return asked

    def report_progress(self, **fields: Any) -> None:
        """Writes how far the rebuild is."""
        self._rows.update_one({"_id": _REBUILD}, {"$set": fields})

    def drop_unused(self, go_on: Callable[[], None] = lambda: None) -> None:
        """Deletes what belongs to generations that are no longer in use, and what an interruption has left of them.
        `go_on` is called before each piece, and raises when another process has to go on with it."""
        current, rebuild = self.current(), self.rebuild()
        kept = {int(current["number"])}
        # The first generation looks up in the collections before it what is archived already.
        kept |= {UNNUMBERED} if current["previous"] == UNNUMBERED else set()
        kept |= {int(rebuild["number"])} if rebuild is not None and rebuild["state"] in (ASKED, FILLING) else set()
        if self._kept_generations == kept:
            return
        for name in self.store.db.list_collection_names():
            if (number := _generation_of(name)) is not None and number not in kept:
                self._drop(name, go_on)
        for name, field in (("positions", "_id"), ("quarantine", "feed")):
            rows = self.store.db[name]
            for feed in rows.distinct(field):
                if (match := _FEED_NAME.fullmatch(feed)) is not None and int(match[1] or UNNUMBERED) not in kept:
                    for row in list(rows.find({field: feed}, {"_id": 1})):
                        rows.delete_one({"_id": row["_id"]})
        self._kept_generations = kept

    def _drop(self, name: str, go_on: Callable[[], None]) -> None:
        """Empties a collection bit by bit before it drops it: the embedded store does nothing else while it drops a
        collection, and needs a millisecond for each document."""
        rows = self.store.db[name]

        def delete(ids: list[Any]) -> None:
            go_on()
            writes = [DeleteOne({"_id": i}) for i in ids]
            self.store.transact(lambda unit: rows.bulk_write(writes, ordered=False, session=unit.session))

        large = name.partition(".")[0] == collection_name(LongRecordRow)
        at_once = _LARGE_DELETES_PER_TRANSACTION if large else _DELETES_PER_TRANSACTION
        ids: list[Any] = []
        for row in rows.find({}, {"_id": 1}, batch_size=1000):
            ids.append(row["_id"])
            if len(ids) == at_once:
                delete(ids)
                ids = []
        if ids:
            delete(ids)
        rows.drop()


def _generation_of(collection: str) -> int | None:
    """Returns the generation that a collection belongs to, or None when it belongs to none."""
    base, _, number = collection.rpartition(".")
    if base in _DERIVED_COLLECTIONS and number.isdecimal():
        return int(number)
    return UNNUMBERED if collection in _DERIVED_COLLECTIONS else None


def reached(db: Database[RawDocument], source: str, generation: int) -> int:
    """Returns the position up to which a generation has taken in a source's feed, whatever number of parts it is cut
    into. Of the parts of one cut, the one furthest behind counts; of several cuts, the one furthest ahead."""
    place = f"feed.{source}.{generation}"
    cuts: dict[int, list[int]] = {}
    for row in _positions(db, place):
        cuts.setdefault(int(row["_id"].removeprefix(place).rpartition("of")[2] or 1), []).append(int(row["position"]))
    return max((min(positions) for cut, positions in cuts.items() if len(positions) == cut), default=0)


def begun(db: Database[RawDocument], source: str, generation: int) -> int:
    """Returns the position up to which a generation may have taken in some of a source's feed, though not all."""
    rows = _positions(db, f"feed.{source}.{generation}")
    return max((max(int(row["position"]), int(row.get("begun", 0))) for row in rows), default=0)


def _positions(db: Database[RawDocument], place: str) -> list[RawDocument]:
    return list(db["positions"].find({"_id": {"$regex": rf"^{place.replace('.', '[.]')}([.]|$)"}}))


def carry_decisions(store: Store, before: int, into: DisclosureStore) -> None:
    """Copies officers' decisions on links into another generation, because no feed brings them."""
    name = collection_name(LinkRow)
    rows = store.db[f"{name}.{before}" if before else name]
    for row in rows.find({"history": {"$ne": []}}):
        decisions_only = {**row, "records": 0, "record": "", "standard": False, "state": ""}
        decisions_only.pop("conflict_since", None)
        into.rows(LinkRow).update_one({"_id": row["_id"]}, {"$setOnInsert": decisions_only}, upsert=True)


def archived_before(store: Store, previous: int | None, record_ids: Iterable[str]) -> set[str]:
    """Returns those of the records that an earlier generation had archived, and put on record."""
    if previous is None:
        return set()
    name = collection_name(RecordRow)
    rows = store.db[f"{name}.{previous}" if previous else name]
    ids = list(record_ids)
    archived: set[str] = set()
    for start in range(0, len(ids), 50):
        chunk = rows.find({"_id": {"$in": ids[start : start + 50]}}, {"due": 1, "revoked": 1})
        archived |= {row["_id"] for row in chunk if not row.get("due") and not row.get("revoked")}
    return archived
