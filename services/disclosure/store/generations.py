"""Generations of what is derived from the feeds: one is in use, and a rebuild fills another one beside it."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from pymongo import DeleteOne, ReturnDocument
from pymongo.database import Database

from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.database import Store, UnitOfWork
from chengxin.values.document import RawDocument
from services.disclosure.store.disclosure_store import FIRST, DisclosureStore
from services.disclosure.store.documents import DERIVED, LinkRow, LongRecordRow, RecordRow

# What the version before the first generation called its collections.
UNNUMBERED: Final = 0
_CURRENT: Final = "current"
_REBUILD: Final = "rebuild"
# Rebuilding: asked for, at work, done, or given up.
ASKED: Final = "asked"
FILLING: Final = "filling"
DONE: Final = "done"
FAILED: Final = "failed"
_BASES: Final = frozenset(document._get_collection_name() for document in DERIVED)
# The position in a feed, and what is set aside of it, by generation.
_FEED: Final = re.compile(r"feed\.(?:catalog|ingest|objection)(?:\.(\d+)(?:\.\d+of\d+)?)?")
_DELETED_AT_ONCE: Final = 200
# Of documents of up to some megabytes.
_LARGE_DELETED_AT_ONCE: Final = 4


class Generations:
    """Which generation is in use, and how far a rebuild is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._rows = store.db["generations"]
        # The generations that were left when all others had been dropped.
        self._tidy: set[int] = set()

    def prepare(self) -> None:
        """Says which generation is in use where nobody has said it."""
        old = self.store.db["subjects"].find_one({}, {"_id": 1}) is not None
        first = {"number": FIRST, "previous": UNNUMBERED if old else None, "filling": old, "acts": 0}
        self._rows.update_one({"_id": _CURRENT}, {"$setOnInsert": first}, upsert=True)

    def current(self) -> RawDocument:
        """The generation in use: its number, the one before it, and whether it is still being filled from nothing."""
        return self._rows.find_one({"_id": _CURRENT}) or {"number": FIRST, "previous": None, "filling": False}

    def filled(self) -> None:
        """The generation in use has all that the feeds tell."""
        self._rows.update_one({"_id": _CURRENT}, {"$set": {"filling": False}})

    def note_act(self, unit: UnitOfWork, number: int) -> None:
        """An officer's decision is made in a generation, which a rebuild must not miss. Raises STORE_UNAVAILABLE when
        another generation is in use by now."""
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
        """Another generation is in use from now on, and how the rebuild ended is told. Conflicts with decisions that are
        being made."""
        self._rows.update_one(
            {"_id": _CURRENT, "number": before},
            {"$set": {"number": after, "previous": before, "filling": False}, "$inc": {"acts": 1}},
            session=unit.session,
        )
        self._rows.update_one({"_id": _REBUILD}, {"$set": told}, session=unit.session)

    # Rebuilding.

    def rebuild(self) -> RawDocument | None:
        """The rebuild that was asked for last."""
        return self._rows.find_one({"_id": _REBUILD})

    def ask(self, by: str, at: str) -> RawDocument:
        """Asks for a rebuild, unless one is under way; how it stands."""
        known = self.rebuild()
        if known is not None and known["state"] in (ASKED, FILLING):
            return known
        number = max(int(self.current()["number"]), known["number"] if known else 0) + 1
        asked = {"_id": _REBUILD, "number": number, "state": ASKED, "by": by, "asked_at": at}
        self._rows.replace_one({"_id": _REBUILD}, asked, upsert=True)
        return asked

    def tell(self, **fields: Any) -> None:
        """How far it is."""
        self._rows.update_one({"_id": _REBUILD}, {"$set": fields})

    def drop_unused(self, go_on: Callable[[], None] = lambda: None) -> None:
        """Forgets what generations derived that are not in use any more; also what an interruption has left of them.
        `go_on` is asked before each piece, and raises when this process is not the one to do it any more."""
        current, rebuild = self.current(), self.rebuild()
        kept = {int(current["number"])}
        # The first generation looks up in what was before it what is archived already.
        kept |= {UNNUMBERED} if current["previous"] == UNNUMBERED else set()
        kept |= {int(rebuild["number"])} if rebuild is not None and rebuild["state"] in (ASKED, FILLING) else set()
        if self._tidy == kept:
            return
        for name in self.store.db.list_collection_names():
            if (number := _generation_of(name)) is not None and number not in kept:
                self._drop(name, go_on)
        for name, field in (("positions", "_id"), ("quarantine", "feed")):
            rows = self.store.db[name]
            for feed in rows.distinct(field):
                if (found := _FEED.fullmatch(feed)) is not None and int(found[1] or UNNUMBERED) not in kept:
                    for row in list(rows.find({field: feed}, {"_id": 1})):
                        rows.delete_one({"_id": row["_id"]})
        self._tidy = kept

    def _drop(self, name: str, go_on: Callable[[], None]) -> None:
        """Empties a collection bit by bit first: the embedded store does nothing else while it drops one, and that takes
        it a millisecond for each document."""
        rows = self.store.db[name]

        def delete(ids: list[Any]) -> None:
            go_on()
            writes = [DeleteOne({"_id": i}) for i in ids]
            self.store.transact(lambda unit: rows.bulk_write(writes, ordered=False, session=unit.session))

        large = name.partition(".")[0] == LongRecordRow._get_collection_name()
        at_once = _LARGE_DELETED_AT_ONCE if large else _DELETED_AT_ONCE
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
    """The generation whose collection this is; None of one that belongs to none."""
    base, _, number = collection.rpartition(".")
    if base in _BASES and number.isdecimal():
        return int(number)
    return UNNUMBERED if collection in _BASES else None


