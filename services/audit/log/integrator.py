"""Derives in the background what follows from appended groups: full tiles, the search index, signed checkpoints."""

import threading
import time
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client import Gauge

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.tlog import merkle, signed_note
from chengxin.values.clock import Clock, rfc3339
from services.audit.domain.event import LOG_ALTERED
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.store.log import AuditStore, LogGroup, Published
from services.audit.store.log_reader import LogReader
from services.audit.store.search_index import SearchIndex

log = structlog.get_logger()

# Entries that the integrator takes in before it writes how far it is.
_BATCH_ENTRIES: Final = 1_000
# A search waits this long for the index to catch up. After 200,000 events at once that takes six seconds.
_WAIT_SECONDS: Final = 15.0


class LogAltered(Exception):
    """The store does not hold what was appended or signed."""


class Integrator:
    """Derives tiles and index from the groups, in order, and signs checkpoints of what it has seen complete.

    It hashes the tree itself, and signs a checkpoint only when the appender's frontier, the tiles and the checkpoint
    before it all agree.
    """

    def __init__(
        self,
        store: AuditStore,
        reader: LogReader,
        index: SearchIndex,
        signer: CheckpointSigner,
        clock: Clock,
        interval: float = 1.0,
    ) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._reader = reader
        self._index = index
        self._interval = interval
        self._changed = threading.Condition()
        self._frontier: merkle.Frontier | None = None
        # The hashes of the tiles that are not full yet, by level.
        self._partial_tiles: list[list[bytes]] = []
        self._published: Published | None = None
        self._next_checkpoint_at = 0.0
        self._altered = False
        self._interruptions = 0
        self._task = PeriodicTask("integrator", self._derive, interval)

    def start(self) -> None:
        """Starts in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends after the current batch."""
        self._task.stop()
        # The store is closed next.
        self._task.ended(_WAIT_SECONDS)

    @property
    def sound(self) -> bool:
        """Whether the store agrees with what was signed, as far as is known."""
        return not self._altered

    @property
    def published(self) -> Published:
        """The latest checkpoint. Raises LOG_ALTERED, or STORE_UNAVAILABLE before the first."""
        published = self._published
        if published is None:
            raise LOG_ALTERED(retry_after=10) if self._altered else STORE_UNAVAILABLE(retry_after=1)
        return published

    def wait(self, size: int) -> None:
        """Returns once the index covers the first `size` entries. Raises LOG_ALTERED, and STORE_UNAVAILABLE when
        integration takes too long or is interrupted meanwhile, for example by a store that does not answer."""

        def covered() -> bool:
            frontier = self._frontier
            return self._altered or (frontier is not None and frontier.size >= size)

        with self._changed:
            if not covered():
                self._task.wake()
                before = self._interruptions
                self._changed.wait_for(lambda: covered() or self._interruptions > before, _WAIT_SECONDS)
            if self._altered:
                raise LOG_ALTERED(retry_after=10)
            if not covered():
                raise STORE_UNAVAILABLE(retry_after=1)

    def _derive(self) -> None:
        try:
            frontier = self._frontier or self._load()
            frontier = self._integrate(frontier)
            self._publish(frontier)
            self._altered = False
        except LogAltered as e:
            log.error("the stored log is not what was signed; no checkpoint is published", reason=str(e))
            self._start_over(altered=True)
        # Whatever the error is, the next round derives everything again from the last saved progress.
        except Exception:
            self._start_over(altered=False)
            raise

    def _start_over(self, altered: bool) -> None:
        with self._changed:
            self._frontier, self._altered = None, altered
            self._interruptions += 1
            self._changed.notify_all()

    def _load(self) -> merkle.Frontier:
        try:
            groups, frontier = self._store.progress()
            self._index.load()
            for batch in _batches(self._store.groups(range(self._reader.groups + 1, groups + 1))):
                self._index.add(batch)
            if self._reader.groups != groups or self._index.end != frontier.size:
                raise LogAltered(
                    f"{groups} groups of {frontier.size} entries were seen, {self._reader.groups} are there"
                )
            if merkle.TileTree(frontier.size, self._reader.tile).root() != frontier.root():
                raise LogAltered(f"the tiles do not give the root of the first {frontier.size} entries")
            published = self._store.checkpoint()
            if published is not None:
                self._check_checkpoint(published, frontier.size)
            self._partial_tiles = [
                self._load_partial_tile(frontier.size, level) for level in merkle.levels(frontier.size)
            ]
        except ValueError as e:
            raise LogAltered(str(e)) from None
        self._published = published
        return frontier

    def _check_checkpoint(self, published: Published, size: int) -> None:
        signed = signed_note.Checkpoint.open(published.note, self._signer.vkey)
        if signed.size != published.size or signed.size > size:
            raise LogAltered(f"a checkpoint of {signed.size} entries was signed, the tiles cover {size}")
        if merkle.TileTree(signed.size, self._reader.tile).root() != signed.root:
            raise LogAltered(f"the tiles do not give the root of the signed checkpoint of {signed.size} entries")

    def _load_partial_tile(self, size: int, level: int) -> list[bytes]:
        index, width = divmod(merkle.level_size(size, level), merkle.WIDTH)
        return merkle.split(self._reader.tile(merkle.Tile(level, index, width))) if width else []

    def _integrate(self, frontier: merkle.Frontier) -> merkle.Frontier:
        for batch in _batches(self._store.groups_after(self._reader.groups)):
            frontier = frontier.copy()
            for group in batch:
                self._integrate_group(group, frontier)
            self._store.save_progress(batch[-1].number, frontier)
            self._index.add(batch)
            with self._changed:
                self._frontier = frontier
                self._changed.notify_all()
            self._publish(frontier)
            if self._task.stopping:
                break
        if self._frontier is None:
            with self._changed:
                self._frontier = frontier
                self._changed.notify_all()
        return frontier

    def _integrate_group(self, group: LogGroup, frontier: merkle.Frontier) -> None:
        if group.first != frontier.size:
            raise LogAltered(f"the group at entry {frontier.size} is missing")
        for leaf in group.leaves:
            frontier.append(leaf)
            self._add_leaf(leaf, frontier.size)
        if frontier.pack() != group.frontier:
            raise LogAltered(f"the leaf hashes of entries {group.first} to {group.end - 1} are not those appended")

    def _add_leaf(self, leaf: bytes, size: int) -> None:
        """Adds the leaf that makes the log `size` entries long to its tile. Saves a tile that becomes full, and adds
        its root to the level above."""
        node = leaf
        for level in range(len(self._partial_tiles) + 1):
            if level == len(self._partial_tiles):
                self._partial_tiles.append([])
            hashes = self._partial_tiles[level]
            hashes.append(node)
            if len(hashes) < merkle.WIDTH:
                return
            self._partial_tiles[level] = []
            node = merkle.subtree_root(hashes)
            tile = merkle.Tile(level, merkle.level_size(size, level + 1) - 1)
            if not self._store.save_tile(tile, b"".join(hashes), node):
                raise LogAltered(f"{tile.path} is in the store with other hashes")

    def _publish(self, frontier: merkle.Frontier) -> None:
        before = self._published
        if (before is not None and before.size >= frontier.size) or time.monotonic() < self._next_checkpoint_at:
            return
        note = self._signer.sign(frontier.size, frontier.root())
        published = Published(frontier.size, note, rfc3339(self._clock.now()))
        self._store.save_checkpoint(published)
        self._published = published
        self._next_checkpoint_at = time.monotonic() + self._interval
        _SIZE.set(frontier.size)


def _batches(groups: Iterator[LogGroup]) -> Iterator[list[LogGroup]]:
    batch: list[LogGroup] = []
    entries = 0
    for group in groups:
        batch.append(group)
        entries += len(group.leaves)
        if entries >= _BATCH_ENTRIES:
            yield batch
            batch, entries = [], 0
    if batch:
        yield batch


_SIZE = Gauge("chengxin_audit_checkpoint_entries", "Entries under the latest checkpoint")
