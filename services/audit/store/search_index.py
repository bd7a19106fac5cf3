"""Searches the log: segments in the store, and the newest entries in memory until they make a segment."""

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.audit.domain.alterations import LogAltered, RowFault
from services.audit.domain.event import EventSearch, IndexRow, index_row, microseconds
from services.audit.domain.search_encoding import (
    Term,
    bucket,
    find,
    intersect,
    pack,
    pack_times,
    terms_for,
    terms_of,
    unpack_times,
)
from services.audit.store.log import AuditStore, row_key
from services.audit.store.log_reader import LogReader
from services.audit.store.rows import BucketRow, LogGroup, Segment, altered

# Entries of a segment; a segment has more where a group ends later. When the service starts, it reads the entries since
# the last segment again: a larger number would make the start slow, a smaller one would make searches slow.
SEGMENT_ENTRIES: Final = 8_192


@dataclass
class UnsegmentedEntries:
    """Entries that are in no segment yet."""

    start: int = 0
    times: list[int] = field(default_factory=list)
    postings: dict[Term, list[int]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The index after the last entry."""
        return self.start + len(self.times)

    def add(self, row: IndexRow | None) -> None:
        """Adds the next entry; None stands for one that cannot be read."""
        index = self.end
        self.times.append(microseconds(row.at) if row else 0)
        for term in terms_of(row) if row else ():
            self.postings.setdefault(term, []).append(index)

    def add_group(self, group: LogGroup) -> None:
        """Adds the entries of the next group, as many as it has leaf hashes."""
        rows = [index_row(logged) for logged in group.logged()][: len(group.leaves)]
        for row in [*rows, *[None] * (len(group.leaves) - len(rows))]:
            self.add(row)

    def segment(self, number: int) -> Segment:
        """The segment of these entries."""
        return Segment(number, self.start, self.end, min(self.times), max(self.times))


class SearchIndex:
    """The search index. Only the integrator's thread writes it; any thread may search it."""

    def __init__(self, store: AuditStore, reader: LogReader, segment_entries: int) -> None:
        self._store = store
        self._segment_entries = segment_entries
        self._reader = reader
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._fresh = UnsegmentedEntries()

    @property
    def end(self) -> int:
        """How many entries can be found."""
        with self._lock:
            return self._fresh.end

    @property
    def segments(self) -> int:
        """How many segments there are."""
        with self._lock:
            return len(self._segments)

    def load(self) -> None:
        """Starts again from what is stored, and has the log reader do the same. The caller adds what comes after the
        last segment to both again. Raises `LogAltered`."""
        stored = self._store.segments()
        segments = [segment for segment, _ in stored]
        self._reader.load([firsts for _, firsts in stored])
        with self._lock:
            self._segments = segments
            self._fresh = UnsegmentedEntries(segments[-1].end if segments else 0)

    def add(self, groups: Iterable[LogGroup]) -> None:
        """Adds the next groups, and writes a segment when there are enough entries."""
        for group in groups:
            with self._lock:
                self._fresh.add_group(group)
            self._reader.add(group)
            if len(self._fresh.times) >= self._segment_entries:
                self._write_segment()

    def _write_segment(self) -> None:
        fresh = self._fresh
        segment = fresh.segment(len(self._segments))
        buckets = pack(fresh.postings, fresh.start)
        self._store.save_segment(segment, buckets, pack_times(fresh.times), self._reader.pack(fresh.start))
        with self._lock:
            self._segments = [*self._segments, segment]
            self._fresh = UnsegmentedEntries(fresh.end)

    def search(self, search: EventSearch, before: int, limit: int) -> list[int]:
        """Returns the indexes of matching entries, newest first, below `before` (0: from the end)."""
        return list(itertools.islice(self._match_entries(search, before), limit))

    def _match_entries(self, search: EventSearch, before: int) -> Iterator[int]:
        terms = terms_for(search)
        span = (
            microseconds(search.since) if search.since else 0,
            microseconds(search.until) if search.until else 2**63,
        )
        with self._lock:
            segments, fresh = self._segments, self._fresh
            lists: list[Sequence[int]] = [fresh.postings.get(term, [])[:] for term in terms]
            lists = lists or [range(fresh.start, fresh.end)]
            times: Sequence[int] = fresh.times[:] if search.since or search.until else ()
        below = before or 2**63
        yield from _select(intersect(lists[0], lists[1:]), below, span, fresh.start, times)
        wanted = [s for s in segments[::-1] if s.start < below and s.earliest < span[1] and s.latest >= span[0]]
        for segment, matches in self._search_segments(terms, wanted):
            whole = segment.earliest >= span[0] and segment.latest < span[1]
            times = () if whole or not matches else unpack_times(self._store.times(segment))
            yield from _select(iter(matches), below, span, segment.start, times)

    def _search_segments(
        self, terms: Sequence[Term], segments: Sequence[Segment]
    ) -> Iterator[tuple[Segment, list[int]]]:
        """Yields, of each of the segments, the entries that have all terms, descending."""
        if not terms or not segments:
            yield from ((s, list(range(s.end - 1, s.start - 1, -1))) for s in segments)
            return
        first, *others = terms
        known = {segment.number: segment for segment in segments}
        # One pass reads the bucket of the most selective term. Buckets of the others are read only where it has a hit.
        for number, packed in self._store.buckets(bucket(first), [*known]):
            start = known[number].start
            if not (matches := find(packed, first, start)):
                continue
            if max(matches) >= known[number].end:
                raise LogAltered(altered(BucketRow, row_key(bucket(first), number), RowFault.DIFFERS, "packed"))
            other_matches = [self._find_term(term, known[number]) for term in others]
            yield known[number], list(intersect(matches, other_matches))

    def _find_term(self, term: Term, segment: Segment) -> list[int]:
        packed = next((p for _, p in self._store.buckets(bucket(term), [segment.number])), b"")
        return find(packed, term, segment.start)


def _select(
    matches: Iterator[int], below: int, span: tuple[int, int], start: int, times: Sequence[int]
) -> Iterator[int]:
    for index in matches:
        if index < below and (not times or span[0] <= times[index - start] < span[1]):
            yield index
