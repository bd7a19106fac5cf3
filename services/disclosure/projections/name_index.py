"""The directory of subjects that the public finds. It is on disk, and each search brings it up to date.

It reads what has changed since from the store, by the number of each change of names. A search takes in a small backlog
itself, before it searches. A thread takes in a large backlog, while searches are answered from what the index has.
"""

import json
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Gauge
from pymongo.errors import PyMongoError

from chengxin.bounds import own
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import STORE_UNAVAILABLE
from chengxin.store.deadlines import in_turn, patience
from chengxin.values.subject_kinds import INDIVIDUAL
from chengxin.values.text_forms import search_key
from services.disclosure.domain.subject_names import NameHistory, merge_names
from services.disclosure.domain.text_normalisation import as_initials, words_of
from services.disclosure.domain.view_pages import PublicName, PublicVisibility, seen_names, together
from services.disclosure.projections.public_search_file import (
    CACHE_BYTES,
    IndexDamaged,
    IndexedSubject,
    SearchFile,
    SearchHits,
)
from services.disclosure.projections.search_statement import SearchTerms
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.name_rows import called_of, read_names
from services.disclosure.store.names import identity_of, names_changed_in, newest_change

# Subjects that a search finds at most; a search that finds more has to be narrowed.
MOST_FOUND: Final = 1000
# When the hits that were looked at belong to few subjects, the search looks again at so many times more hits.
_WIDENING_FACTOR: Final = 4
# Names that a search takes in itself at most, and changes that the index may be behind for that.
_AT_ONCE: Final = 1000
_NEAR: Final = 50
# A search waits for a backlog of at most so many changes, and at most so long.
_SHORT: Final = 2000
_PATIENCE_SECONDS: Final = 2.0
# Names that the catch-up thread takes in together.
_CHUNK: Final = 2000
# Changes that it reads together: at first, and at most.
_FIRST_WIDTH: Final = 64
_WIDEST_WIDTH: Final = 4096
_REFRESH_SECONDS: Final = 1.0
# How long the end waits for what is being taken in.
_ENDING_SECONDS: Final = 10.0

_log: Final = structlog.get_logger()
_LAG: Final = Gauge("chengxin_search_lag_changes", "Changes of names that the public search has not taken in yet")
_BYTES: Final = Gauge("chengxin_search_index_bytes", "The public search's index on disk")
_CACHE: Final = Gauge("chengxin_search_cache_bytes", "What the public search's index takes of memory at most")

own(
    __name__,
    "TemporaryDirectory",
    resource="Directories of the public search",
    total=1,
    why="Made once",
)
own(
    __name__,
    "Thread",
    resource="Threads that read all names",
    total=1,
    why="Started once for each generation",
)


@dataclass(frozen=True, slots=True)
class FoundSubject:
    """A subject that the public can find."""

    ref: str
    kind: str
    uscc: str
    visible: PublicVisibility
    called: NameHistory

    def name(self, today: str) -> str:
        """Returns the name under which the public sees the subject today; empty for a person whose name it does not
        see."""
        return next(iter(seen_names(self.visible, self.called, today)), "")

    def former(self, today: str) -> list[str]:
        """Returns the subject's former names, as far as the public sees them today."""
        return seen_names(self.visible, self.called, today)[1:]


