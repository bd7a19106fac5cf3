"""The records of the last committed batches, in memory: a close follower gets them without a query to the store."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from chengxin.values.document import RawDocument

# Bytes of all batches together as delivered: 20,000 records of 25 items. As objects they take three times as much.
_MOST_BYTES: Final = 16_000_000


class RecentVersions:
    """Versions of records by the batch that committed them. The store has the same versions, and those that are missing
    here."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._batches: OrderedDict[str, tuple[Sequence[RawDocument], int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, batch: str, versions: Sequence[RawDocument], size: int) -> None:
        """Keeps the versions that a batch of `size` bytes committed, and drops the oldest batches above the limit."""
        with self._lock:
            self._batches[batch] = versions, size
            self._bytes += size
            while self._bytes > self._most:
                _, (_, oldest_size) = self._batches.popitem(last=False)
                self._bytes -= oldest_size

    def of(self, batch: str) -> Sequence[RawDocument] | None:
        """Returns the versions that a batch committed, in order of delivery; None when they are not here."""
        with self._lock:
            entry = self._batches.get(batch)
        return entry[0] if entry else None