def reached(db: Database[RawDocument], source: str, generation: int) -> int:
    """Up to where a generation has taken in what a source tells, in how many parts ever. Of all parts of one cut the one
    counts that is furthest behind, and of several cuts the one that is furthest."""
    place = f"feed.{source}.{generation}"
    cuts: dict[int, list[int]] = {}
    for row in _positions(db, place):
        cuts.setdefault(int(row["_id"].removeprefix(place).rpartition("of")[2] or 1), []).append(int(row["position"]))
    return max((min(found) for cut, found in cuts.items() if len(found) == cut), default=0)


def begun(db: Database[RawDocument], source: str, generation: int) -> int:
    """Up to where a generation may have taken in something of what a source tells, though not all."""
    rows = _positions(db, f"feed.{source}.{generation}")
    return max((max(int(row["position"]), int(row.get("begun", 0))) for row in rows), default=0)


def _positions(db: Database[RawDocument], place: str) -> list[RawDocument]:
    return list(db["positions"].find({"_id": {"$regex": rf"^{place.replace('.', '[.]')}([.]|$)"}}))


def carry_decisions(store: Store, before: int, into: DisclosureStore) -> None:
    """Takes officers' decisions on links along, which no feed tells."""
    name = LinkRow._get_collection_name()
    rows = store.db[f"{name}.{before}" if before else name]
    for row in rows.find({"history": {"$ne": []}}):
        plain = {**row, "records": 0, "record": "", "standard": False, "state": ""}
        plain.pop("conflict_since", None)
        into.rows(LinkRow).update_one({"_id": row["_id"]}, {"$setOnInsert": plain}, upsert=True)


def archived_before(store: Store, previous: int | None, record_ids: Iterable[str]) -> set[str]:
    """Those of the records that an earlier generation had archived, and put on record."""
    if previous is None:
        return set()
    name = RecordRow._get_collection_name()
    rows = store.db[f"{name}.{previous}" if previous else name]
    wanted = list(record_ids)
    found: set[str] = set()
    for start in range(0, len(wanted), 50):
        some = rows.find({"_id": {"$in": wanted[start : start + 50]}}, {"due": 1, "revoked": 1})
        found |= {row["_id"] for row in some if not row.get("due") and not row.get("revoked")}
    return found
