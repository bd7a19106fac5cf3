"""Reads the stored log by entry index: which group holds an entry, and what a tile is made of."""

import bisect
import threading
from array import array
from collections.abc import Callable, Iterator, Sequence

from chengxin.tlog import merkle
from services.audit.domain.alterations import LogAltered, RowFault
from services.audit.domain.event import LoggedEntry
from services.audit.store.log import AuditStore
from services.audit.store.rows import LogGroup, LogGroupRow, altered


class LogReader:
    """Knows where each group begins: eight bytes a group, in memory. Only the integrator's thread writes it."""

    def __init__(self, store: AuditStore, has_seal: Callable[[LogGroup], bool]) -> None:
        """`has_seal` says whether a group is as it was sealed."""
        self._store = store
        self._has_seal = has_seal
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
        """Returns the entries of a range of indexes, in order, as they are stored: whoever verifies the log needs to see
        also what was altered. Missing entries are left out."""
        candidates = (logged for group in self._read_groups(start, end) for logged in group.logged())
        return [logged for logged in candidates if start <= logged.index < end]

    def entries_at(self, indexes: Sequence[int]) -> list[LoggedEntry]:
        """Returns entries by index, in the order asked for. Raises `LogAltered` when one is not as it was appended."""
        with self._lock:
            numbers = {index: bisect.bisect_right(self._firsts, index) for index in indexes}
        found: dict[int, LoggedEntry] = {}
        for group in self._store.groups_among(sorted(set(numbers.values()))):
            wanted = [index for index, number in numbers.items() if number == group.number]
            found.update((logged.index, logged) for logged in self._verified(group, wanted))
        for index in indexes:
            if index not in found:
                raise LogAltered(altered(LogGroupRow, numbers[index], RowFault.MISSING, f"entry {index}"))
        return [found[index] for index in indexes]

    def _verified(self, group: LogGroup, indexes: Sequence[int]) -> Iterator[LoggedEntry]:
        has_seal = self._has_seal(group)
        for index in indexes:
            at = index - group.first
            whole = 0 <= at < min(len(group.entries), len(group.leaves))
            if not has_seal or not whole or merkle.leaf_hash(group.entries[at]) != group.leaves[at]:
                raise LogAltered(altered(LogGroupRow, group.number, RowFault.DIFFERS, f"entry {index}"))
            yield LoggedEntry(index, group.entries[at])

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
