"""The records of the last committed batches, in memory: whoever follows closely has them without a look at the store."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from chengxin.values.document import RawDocument

# Bytes of all batches together as they were delivered: 20,000 records of 25 items. As objects they take three times that.
_MOST: Final = 16_000_000


class RecentVersions:
    """Versions of records by the batch that committed them. What is not here is in the store, the same."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._batches: OrderedDict[str, tuple[Sequence[RawDocument], int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def keep(self, batch: str, versions: Sequence[RawDocument], size: int) -> None:
        """Remembers what a batch of `size` bytes has committed, and forgets the oldest ones."""
        with self._lock:
            self._batches[batch] = versions, size
            self._held += size
            while self._held > self._most:
                _, (_, oldest) = self._batches.popitem(last=False)
                self._held -= oldest

    def of(self, batch: str) -> Sequence[RawDocument] | None:
        """The versions that a batch committed, in order of delivery; None when they are not held."""
        with self._lock:
            held = self._batches.get(batch)
        return held[0] if held else None
