"""Everything derived is made again from the feeds, beside what is in use; compared with it, and put in its place.

One process does it in the background, on request (`rebuild.py`). After an interruption it goes on where it was,
because what is filled keeps its own positions in the feeds. The differences that it finds are listed, and published in
the public feed.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.feeds.follower import Follower
from chengxin.store.database import UnitOfWork
from chengxin.store.leases import Holder, LeaseLost
from chengxin.values.clock import rfc3339
from services.disclosure.context import BeingFilled, DisclosureContext
from services.disclosure.projections.carry_over import archive_as_before, bring_decisions
from services.disclosure.projections.feeds import ENDING_SECONDS, SOURCES, Feeds, Projection
from services.disclosure.projections.generation_differences import RebuildDifference, differences, differences_of
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.generations import (
    ASKED,
    DONE,
    FAILED,
    FILLING,
    Generations,
    begun,
    carry_decisions,
    reached,
)
from services.disclosure.store.public_feed import RECORDS_TOLD, Announcement

log = structlog.get_logger()

_EVERY_SECONDS: Final = 1.0
# How long a feed may stand still while the generation in use has moved on.
_STANDSTILL_SECONDS: Final = 600
# Differences that are listed; all are counted.
_LISTED: Final = 200
_LEASE: Final = "rebuild"
# So long after a switch every process has gone over to the generation in use.
_ADOPTED_SECONDS: Final = 30
# How often what differs is compared again while both go on.
_LOOKS: Final = 5


@dataclass(frozen=True)
class DifferencesFound:
    """How many differences there are, and the first of them."""

    differences: int
    listed: list[list[str]]


class Rebuilder:
    """Rebuilds on request, and goes over to another generation that this or another process has put in use."""

    def __init__(
        self,
        ctx: DisclosureContext,
        feeds: Feeds,
        holder: Holder,
        directory: Callable[[DisclosureStore], NameIndex],
        generations: Generations,
    ) -> None:
        self._ctx = ctx
        self._feeds = feeds
        self._directory = directory
        self._generations = generations
        self._holder = holder
        # The generation in use, and since when that is known here.
        self._since: tuple[int, float] | None = None
        # Ends the waits within a round.
        self._stopped = threading.Event()
        self._task = PeriodicTask("rebuild", self.round, _EVERY_SECONDS, first_after=_EVERY_SECONDS)

    def start(self) -> None:
        """Begins in the background."""
        self._task.start()

    def stop(self) -> None:
        """Ends; the next start goes on with an unfinished rebuild."""
        self._stopped.set()
        self._task.stop()

    def round(self) -> None:
        """Does what there is to do now: goes over to another generation, rebuilds, or drops what is out of use."""
        if isinstance(self._ctx.store, BeingFilled):
            if self._feeds.is_level():
                self._archive_as_before()
                self._generations.filled()
            if not self._generations.current()["filling"]:
                self._use(self._feeds.projection.store, self._ctx.directory)
            return
        current = self._generations.current()
        if current["number"] != self._feeds.projection.store.generation:
            self._adopt(current["number"])
            return
        if not self._holder.take(_LEASE):
            return
        asked = self._generations.rebuild()
        if asked is not None and asked["state"] in (ASKED, FILLING):
            self._rebuild(int(asked["number"]))
        else:
            self._drop_unused(current["number"])

    def _archive_as_before(self) -> None:
        """Archives what the generation before had archived, because its collections are dropped soon."""
        projection, previous = self._feeds.projection, self._generations.current()["previous"]
        if previous:
            archive_as_before(projection, replace(projection, store=DisclosureStore(projection.store.store, previous)))

    def _drop_unused(self, number: int) -> None:
        """Drops other generations once all processes have had time to go over to the one in use."""
        if self._since is None or self._since[0] != number:
            self._since = number, time.monotonic()
        elif time.monotonic() - self._since[1] > _ADOPTED_SECONDS:
            self._generations.drop_unused(self._require_lease)

    def _use(self, store: DisclosureStore, directory: NameIndex) -> None:
        """Answers from a generation from now on."""
        before = self._ctx.directory
        self._ctx.store, self._ctx.directory = store, directory
        if directory is not before:
            before.close()

    def _adopt(self, number: int) -> None:
        """Goes over to a generation that another process has put in use."""
        projection = replace(self._feeds.projection, store=DisclosureStore(self._generations.store, number))
        directory = self._directory(projection.store)
        directory.start()
        self._use(projection.store, directory)
        self._feeds.go_on(projection)

    def _rebuild(self, number: int) -> None:
        live = self._feeds.projection
        projection = replace(live, store=DisclosureStore(live.store.store, number), announces=False)
        projection.store.create_indexes()
        carry_decisions(live.store.store, live.store.generation, projection.store)
        self._generations.report_progress(state=FILLING, since=rfc3339(self._ctx.clock.now()))
        followers = self._feeds.beside(projection, _LEASE)
        for follower in followers:
            follower.start()
        try:
            self._fill(live, number)
            archive_as_before(projection, live)
            found = self._collect(self._compare(live, projection), live, projection)
            directory = self._filled_directory(projection.store)
            if not self._stopped.is_set():
                self._switch(live, projection, found, followers, directory)
        finally:
            _end(followers)

    @staticmethod
    def _collect(differences: Iterable[RebuildDifference], live: Projection, other: Projection) -> DifferencesFound:
        """Counts what differs, and leaves it for the public feed until the other generation is in use."""
        feed, number = other.store.feed, other.store.generation
        # An interrupted comparison may have left some.
        feed.forget(live.store.generation)
        count = 0
        listed: list[list[str]] = []
        told: list[tuple[str, str, str]] = []
        for d in differences:
            count += 1
            if len(listed) < _LISTED:
                listed.append([d.subject_ref, d.record_id, d.what])
            if d.provider:
                told.append((d.record_id, d.provider, d.entry))
            if len(told) == RECORDS_TOLD:
                feed.tell_later(number, Announcement("", records=told))
                told = []
        if told:
            feed.tell_later(number, Announcement("", records=told))
        return DifferencesFound(count, listed)

    def _filled_directory(self, store: DisclosureStore) -> NameIndex:
        """Returns the names of a generation, ready to be searched."""
        directory = self._directory(store)
        directory.start()
        while not directory.ready and not self._stopped.wait(_EVERY_SECONDS):
            self._require_lease()
        return directory

    def _fill(self, live: Projection, number: int) -> None:
        """Waits until the new generation is where the one in use is, and reports how far it is."""
        store = live.store.store
        still = 0.0
        at: dict[str, int] = {}
        while not self._stopped.wait(_EVERY_SECONDS):
            self._require_lease()
            before, at = at, {source: reached(store.db, source, number) for source in SOURCES}
            goal = {source: begun(store.db, source, live.store.generation) for source in SOURCES}
            self._generations.report_progress(positions=at, goal=goal)
            if all(at[source] >= goal[source] for source in SOURCES):
                return
            still = still + _EVERY_SECONDS if at == before else 0.0
            if still > _STANDSTILL_SECONDS:
                self._generations.report_progress(state=FAILED, reason="a feed stands still")
                raise RuntimeError("a feed stands still")

    def _require_lease(self) -> None:
        if not self._holder.holds(_LEASE):
            raise LeaseLost(_LEASE)

    def _compare(self, live: Projection, other: Projection) -> Iterator[RebuildDifference]:
        """Yields what differs, once the generation in use has come to where the other one is."""
        candidates = {d.subject_ref for d in differences(live.store, other.store, self._report_compared)}
        # Both go on meanwhile: what differs is compared again where both are level, until nothing comes in between.
        for _ in range(_LOOKS):
            at = self._level(live, other)
            # The archiver has gone on in the generation in use.
            archive_as_before(other, live)
            candidates = {ref for ref in candidates if any(True for _ in differences_of(ref, live.store, other.store))}
            if not candidates or self._stopped.is_set() or (_is_at(live, at) and _is_at(other, at)):
                break
        for ref in sorted(candidates):
            yield from differences_of(ref, live.store, other.store)

    def _level(self, live: Projection, other: Projection) -> dict[str, int]:
        """Waits until both have reached what the one that is ahead has now. Returns where that is."""
        one, two = _begun(live), _begun(other)
        goal = {source: max(one[source], two[source]) for source in SOURCES}
        for _ in range(_STANDSTILL_SECONDS):
            at = _reached(live), _reached(other)
            if all(each[source] >= goal[source] for each in at for source in SOURCES) or self._stopped.is_set():
                break
            self._require_lease()
            self._stopped.wait(_EVERY_SECONDS)
        return goal

    def _report_compared(self, subjects: int) -> None:
        self._require_lease()
        self._generations.report_progress(compared=subjects)

    def _switch(
        self,
        live: Projection,
        other: Projection,
        found: DifferencesFound,
        followers: Sequence[Follower],
        directory: NameIndex,
    ) -> None:
        announcing = replace(other, announces=True)

        def work(unit: UnitOfWork) -> None:
            self._holder.confirm(_LEASE, unit)
            bring_decisions(live, announcing, unit)
            told = {
                "state": DONE,
                "done_at": rfc3339(self._ctx.clock.now()),
                "differences": found.differences,
                "listed": found.listed,
            }
            self._generations.switch(unit, live.store.generation, other.store.generation, told)

        going_on = live
        self._feeds.pause()
        try:
            # Takes in what has come since: the switch hides nothing that was seen and brings back nothing that is gone.
            self._fill(live, other.store.generation)
            if self._stopped.is_set():
                return
            _end(followers)
            archive_as_before(other, live)
            live.store.store.transact(work)
            self._use(announcing.store, directory)
            going_on = announcing
        finally:
            self._feeds.go_on(going_on)
            if going_on is live:
                directory.close()
        log.info("rebuilt", generation=other.store.generation, differences=found.differences)


def _reached(projection: Projection) -> dict[str, int]:
    """Returns up to where a generation has taken in everything from the sources."""
    store = projection.store
    return {source: reached(store.store.db, source, store.generation) for source in SOURCES}


def _begun(projection: Projection) -> dict[str, int]:
    """Returns up to where a generation may have taken in something from the sources."""
    store = projection.store
    return {source: begun(store.store.db, source, store.generation) for source in SOURCES}


def _is_at(projection: Projection, positions: dict[str, int]) -> bool:
    """Whether a generation has all up to these positions and nothing beyond them."""
    return _reached(projection) == positions == _begun(projection)


def _end(followers: Sequence[Follower]) -> None:
    for follower in followers:
        follower.stop()
    for follower in followers:
        follower.ended(ENDING_SECONDS)
