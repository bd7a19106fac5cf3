"""The directory of subjects that the public finds, kept on disk and brought up to date at each search.

What has changed since is read from the store, by the number that each change of names has. A small backlog is taken in
before the search; a large one by a thread beside it, while searches are answered from what is there.
"""

import json
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Gauge
from pymongo.errors import PyMongoError

from chengxin.errors import STORE_UNAVAILABLE, Problem
from chengxin.store.deadlines import in_turn, patience
from services.disclosure.domain.subject_names import NameHistory, together
from services.disclosure.domain.text_normalisation import as_initials, normalised, words_of
from services.disclosure.domain.view_pages import PublicName, each_once, seen_names
from services.disclosure.projections.search_file import (
    CACHE_BYTES,
    IndexDamaged,
    IndexedSubject,
    SearchFile,
    SearchHits,
    SearchTerms,
)
from services.disclosure.store.disclosure_store import DisclosureStore, called_of, read_names
from services.disclosure.store.names import identity_of, names_changed_in, newest_change

# So many subjects are found at most; a search that finds more wants to be narrowed.
MOST_FOUND: Final = 1000
# Looked at again with so many times more, when those that were looked at are of few subjects.
_MORE: Final = 4
# Names that a search takes in by itself, and changes that it may be behind for that.
_AT_ONCE: Final = 1000
_NEAR: Final = 50
# A backlog of so many changes is waited for, so long.
_SHORT: Final = 2000
_PATIENCE_SECONDS: Final = 2.0
# Names taken in together by the thread beside.
_CHUNK: Final = 2000
# Changes that it reads together.
_NARROW: Final = 64
_WIDEST: Final = 4096
_EVERY_SECONDS: Final = 1.0

_log: Final = structlog.get_logger()
_LAG: Final = Gauge("chengxin_search_lag_changes", "Changes of names that the public search has not taken in yet")
_BYTES: Final = Gauge("chengxin_search_index_bytes", "The public search's index on disk")
_CACHE: Final = Gauge("chengxin_search_cache_bytes", "What the public search's index takes of memory at most")


@dataclass(frozen=True, slots=True)
class FoundSubject:
    """A subject that the public can find."""

    ref: str
    kind: str
    uscc: str
    until: str
    names: tuple[PublicName, ...]
    called: NameHistory

    def name(self, today: str) -> str:
        """The name under which it is seen today."""
        return next(iter(seen_names(self.names, self.called, today)), "")

    def former(self, today: str) -> list[str]:
        """The names that it had, as far as they are seen today."""
        return seen_names(self.names, self.called, today)[1:]