class NameIndex:
    """Finds subjects by parts of their names, by pinyin initials and by the beginning of their code."""

    def __init__(self, store: DisclosureStore, folder: Path | None = None) -> None:
        """Keeps the index in `folder`; without one, in a temporary folder that lives as long as this object."""
        self._store = store
        self._folder = folder
        self._file: SearchFile | None = None
        # Held by the thread that reads changes from the store and writes them to the index.
        self._turn = threading.RLock()
        # The number of refreshes that have begun, and of the last one that has ended.
        self._begun = self._ended = 0
        # Whether the index had everything once, and now only gets new changes.
        self._current = threading.Event()
        # Whether the index had all names once. It soon takes in what it lacks since then.
        self._whole = False
        self._catch_up_thread: threading.Thread | None = None
        self._ticker = PeriodicTask("search", self._bring_up_to_date, _REFRESH_SECONDS)
        self._remove_temporary: Callable[[], object] = lambda: None
        _CACHE.set(CACHE_BYTES)

    # Start and end

    def start(self) -> None:
        """Starts to take in changes, also while no client searches."""
        self._ticker.start()

    def stop(self) -> None:
        """Stops taking in changes."""
        self._ticker.stop()
        self._ticker.ended(_ENDING_SECONDS)
        if (thread := self._catch_up_thread) is not None:
            thread.join(_ENDING_SECONDS)

    def close(self) -> None:
        """Closes the index, so that another process can use it."""
        self.stop()
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._remove_temporary()

    @property
    def ready(self) -> bool:
        """Whether a search finds everything that it should."""
        return self._current.is_set()

    def _bring_up_to_date(self) -> None:
        self.refresh()
        _LAG.set(max(newest_change(self._store) - self._opened().position, 0))
        _BYTES.set(self._opened().size)

    def _opened(self) -> SearchFile:
        if self._file is None:
            with self._turn:
                if self._file is None:
                    self._file = self._open()
        return self._file

    def _open(self) -> SearchFile:
        folder = self._folder
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="chengxin-search-")
            self._remove_temporary = weakref.finalize(self, temporary.cleanup)
            folder = Path(temporary.name)
        file = SearchFile(folder, identity_of(self._store))
        if file.refused:
            _log.warning("the public search's index is made anew", reason=file.refused)
        return file

    # Updates

    def refresh(self) -> None:
        """Takes in what has changed since the last time, as far as that takes little time."""
        if self._catch_up_thread is not None:
            self._wait()
            return
        begun = self._begun
        with in_turn(self._turn):
            # Another refresh has read from the store since this one was called.
            if self._ended > begun:
                return
            self._begun += 1
            if not self._taken_in_at_once():
                self._go_on_beside()
            self._ended = self._begun
        self._wait()

    def _taken_in_at_once(self) -> bool:
        file = self._opened()
        if not self._current.is_set():
            newest = newest_change(self._store)
            if newest < file.position:
                _log.warning("the store has gone back; the public search's index is made anew")
                file.begin_anew()
            if newest - file.position > _NEAR:
                return False
        changed = list(islice(self._store.names_after(file.position), _AT_ONCE + 1))
        if len(changed) > _AT_ONCE:
            return False
        if changed and not self._write(changed, max(row["seq"] for row in changed)):
            return False
        self._current.set()
        self._whole = True
        return True

    def _write(self, changed: Sequence[dict[str, Any]], position: int) -> bool:
        file, entries = self._opened(), [_entry(row) for row in changed]
        try:
            file.take_in(entries, position)
        except IndexDamaged as e:
            self._begin_anew(file, file.path, e)
            return False
        return True

    def _begin_anew(self, file: SearchFile, path: Path, error: IndexDamaged) -> None:
        with self._turn:
            # Another thread may have done it already.
            if file.path == path:
                _log.error("the public search's index is damaged and made anew", reason=str(error))
                self._current.clear()
                self._whole = False
                file.begin_anew()

    def _go_on_beside(self) -> None:
        self._current.clear()
        if self._catch_up_thread is None and not self._ticker.stopping:
            self._catch_up_thread = threading.Thread(target=self._catch_up, name="search-catch-up", daemon=True)
            try:
                self._catch_up_thread.start()
            except RuntimeError as e:
                # The system gives no thread now; the next look at the index tries again.
                self._catch_up_thread = None
                _log.warning("no thread to catch up", reason=str(e))

    def _wait(self) -> None:
        """Waits for a backlog that takes little time."""
        thread = self._catch_up_thread
        if thread is None or thread is threading.current_thread():
            return
        if newest_change(self._store) - self._opened().position <= _SHORT:
            thread.join(min(_PATIENCE_SECONDS, patience()))

    def _catch_up(self) -> None:
        began, position = time.monotonic(), self._opened().position
        try:
            width, count = _FIRST_WIDTH, 0
            while not self._ticker.stopping:
                with self._turn:
                    file = self._opened()
                    path, after, newest = file.path, file.position, newest_change(self._store)
                    if after >= newest and count == 0 and self._taken_in_at_once():
                        break
                # Rows beyond the counter are in a store that was filled by hand.
                upto = after + width if after >= newest else min(after + width, newest)
                count = self._take_in_range(path, after, upto, newest)
                width = (
                    max(1, width // 2)
                    if count > 2 * _CHUNK
                    else min(_WIDEST_WIDTH, width * 2)
                    if count < _CHUNK
                    else width
                )
            _log.info("the public search has caught up", since=position, seconds=round(time.monotonic() - began, 1))
        except PyMongoError as e:
            # The next search or the next second goes on where this ended.
            _log.warning("the public search cannot read what has changed", error=type(e).__name__)
        except Exception:
            _log.exception("the public search's index is not brought up to date")
        finally:
            self._catch_up_thread = None

    def _take_in_range(self, path: Path, after: int, upto: int, newest: int) -> int:
        """Takes in the changes after `after` and up to `upto`, and returns their number. The index keeps the new
        position when all of them are in."""
        count, reached, rows = 0, min(upto, newest), names_changed_in(self._store, after, upto)
        chunk = list(islice(rows, _CHUNK))
        while not self._ticker.stopping:
            following = list(islice(rows, _CHUNK))
            reached = max(reached, *(row["seq"] for row in chunk), after)
            with self._turn:
                file = self._opened()
                if (file.path, file.position) != (path, after):
                    break
                self._write(chunk, after if following else reached)
            count += len(chunk)
            if not following:
                break
            chunk = following
        return count

    # Searches

    def found(
        self, query: str, code: str, today: str, start: int, size: int, lookups: Sequence[str] = ()
    ) -> tuple[list[FoundSubject], int]:
        """Returns subjects that are public today, from the `start`th on, and how many there are. `MOST_FOUND` stands
        for so many or more, and no subjects after these are returned.

        Persons are found by one of the `lookups` alone, and come first. Then come subjects whose code begins with
        `code`; then those whose name is `query`, begins with it, or contains it; then those of which one name contains
        each word of `query`; then those with a name whose pinyin initials begin with the letters of `query`, or contain
        them. Each rank is in order of code and reference. An empty query finds no subjects. Raises STORE_UNAVAILABLE
        while the index is not complete.
        """
        terms = SearchTerms(search_key(query), words_of(query), code, as_initials(query), today, lookups)
        if not terms.text:
            return [], 0
        self.refresh()
        if not (self._whole or self.ready):
            # An answer from half of the names would be false.
            raise STORE_UNAVAILABLE(retry_after=5)
        hits = self._search(terms, start, size)
        return _read_page(hits, today), min(hits.subjects, MOST_FOUND)

    def _search(self, terms: SearchTerms, start: int, size: int) -> SearchHits:
        file = self._opened()
        path = file.path
        try:
            return _search(file, terms, start, size)
        except IndexDamaged as e:
            self._begin_anew(file, path, e)
        self.refresh()
        return _search(self._opened(), terms, start, size)


def _search(file: SearchFile, wanted: SearchTerms, start: int, size: int) -> SearchHits:
    limit, size = MOST_FOUND + 1, max(0, min(size, MOST_FOUND - start))
    while True:
        hits = file.search(wanted, limit, start, size)
        if hits.looked_at < limit or hits.subjects >= MOST_FOUND:
            return hits
        limit *= _WIDENING_FACTOR


def _entry(row: dict[str, Any]) -> IndexedSubject:
    seen, called = read_names(row), called_of(row)
    person = row["kind"] == INDIVIDUAL
    lookups = [(n.name, n.until) for n in seen.lookups]
    view = [
        row["kind"],
        [seen.until, [[n.name, n.until, n.seat] for n in seen.names], seen.masked, seen.nameless],
        [called.name, list(called.former), called.at, called.registered],
    ]
    # `json.dumps` escapes other signs than ASCII, so the result is text in any case.
    return IndexedSubject(
        row["_id"],
        "" if person else row["uscc"],
        seen.until,
        row.get("into", ""),
        [] if person else [(n.name, n.until) for n in seen.names],
        lookups,
        # A subject is written again when what is told of it differs: with the lookups, though no search returns them.
        json.dumps([*view, row["uscc"], lookups]),
    )


def _read_page(hits: SearchHits, today: str) -> list[FoundSubject]:
    by_ref: dict[str, FoundSubject] = {}
    members: dict[str, list[FoundSubject]] = {}
    for ref, leader, view in hits.told:
        subject = _read_subject(ref, view)
        by_ref[ref] = subject
        if leader is not None:
            members.setdefault(leader, []).append(subject)
    return [_join_references(ref, members[ref], today) if ref in members else by_ref[ref] for ref in hits.page]


def _read_subject(ref: str, view: Any) -> FoundSubject:
    kind, (until, names, *strict), called, uscc, _ = view
    visible = PublicVisibility(until, tuple(PublicName(*n) for n in names), *strict)
    return FoundSubject(ref, kind, uscc, visible, NameHistory(*called))


def _join_references(ref: str, members: Sequence[FoundSubject], today: str) -> FoundSubject:
    """Joins what the public sees today of a subject's references into one subject, under the strongest reference."""
    in_order = sorted(members, key=lambda m: (m.ref != ref, m.ref))
    seen = [member for member in in_order if member.visible.until >= today] or in_order[:1]
    visible = together(member.visible for member in seen)
    return replace(seen[0], ref=ref, visible=visible, called=merge_names(member.called for member in seen))
