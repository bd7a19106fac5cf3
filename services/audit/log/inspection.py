"""One inspection of the whole store: every row is compared with what the groups, hashed again, say that it should be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from chengxin.tlog import merkle, signed_note
from chengxin.values.document import RawDocument
from services.audit.domain.alterations import LogAltered, RowFault
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.log.index_inspection import IndexInspection
from services.audit.log.inspection_report import InspectionReport, Pieces
from services.audit.log.tile_builder import FullTile, TileBuilder
from services.audit.store.log import LATEST, PROGRESS, row_key, tile_row
from services.audit.store.rows import (
    CheckpointRow,
    LogGroup,
    LogGroupRow,
    ProgressRow,
    Published,
    TileRow,
    altered,
    read_group,
    read_progress,
    read_published,
    undeclared_fields,
)

# A group has 8 MB at most; about so many bytes are read at once.
_BYTES_AT_ONCE: Final = 1024 * 1024
_MOST_GROUPS: Final = 64
_TILES_AT_ONCE: Final = 8
# Rows that the log would meet later are looked for so far ahead. One that is further away is found before it is met.
_GROUPS_AHEAD: Final = 256
_TILES_AHEAD: Final = 4


@dataclass(frozen=True)
class InspectionExtent:
    """What should be in the store: so many groups, what is derived from the first `size` entries, so many segments, and
    a checkpoint no older than `published`."""

    groups: int
    size: int
    segments: int
    published: Published | None


class Inspection:
    """Goes through the groups in order, hashes every entry, and compares each row that follows from them.

    Nothing that was derived or kept in memory is believed: the tree begins empty. After a group that is missing or not
    as it was sealed, tiles and index are compared no more, for what they should be is not known; groups still are.
    """

    def __init__(
        self, signer: CheckpointSigner, report: InspectionReport, extent: Callable[[], InspectionExtent]
    ) -> None:
        """`extent` is asked again and again, for the log grows meanwhile."""
        self._signer = signer
        self._extent = extent
        self._report = report
        self._index = IndexInspection(report, lambda: extent().segments)
        self._number = 0
        self._frontier = merkle.Frontier()
        self._tiles = TileBuilder()
        # Whether a group had a seal; all after it must have one.
        self._is_sealed = False
        # Whether the groups so far were as appended, so that what is derived from them is known.
        self._is_whole = True
        # The signed checkpoint, until the tree has been seen at its size.
        self._signed: signed_note.Checkpoint | None = None
        self._signed_has_seal = False

    @property
    def entries(self) -> int:
        """How many entries it has hashed again."""
        return self._frontier.size

    def pieces(self) -> Pieces[None]:
        """Inspects everything, some milliseconds of work a piece."""
        yield from self._inspect_checkpoint()
        yield from self._index.begin()
        at_once = _MOST_GROUPS
        while self._number < (groups := self._extent().groups):
            numbers = range(self._number + 1, min(self._number + at_once, groups) + 1)
            rows = yield from self._report.rows(LogGroupRow, numbers)
            read = 1
            for number in numbers:
                read += yield from self._inspect_group(number, rows.get(number))
            at_once = max(1, min(_MOST_GROUPS, at_once * _BYTES_AT_ONCE // read))
            yield None
        yield from self._inspect_end()

    def _inspect_group(self, number: int, row: RawDocument | None) -> Pieces[int]:
        """Inspects a group and what follows from it; gives its bytes."""
        self._number = number
        try:
            if row is None:
                raise LogAltered(altered(LogGroupRow, number, RowFault.MISSING))
            group = read_group(row)
            if extra := undeclared_fields(LogGroupRow, row):
                raise LogAltered(altered(LogGroupRow, number, RowFault.DIFFERS, extra))
            full = self._follow(group)
        except LogAltered as e:
            self._is_whole = False
            self._report.add(e.alteration)
            return 0
        if self._is_whole:
            yield from self._inspect_tiles(full)
            yield from self._index.follow(group)
        return sum(map(len, group.entries)) + merkle.HASH * len(group.leaves)

    def _follow(self, group: LogGroup) -> list[FullTile]:
        """Hashes a group again, onto the tree of those before it. Raises `LogAltered`; the group after it is then
        compared with what this one says of itself."""
        frontier, full = self._frontier, list[FullTile]()
        faults = [] if group.first == frontier.size else ["first"]
        for leaf in group.leaves:
            frontier.append(leaf)
            full += self._tiles.add(leaf, frontier.size)
        if frontier.pack() != group.frontier:
            faults.append("leaves, frontier")
        if not self._signer.seals.hold(group.sealed_text(), group.seal) or (self._is_sealed and not group.seal):
            faults.append("seal")
        self._is_sealed = self._is_sealed or bool(group.seal)
        if wrong := group.altered_entries():
            faults.append(f"entry {wrong[0]}")
        if not self._is_whole:
            # The tree before it is not known: its seal and its entries speak for it.
            faults = [fault for fault in faults if fault.startswith(("seal", "entry"))]
        if faults:
            self._frontier = _own_frontier(group) or frontier
            raise LogAltered(altered(LogGroupRow, group.number, RowFault.DIFFERS, ", ".join(faults)))
        self._frontier = frontier if self._is_whole else (_own_frontier(group) or frontier)
        self._compare_root()
        return full

    def _compare_root(self) -> None:
        if self._is_whole and self._signed is not None and self._signed.size == self._frontier.size:
            signed, self._signed = self._signed, None
            if self._is_sealed and not self._signed_has_seal:
                raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "seal"))
            if self._frontier.root() != signed.root:
                raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "not the root of the groups"))

    def _inspect_checkpoint(self) -> Pieces[None]:
        rows = yield from self._report.rows(CheckpointRow, [LATEST])
        published = self._extent().published
        if (row := rows.get(LATEST)) is None:
            if published:
                self._report.add(altered(CheckpointRow, LATEST, RowFault.MISSING))
            return
        try:
            stored = read_published(row)
            self._signed, fields = _read_signed(self._signer, stored)
            self._signed_has_seal = bool(stored.seal)
            if published and (stored.size < published.size or (published.seal and not stored.seal)):
                fields = "not the latest"
            if fields:
                raise LogAltered(altered(CheckpointRow, LATEST, RowFault.DIFFERS, fields))
            # An empty log has a checkpoint, too.
            self._compare_root()
        except LogAltered as e:
            self._signed = None
            self._report.add(e.alteration)

    def _inspect_tiles(self, full: Sequence[FullTile]) -> Pieces[None]:
        for start in range(0, len(full), _TILES_AT_ONCE):
            part = full[start : start + _TILES_AT_ONCE]
            expected = [(tile_row(f.tile, f.hashes, f.root), f.tile) for f in part]
            stored = yield from self._report.rows(TileRow, [row["_id"] for row, _ in expected])
            for row, tile in expected:
                # The integrator has not come to a tile that is not due yet.
                due = (tile.start + merkle.WIDTH) << (8 * tile.level) <= self._extent().size
                if due or row["_id"] in stored:
                    yield from self._report.compare(TileRow, stored.get(row["_id"]), row)

    def _inspect_end(self) -> Pieces[None]:
        if self._is_whole and self._signed is not None:
            self._report.add(altered(CheckpointRow, LATEST, RowFault.DIFFERS, "size"))
        yield from self._inspect_progress()
        yield from self._inspect_groups_ahead()
        if self._is_whole:
            yield from self._index.end()
            size = max(self._extent().size, self._frontier.size)
            tops = range(len(merkle.levels(size)) + 1)
            ahead = [row_key(v, merkle.level_size(size, v + 1) + n) for v in tops for n in range(_TILES_AHEAD)]
            for key in (yield from self._report.rows(TileRow, ahead)):
                yield from self._report.remove_unexpected(TileRow, key)
        yield from self._report.remove_foreign(CheckpointRow, 1, lambda key: key == LATEST)
        yield from self._report.remove_foreign(ProgressRow, 1, lambda key: key == PROGRESS)

    def _inspect_progress(self) -> Pieces[None]:
        rows = yield from self._report.rows(ProgressRow, [PROGRESS])
        size = self._extent().size
        alteration = None
        if (row := rows.get(PROGRESS)) is None:
            if size:
                alteration = altered(ProgressRow, PROGRESS, RowFault.MISSING)
        else:
            try:
                groups, frontier = read_progress(row)
                after = yield from self._report.read(lambda: self._report.store.frontier_after(groups))
                fields = undeclared_fields(ProgressRow, row)
                if fields or after != frontier or frontier.size < size:
                    alteration = altered(ProgressRow, PROGRESS, RowFault.DIFFERS, fields or "groups, size, frontier")
            except LogAltered as e:
                alteration = e.alteration
        if alteration is not None:
            yield from self._report.settle(alteration, lambda: self._report.store.remove(ProgressRow, [PROGRESS]))

    def _inspect_groups_ahead(self) -> Pieces[None]:
        """Looks for groups after a gap: the log would take them for its own when it gets there."""
        newest = self._extent().groups
        for start in range(newest + 1, newest + 1 + _GROUPS_AHEAD, _MOST_GROUPS):
            found = yield from self._report.rows(LogGroupRow, range(start, start + _MOST_GROUPS))
            for number in sorted(found):
                # Those before it that were not seen: a group that was written meanwhile is there by now.
                between = set(range(newest + 1, number)) - set(found)
                if between and len((yield from self._report.rows(LogGroupRow, between))) < len(between):
                    self._report.add(altered(LogGroupRow, number, RowFault.UNEXPECTED))


def _read_signed(signer: CheckpointSigner, stored: Published) -> tuple[signed_note.Checkpoint | None, str]:
    """The checkpoint that a stored row holds, and the fields that are not as they were signed and sealed."""
    try:
        signed = signed_note.Checkpoint.open(stored.note, signer.vkey)
    except signed_note.NoteError:
        return None, "note"
    if signed.size != stored.size:
        return None, "size"
    return signed, "" if signer.seals.hold(stored.sealed_text(), stored.seal) else "at or seal"


def _own_frontier(group: LogGroup) -> merkle.Frontier | None:
    """The tree after a group as the group itself has it; None when that is no tree."""
    try:
        return merkle.Frontier.unpack(group.end, group.frontier)
    except ValueError:
        return None