class NameIndex:
    """Finds subjects by parts of their names, by pinyin initials and by the beginning of their code."""

    def __init__(self, store: DisclosureStore, folder: Path | None = None) -> None:
        """The index is kept in `folder`; without one, in a temporary folder as long as this lives."""
        self._store = store
        self._folder = folder
        self._file: SearchFile | None = None
        # Who writes, and reads from the store what to write.
        self._turn = threading.RLock()
        # How many refreshes have begun, and the last that has ended.
        self._begun = self._ended = 0
        # Whether all was taken in once, and only what is new comes.
        self._current = threading.Event()
        # Whether it had all names once: what it lacks since then is soon taken in.
        self._whole = False
        self._beside: threading.Thread | None = None
        self._stopped = threading.Event()
        self._ticking: threading.Thread | None = None
        self._remove_temporary: Callable[[], object] = lambda: None
        _CACHE.set(CACHE_BYTES)

    # Life.

    def start(self) -> None:
        """Takes changes in from now on, also while nobody searches."""
        self._ticking = threading.Thread(target=self._tick, name="search", daemon=True)
        self._ticking.start()

    def stop(self) -> None:
        """Ends taking in."""
        self._stopped.set()
        for thread in (self._ticking, self._beside):
            if thread is not None:
                thread.join(10)

    def close(self) -> None:
        """Leaves the index to whoever comes next."""
        self.stop()
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._remove_temporary()

    @property
    def ready(self) -> bool:
        """Whether a search finds all that it should."""
        return self._current.is_set()

    def _tick(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
                _LAG.set(max(newest_change(self._store) - self._opened().position, 0))
                _BYTES.set(self._opened().size)
            except (PyMongoError, Problem):
                pass  # whoever needs the store says so
            except Exception:
                _log.exception("the public search's index is not brought up to date")
            self._stopped.wait(_EVERY_SECONDS)

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

    # Taking in.

    def refresh(self) -> None:
        """Takes in what has changed since the last time, as far as that is soon done."""
        if self._beside is not None:
            self._wait()
            return
        begun = self._begun
        with in_turn(self._turn):
            # Others have read from the store since this one was asked to.
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
        if changed and not self._put(changed, max(row["seq"] for row in changed)):
            return False
        self._current.set()
        self._whole = True
        return True

    def _put(self, changed: Sequence[dict[str, Any]], position: int) -> bool:
        file, entries = self._opened(), [_entry(row) for row in changed]
        try:
            file.take_in(entries, position)
        except IndexDamaged as e:
            self._begin_anew(file, file.path, e)
            return False
        return True

    def _begin_anew(self, file: SearchFile, path: Path, why: IndexDamaged) -> None:
        with self._turn:
            # Unless somebody else has.
            if file.path == path:
                _log.error("the public search's index is damaged and made anew", reason=str(why))
                self._current.clear()
                self._whole = False
                file.begin_anew()

    def _go_on_beside(self) -> None:
        self._current.clear()
        if self._beside is None and not self._stopped.is_set():
            self._beside = threading.Thread(target=self._catch_up, name="search-catch-up", daemon=True)
            self._beside.start()

    def _wait(self) -> None:
        """For a backlog that is soon taken in."""
        beside = self._beside
        if beside is None or beside is threading.current_thread():
            return
        if newest_change(self._store) - self._opened().position <= _SHORT:
            beside.join(min(_PATIENCE_SECONDS, patience()))

    def _catch_up(self) -> None:
        began, position = time.monotonic(), self._opened().position
        try:
            width, count = _NARROW, 0
            while not self._stopped.is_set():
                with self._turn:
                    file = self._opened()
                    path, after, newest = file.path, file.position, newest_change(self._store)
                    if after >= newest and count == 0 and self._taken_in_at_once():
                        break
                # Rows beyond the counter are of a store that was filled by hand.
                upto = after + width if after >= newest else min(after + width, newest)
                count = self._take_in_range(path, after, upto, newest)
                width = (
                    max(1, width // 2) if count > 2 * _CHUNK else min(_WIDEST, width * 2) if count < _CHUNK else width
                )
            _log.info("the public search has caught up", since=position, seconds=round(time.monotonic() - began, 1))
        except PyMongoError as e:
            # The next search or second begins again where this ended.
            _log.warning("the public search cannot read what has changed", error=type(e).__name__)
        except Exception:
            _log.exception("the public search's index is not brought up to date")
        finally:
            self._beside = None

    def _take_in_range(self, path: Path, after: int, upto: int, newest: int) -> int:
        """Changes after one and not after another: their number is kept when all of them are in."""
        count, reached, rows = 0, min(upto, newest), names_changed_in(self._store, after, upto)
        chunk = list(islice(rows, _CHUNK))
        while not self._stopped.is_set():
            following = list(islice(rows, _CHUNK))
            reached = max(reached, *(row["seq"] for row in chunk), after)
            with self._turn:
                file = self._opened()
                if (file.path, file.position) != (path, after):
                    break
                self._put(chunk, after if following else reached)
            count += len(chunk)
            if not following:
                break
            chunk = following
        return count

    # Finding.

    def found(self, query: str, code: str, today: str, start: int, size: int) -> tuple[list[FoundSubject], int]:
        """Subjects that are public today, from the `start`th on, and how many there are; `MOST_FOUND` stands for so many
        or more, and no more are given.

        First those whose code begins with `code`; then those with `query` as their name, at the beginning of it, or
        within it; with each of its words within one name; with its letters as the pinyin initials of the beginning of
        a name, or within it. In each rank by code and reference. An empty query finds nobody.
        """
        wanted = SearchTerms(normalised(query), words_of(query), code, as_initials(query), today)
        if not wanted.text:
            return [], 0
        self.refresh()
        if not (self._whole or self.ready):
            # Half of the names would be an untruth.
            raise STORE_UNAVAILABLE(retry_after=5)
        hits = self._search(wanted, start, size)
        return _page(hits, today), min(hits.subjects, MOST_FOUND)

    def _search(self, wanted: SearchTerms, start: int, size: int) -> SearchHits:
        file = self._opened()
        path = file.path
        try:
            return _search(file, wanted, start, size)
        except IndexDamaged as e:
            self._begin_anew(file, path, e)
        self.refresh()
        return _search(self._opened(), wanted, start, size)


def _search(file: SearchFile, wanted: SearchTerms, start: int, size: int) -> SearchHits:
    limit, size = MOST_FOUND + 1, max(0, min(size, MOST_FOUND - start))
    while True:
        hits = file.search(wanted, limit, start, size)
        if hits.looked_at < limit or hits.subjects >= MOST_FOUND:
            return hits
        limit *= _MORE


def _entry(row: dict[str, Any]) -> IndexedSubject:
    seen, called = read_names(row), called_of(row)
    told = [
        row["kind"],
        [[n.name, n.until, n.seat] for n in seen.names],
        [called.name, list(called.former), called.at, called.registered],
    ]
    # Escaped, so that it is text in any case.
    return IndexedSubject(
        row["_id"],
        row["uscc"],
        seen.until,
        row.get("into", ""),
        [(n.name, n.until) for n in seen.names],
        json.dumps([*told, seen.until, row["uscc"]]),
    )


def _page(hits: SearchHits, today: str) -> list[FoundSubject]:
    alone: dict[str, FoundSubject] = {}
    members: dict[str, list[FoundSubject]] = {}
    for ref, leader, told in hits.told:
        listed = _listed(ref, told)
        alone[ref] = listed
        if leader is not None:
            members.setdefault(leader, []).append(listed)
    return [_together(ref, members[ref], today) if ref in members else alone[ref] for ref in hits.page]


def _listed(ref: str, told: Any) -> FoundSubject:
    kind, names, called, until, uscc = told
    return FoundSubject(ref, kind, uscc, until, tuple(PublicName(*n) for n in names), NameHistory(*called))


def _together(ref: str, members: Sequence[FoundSubject], today: str) -> FoundSubject:
    """What the public sees today of a subject of several references: each once, under the strongest."""
    in_order = sorted(members, key=lambda m: (m.ref != ref, m.ref))
    seen = [member for member in in_order if member.until >= today] or in_order[:1]
    return replace(seen[0], ref=ref, names=tuple(_names(seen)), called=together(member.called for member in seen))


def _names(members: Iterable[FoundSubject]) -> Iterator[PublicName]:
    yield from each_once(named for member in members for named in member.names)
