"""Derives in the background what follows from appended groups: full tiles, the search index, signed checkpoints. Between
that it inspects the store."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from prometheus_client import Gauge

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.tlog import merkle, signed_note
from chengxin.values.clock import Clock, rfc3339
from services.audit.domain.alterations import Alteration, LogAltered, RowFault
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.log.condition import LogCondition
from services.audit.log.inspection import InspectionExtent
from services.audit.log.inspector import Inspector
from services.audit.log.tile_builder import TileBuilder
from services.audit.store.log import LATEST, AuditStore
from services.audit.store.log_reader import LogReader
from services.audit.store.rows import (
    CheckpointRow,
    LogGroup,
    LogGroupRow,
    Published,
    SegmentRow,
    altered,
)
from services.audit.store.search_index import SearchIndex

# Entries that the integrator takes in before it writes how far it is.
_BATCH_ENTRIES: Final = 1_000
# A search waits this long for the index to catch up. After 200,000 events at once that takes six seconds.
_WAIT_SECONDS: Final = 15.0


class CheckpointReplaced(Exception):
    """The stored checkpoint is not the one that was published last; it has to be looked at before another is signed."""


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
        condition: LogCondition,
        inspector: Inspector,
        interval: float,
    ) -> None:
        """`interval` is the pause between checkpoints, in seconds."""
        self._condition = condition
        self._inspector = inspector
        self._store = store
        self._signer = signer
        self._clock = clock
        self._reader = reader
        self._index = index
        self._interval = interval
        self._changed = threading.Condition()
        self._frontier: merkle.Frontier | None = None
        self._tiles = TileBuilder()
        # Groups have seals from a certain one on: whether that is reached.
        self._is_sealed = False
        # The signed checkpoint of more entries than are derived yet, when derivation begins again.
        self._ahead: signed_note.Checkpoint | None = None
        self._published: Published | None = None
        self._next_checkpoint_at = 0.0
        self._interruptions = 0
        self._task = PeriodicTask("integrator", self._round, interval)

    def start(self) -> None:
        """Starts in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends after the current batch."""
        self._task.stop()
        # The store is closed next.
        self._task.ended(_WAIT_SECONDS)

    def wake(self) -> None:
        """Begins the next round at once."""
        self._task.wake()

    @property
    def published(self) -> Published:
        """The latest checkpoint. Raises `LogAltered`, or STORE_UNAVAILABLE before the first."""
        published = self._published
        if published is None:
            for alteration in self._condition.alterations:
                raise LogAltered(alteration)
            raise STORE_UNAVAILABLE(retry_after=1)
        return published

    def wait(self, size: int) -> None:
        """Returns once the index covers the first `size` entries. Raises `LogAltered` when it could miss some, and
        STORE_UNAVAILABLE when integration takes too long or is interrupted meanwhile, for example by a store that does
        not answer."""

        def covered() -> bool:
            frontier = self._frontier
            return frontier is not None and frontier.size >= size

        with self._changed:
            if not covered():
                self._task.wake()
                before = self._interruptions
                self._changed.wait_for(lambda: covered() or self._interruptions > before, _WAIT_SECONDS)
            self._condition.must_be_searchable()
            if not covered():
                raise STORE_UNAVAILABLE(retry_after=1)

    def _round(self) -> None:
        try:
            frontier = self._frontier or self._load()
            frontier = self._integrate(frontier)
            if self._ahead is not None:
                raise LogAltered(altered(LogGroupRow, self._reader.groups + 1, RowFault.MISSING))
            self._publish(frontier)
            self._condition.block(None)
        except LogAltered as e:
            self._condition.block(e.alteration)
            self._start_over()
        # Whatever the error is, the next round derives everything again from the last saved progress.
        except Exception:
            self._start_over()
            raise
        # Only this thread writes what is derived, so nothing of it changes while it is inspected.
        if self._inspector.step(self._extent()):
            self._start_over()
        if self._inspector.hurries and not self._task.stopping:
            self._task.wake()

    def _start_over(self) -> None:
        with self._changed:
            self._frontier = None
            self._interruptions += 1
            self._changed.notify_all()

    def _extent(self) -> InspectionExtent:
        frontier = self._frontier
        if frontier is not None:
            return InspectionExtent(self._reader.groups, frontier.size, self._index.segments, self._published)
        # Derivation stands still: then what the store says of itself is inspected.
        try:
            _, derived = self._store.progress() or (0, merkle.Frontier())
        except LogAltered:
            derived = merkle.Frontier()
        segments = max(self._store.segment_numbers(), default=-1) + 1
        return InspectionExtent(self._store.last_group(), derived.size, segments, self._published)

    def _load(self) -> merkle.Frontier:
        self._index.load()
        groups, frontier = self._derived()
        for batch in _batches(self._store.groups(range(self._reader.groups + 1, groups + 1))):
            self._index.add(batch)
        if self._reader.groups < groups:
            raise LogAltered(altered(LogGroupRow, self._reader.groups + 1, RowFault.MISSING))
        if self._index.end != frontier.size:
            raise LogAltered(altered(SegmentRow, self._index.segments - 1, RowFault.DIFFERS))
        self._must_have_root(frontier.size, frontier.root())
        self._ahead = None
        published = self._store.checkpoint()
        if published is None and self._published is not None:
            raise LogAltered(altered(CheckpointRow, LATEST, RowFault.MISSING))
        if published is not None:
            self._check_checkpoint(published, frontier.size)
        levels = merkle.levels(frontier.size)
        self._tiles = TileBuilder(self._load_partial_tile(frontier.size, level) for level in levels)
        self._is_sealed = bool(published and published.seal)
        self._store.save_progress(groups, frontier)
        self._published = published
        return frontier

    def _derived(self) -> tuple[int, merkle.Frontier]:
        """How far everything is derived: as far as progress says, or as the segments go when they go further."""
        groups, frontier = self._store.progress() or (0, merkle.Frontier())
        if self._reader.groups <= groups:
            return groups, frontier
        after = self._store.frontier_after(self._reader.groups)
        if after is None:
            raise LogAltered(altered(SegmentRow, self._index.segments - 1, RowFault.DIFFERS))
        return self._reader.groups, after

    def _check_checkpoint(self, published: Published, size: int) -> None:
        try:
            signed = signed_note.Checkpoint.open(published.note, self._signer.vkey)
        except signed_note.NoteError:
            raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "note")) from None
        if signed.size != published.size or not self._signer.seals.hold(published.sealed_text(), published.seal):
            raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "size, at or seal"))
        known = self._published
        if known is not None and (published.size < known.size or (known.seal and not published.seal)):
            raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "not the latest"))
        self._ahead = signed if signed.size > size else None
        if self._ahead is None:
            self._must_have_root(signed.size, signed.root)

    def _must_have_root(self, size: int, root: bytes) -> None:
        try:
            found = merkle.TileTree(size, self._reader.tile).root()
        except ValueError:
            found = b""
        if found != root:
            raise LogAltered(Alteration("tiles", f"of the first {size} entries", RowFault.DIFFERS, "root"))

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
        is_sealed = self._is_sealed = self._is_sealed or bool(group.seal)
        if not self._signer.seals.hold(group.sealed_text(), group.seal) or (is_sealed and not group.seal):
            raise LogAltered(altered(LogGroupRow, group.number, RowFault.DIFFERS, "seal"))
        if group.first != frontier.size:
            raise LogAltered(altered(LogGroupRow, group.number, RowFault.DIFFERS, "first"))
        for leaf in group.leaves:
            frontier.append(leaf)
            for full in self._tiles.add(leaf, frontier.size):
                self._store.save_tile(full.tile, full.hashes, full.root)
        if frontier.pack() != group.frontier:
            raise LogAltered(altered(LogGroupRow, group.number, RowFault.DIFFERS, "leaves, frontier"))
        if self._ahead is not None and frontier.size >= self._ahead.size:
            if (frontier.size, frontier.root()) != (self._ahead.size, self._ahead.root):
                raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "not the root of the groups"))
            self._ahead = None

    def _publish(self, frontier: merkle.Frontier) -> None:
        before = self._published
        if (before is not None and before.size >= frontier.size) or time.monotonic() < self._next_checkpoint_at:
            return
        # What is derived from the groups does not change what is signed; an original does.
        if any(not a.derived for a in self._condition.alterations):
            return
        note = self._signer.sign(frontier.size, frontier.root())
        # The machine's clock may have been set back: checkpoints do not become older.
        at = max(rfc3339(self._clock.now()), before.at if before else "")
        published = Published(frontier.size, note, at)
        published = replace(published, seal=self._signer.seals.seal(published.sealed_text()))
        if not self._store.save_checkpoint(published, before):
            raise CheckpointReplaced("another checkpoint is in the store")
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
