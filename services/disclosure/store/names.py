"""Reads the changes of the names that the public finds, in parts.

The embedded store reads a whole range of an index before it applies a limit or an order, so queries bound the range.
"""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from chengxin.values.document import RawDocument
from services.disclosure.store.disclosure_store import DisclosureStore

_BATCH: Final = 2000


def newest_change(store: DisclosureStore) -> int:
    """Returns the number of the newest change of names; 0 before the first."""
    counter = store.store.db["counters"].find_one({"_id": f"names.{store.generation}"})
    return int(counter["n"]) if counter else 0


def names_changed_in(store: DisclosureStore, after: int, upto: int) -> Iterator[RawDocument]:
    """Yields names whose last change is after change `after` and not after change `upto`, in no order."""
    query = {"seq": {"$gt": after, "$lte": upto}}
    yield from store.name_rows.find(query, batch_size=_BATCH)


def identity_of(store: DisclosureStore) -> str:
    """Returns the random identity of these names, which differs from that of any other database or generation. The
    first call makes it."""
    counters, key = store.store.db["counters"], f"names.identity.{store.generation}"
    while True:
        # Another process may make it at the same moment.
        with contextlib.suppress(DuplicateKeyError):
            row = counters.find_one({"_id": key}) or counters.find_one_and_update(
                {"_id": key},
                {"$setOnInsert": {"value": secrets.token_hex(16)}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if row is not None:
                return str(row["value"])
