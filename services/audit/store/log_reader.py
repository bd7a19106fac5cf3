"""Reads the stored log by entry index: which group holds an entry, and what a tile is made of."""

import bisect
import threading
from array import array
from collections.abc import Iterator, Sequence

from chengxin.tlog import merkle
from services.audit.domain.event import LoggedEntry
from services.audit.store.log import AuditStore, LogGroup


class LogReader:
    """Knows where each group begins: eight bytes a group, in memory. Only the integrator's thread writes it."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._firsts = array("Q")

    @property
    def groups(self) -> int:
        """How many groups it knows."""
        return len(self._firsts)

    def load(self, packed: Sequence[bytes]) -> None:
        """Starts again from these packed indexes of first entries."""
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
        """Packs the indexes of the first entries of the groups from entry `start` on."""
        return self._firsts[bisect.bisect_left(self._firsts, start) :].tobytes()

    def entries(self, start: int, end: int) -> list[LoggedEntry]:
        """Returns the entries of a range of indexes, in order. Missing entries are left out."""
        candidates = (logged for group in self._read_groups(start, end) for logged in group.logged())
        return [logged for logged in candidates if start <= logged.index < end]

    def entries_at(self, indexes: Sequence[int]) -> list[LoggedEntry]:
        """Returns entries by index, in the order asked for. Missing entries are left out."""
        with self._lock:
            numbers = sorted({bisect.bisect_right(self._firsts, index) for index in indexes})
        by_index = {logged.index: logged for group in self._store.groups(numbers) for logged in group.logged()}
        return [by_index[index] for index in indexes if index in by_index]

    def tile(self, tile: merkle.Tile) -> bytes:
        """Returns the hashes of a tile, full or partial: fewer than its width where some are missing."""
        full = self._store.tile(tile.level, tile.index)
        if full is not None:
            return full[: tile.width * merkle.HASH]
        if tile.level:
            return self._store.tile_roots(tile.level - 1, range(tile.start, tile.start + tile.width))
        start, end = tile.start, tile.start + tile.width
        groups = self._read_groups(start, end)
        return b"".join(h for g in groups for n, h in enumerate(g.leaves, g.first) if start <= n < end)

    def _read_groups(self, start: int, end: int) -> Iterator[LogGroup]:
        with self._lock:
            first, last = bisect.bisect_right(self._firsts, start), bisect.bisect_left(self._firsts, end)
        return self._store.groups(range(first, last + 1))
