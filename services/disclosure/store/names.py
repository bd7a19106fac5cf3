"""What changes in the names that the public finds, read in parts.

The embedded store evaluates a whole range of an index before a limit or an order counts: so ranges are what is bounded.
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
    """The number of the newest change of names."""
    found = store.store.db["counters"].find_one({"_id": f"names.{store.generation}"})
    return int(found["n"]) if found else 0


def names_changed_in(store: DisclosureStore, after: int, upto: int) -> Iterator[RawDocument]:
    """Names whose last change is after one and not after another, in no order."""
    query = {"seq": {"$gt": after, "$lte": upto}}
    yield from store.name_rows.find(query, batch_size=_BATCH)


def identity_of(store: DisclosureStore) -> str:
    """What tells these names from those of another database or generation: made once, at random."""
    counters, key = store.store.db["counters"], f"names.identity.{store.generation}"
    while True:
        # Whoever else makes it at the same moment.
        with contextlib.suppress(DuplicateKeyError):
            found = counters.find_one({"_id": key}) or counters.find_one_and_update(
                {"_id": key},
                {"$setOnInsert": {"value": secrets.token_hex(16)}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if found is not None:
                return str(found["value"])
