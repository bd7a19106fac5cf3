"""Versions of catalog entries, as the catalog's feed tells them."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Set
from typing import Any, Final

from cachetools import LRUCache
from pymongo.collection import Collection

from chengxin.bounds import own
from chengxin.store.database import UnitOfWork
from chengxin.values.document import RawDocument
from chengxin.values.subject_kinds import INDIVIDUAL
from services.disclosure.domain.catalog_entry import DisclosureEntry
from services.disclosure.store.documents import FollowedEntryRow

# Items and permitted values of entries that are held parsed: an entry may have a hundred of them or a hundred thousand.
_HELD_VALUES: Final = 200_000

own(
    __name__,
    "LRUCache",
    resource="Entries in memory, by the number of their values",
    total=_HELD_VALUES,
    why="The least recently used is forgotten",
)


class FollowedEntryStore:
    """The published versions of entries."""

    def __init__(self, rows: Callable[[Any], Collection[RawDocument]]) -> None:
        self._rows = rows
        self._held: LRUCache[tuple[str, int], DisclosureEntry] = LRUCache(_HELD_VALUES, _values_of)
        self._lock = threading.Lock()
        self._codes: frozenset[str] = frozenset()

    def get(self, code: str, version: int) -> DisclosureEntry | None:
        """Returns one version of an entry. Versions never change, so one that is held is not read again."""
        with self._lock:
            if (known := self._held.get((code, version))) is not None:
                return known
        row = self._rows(FollowedEntryRow).find_one({"_id": f"{code}:{version}"})
        if row is None:
            return None
        entry = DisclosureEntry.read(row)
        # One with more values than are held at all is read each time.
        with self._lock, contextlib.suppress(ValueError):
            self._held[code, version] = entry
        return entry

    def unknown(self, codes: Set[str]) -> Set[str]:
        """Returns those of the codes that no published entry has, or had before it ended."""
        # What was known once stays known; there are some hundreds.
        if not codes <= self._codes:
            self._codes = frozenset(
                row["_id"].partition(":")[0] for row in self._rows(FollowedEntryRow).find({}, {"_id": 1})
            )
        return codes - self._codes

    @property
    def codes(self) -> Set[str]:
        """The codes that `unknown` has read."""
        return self._codes

    def with_mode(self, codes: Iterable[str], mode: str) -> set[str]:
        """Returns those of the codes that a published entry has, of which some version has the mode."""
        rows = self._rows(FollowedEntryRow)
        # A code has no colon, so these are all of its versions, by the index of ids.
        return {c for c in codes if rows.find_one({"_id": {"$gt": f"{c}:", "$lt": f"{c};"}, "modes": mode}, {"_id": 1})}

    def about_persons(self, codes: Iterable[str]) -> set[str]:
        """Returns those of the codes that a published entry has, of which some version is about persons."""
        rows, kind = self._rows(FollowedEntryRow), INDIVIDUAL
        return {
            c
            for c in codes
            if rows.find_one({"_id": {"$gt": f"{c}:", "$lt": f"{c};"}, "subject_kinds": kind}, {"_id": 1})
        }

    def save(self, entry: RawDocument, unit: UnitOfWork) -> None:
        """Keeps a version of an entry."""
        key = f"{entry['code']}:{entry['version']}"
        self._rows(FollowedEntryRow).replace_one({"_id": key}, {"_id": key, **entry}, upsert=True, session=unit.session)


def _values_of(entry: DisclosureEntry) -> int:
    return sum(1 + len(item.code_list) for item in entry.items)
