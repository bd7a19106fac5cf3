"""Reading the stored log by entry index: which group holds an entry, what a tile is made of."""

import bisect
import threading
from array import array
from collections.abc import Iterator, Sequence

from chengxin.tlog import merkle
from services.audit.domain.event import LoggedEntry
from services.audit.store.log import AuditStore, LogGroup


class LogReader:
    """Knows where each group begins: eight bytes a group, kept in memory. Written by the integrator's thread alone."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._firsts = array("Q")

    @property
    def groups(self) -> int:
        """How many groups it knows."""
        return len(self._firsts)

    def load(self, packed: Sequence[bytes]) -> None:
        """Begins again with these packed indexes of first entries."""
        firsts = array("Q")
        for part in packed:
            firsts.frombytes(part)
        with self._lock:
            self._firsts = firsts

    def add(self, group: LogGroup) -> None:
        """Adds the next group."""
        with self._lock:
            self._firsts.append(group.first)

    def pack(self, start: int) -> bytes:
        """The indexes of the first entries of the groups from entry `start` on."""
        return self._firsts[bisect.bisect_left(self._firsts, start) :].tobytes()

    def entries(self, start: int, end: int) -> list[LoggedEntry]:
        """Entries of a range of indexes, in order; those that are gone are left out."""
        found = (logged for group in self._holding(start, end) for logged in group.logged())
        return [logged for logged in found if start <= logged.index < end]

    def entries_at(self, indexes: Sequence[int]) -> list[LoggedEntry]:
        """Entries by index, in the order asked for; one that is gone is left out."""
        with self._lock:
            numbers = sorted({bisect.bisect_right(self._firsts, index) for index in indexes})
        found = {logged.index: logged for group in self._store.groups(numbers) for logged in group.logged()}
        return [found[index] for index in indexes if index in found]

    def tile(self, tile: merkle.Tile) -> bytes:
        """The hashes of a tile, full or partial; fewer than its width where they are not there."""
        full = self._store.tile(tile.level, tile.index)
        if full is not None:
            return full[: tile.width * merkle.HASH]
        if tile.level:
            return self._store.tile_roots(tile.level - 1, range(tile.start, tile.start + tile.width))
        start, end = tile.start, tile.start + tile.width
        groups = self._holding(start, end)
        return b"".join(h for g in groups for n, h in enumerate(g.leaves, g.first) if start <= n < end)

    def _holding(self, start: int, end: int) -> Iterator[LogGroup]:
        with self._lock:
            first, last = bisect.bisect_right(self._firsts, start), bisect.bisect_left(self._firsts, end)
        return self._store.groups(range(first, last + 1))
