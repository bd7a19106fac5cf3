"""Inspects the search index: each segment and its buckets are made again from the entries, and compared."""

import sys
from collections.abc import Callable, Iterable
from typing import Final, TypeGuard

from services.audit.domain.alterations import Alteration, LogAltered, RowFault
from services.audit.domain.search_encoding import BUCKETS, pack, pack_times
from services.audit.log.inspection_report import InspectionReport, Pieces, difference
from services.audit.store.log import bucket_row, row_key, segment_row
from services.audit.store.rows import BucketRow, LogGroup, Segment, SegmentRow, altered, read_segment
from services.audit.store.search_index import UnsegmentedEntries

# Segments after the last one whose buckets are looked for.
_AHEAD: Final = 4


class IndexInspection:
    """Follows the groups. Where a segment ends is what the segment says; all else in it follows from that.

    A segment that is wrong ends the comparison: to mend it, it and all after it are removed, and the integrator makes
    segments again from there.
    """

    def __init__(self, report: InspectionReport, expected: Callable[[], int]) -> None:
        """`expected` says how many segments there are at least."""
        self._report = report
        self._expected = expected
        self._before: Segment | None = None
        self._segment: Segment | None = None
        self._number = 0
        self._ended = False
        self._entries = UnsegmentedEntries()
        self._firsts: list[int] = []

    def begin(self) -> Pieces[None]:
        """Reads the next segment, if there is one."""
        self._segment = None
        rows = yield from self._report.rows(SegmentRow, [self._number])
        if (row := rows.get(self._number)) is None:
            if self._number < self._expected():
                yield from self._truncate(altered(SegmentRow, self._number, RowFault.MISSING))
            return
        try:
            self._segment, _ = read_segment(row, self._before)
        except LogAltered as e:
            yield from self._truncate(e.alteration)
            return
        self._entries, self._firsts = UnsegmentedEntries(self._segment.start), []

    def follow(self, group: LogGroup) -> Pieces[None]:
        """The next group; at the end of a segment, compares it."""
        # Entries after the last segment are indexed in memory alone.
        if self._segment is None:
            return
        self._entries.add_group(group)
        self._firsts.append(group.first)
        if self._entries.end >= self._segment.end:
            self._before = expected = self._entries.segment(self._number)
            yield from self._compare(expected)
            self._number += 1
            if self._ended:
                self._segment = None
            else:
                yield from self.begin()

    def end(self) -> Pieces[None]:
        """After the last group: a segment must not reach further, and none may lie ahead."""
        if self._ended:
            return
        if self._segment is not None:
            yield from self._truncate(altered(SegmentRow, self._number, RowFault.DIFFERS, "end"))
            return
        # A segment that was written during this inspection is compared by the next one.
        first = max(self._number, self._expected())
        ahead = range(first, first + _AHEAD)
        yield from self._report.remove_foreign(SegmentRow, first, lambda key: _is_number(key) and 0 <= key < first)
        for key in (yield from self._report.rows(BucketRow, _bucket_keys(ahead))):
            yield from self._report.remove_unexpected(BucketRow, key)

    def _compare(self, segment: Segment) -> Pieces[None]:
        firsts = b"".join(first.to_bytes(8, sys.byteorder) for first in self._firsts)
        expected = segment_row(segment, pack_times(self._entries.times), firsts)
        stored = yield from self._report.rows(SegmentRow, [segment.number])
        wrong = [difference(SegmentRow, segment.number, stored.get(segment.number), expected)]
        buckets = pack(self._entries.postings, segment.start)
        keys = _bucket_keys([segment.number])
        rows = yield from self._report.rows(BucketRow, keys)
        for bucket, key in enumerate(keys):
            packed = buckets.get(bucket)
            row = None if packed is None else bucket_row(bucket, segment.number, packed)
            wrong.append(difference(BucketRow, key, rows.get(key), row))
        for alteration in filter(None, wrong):
            yield from self._truncate(alteration)

    def _truncate(self, alteration: Alteration) -> Pieces[None]:
        self._ended = True
        first = self._number

        def remove() -> None:
            stored = [number for number in self._report.store.segment_numbers() if number >= first]
            # The last one first: what is left is always a beginning of the index.
            for number in sorted({*stored, *range(first, first + _AHEAD)}, reverse=True):
                self._report.store.remove(SegmentRow, [number])
                self._report.store.remove(BucketRow, _bucket_keys([number]))

        yield from self._report.settle(alteration, remove)


def _is_number(key: object) -> TypeGuard[int]:
    return isinstance(key, int) and not isinstance(key, bool)


def _bucket_keys(segments: Iterable[int]) -> list[str]:
    return [row_key(bucket, number) for number in segments for bucket in range(BUCKETS)]
