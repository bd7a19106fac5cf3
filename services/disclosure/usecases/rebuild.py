"""Everything derived is made again from the feeds, beside what is in use; compared with it, and put in its place.

It is asked for by an officer of the centre and done in the background by one process. Interrupted, it goes on where it was:
what is filled keeps its own positions in the feeds. What it finds different is listed, and told by the public feed.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import structlog

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.auth.regions import of_the_city
from chengxin.failures import reason_of
from chengxin.feeds.follower import Follower
from chengxin.store.database import UnitOfWork
from chengxin.store.leases import Holder, LeaseLost
from chengxin.values.acts import Act
from chengxin.values.clock import rfc3339
from services.disclosure.context import BeingFilled, DisclosureContext
from services.disclosure.domain.record_fragments import Fragment
from services.disclosure.domain.record_views import View
from services.disclosure.domain.subject_state import SubjectState
from services.disclosure.domain.view_pages import PublicVisibility
from services.disclosure.projections.feeds import ENDING_SECONDS, SOURCES, Feeds, Projection
from services.disclosure.projections.links import LinkProjection
from services.disclosure.projections.name_index import NameIndex
from services.disclosure.projections.records import RecordProjection
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.documents import LinkRow, SubjectRow
from services.disclosure.store.generations import (
    ASKED,
    DONE,
    FAILED,
    FILLING,
    Generations,
    archived_before,
    begun,
    carry_decisions,
    reached,
)
from services.disclosure.store.public_feed import RECORDS_TOLD, Announcement
from services.disclosure.store.subject_state import SubjectDocument

log = structlog.get_logger()

_EVERY_SECONDS: Final = 1.0
# How long a feed may not move while the one in use has moved on.
_STANDSTILL_SECONDS: Final = 600
# Differences that are listed; all are counted.
_LISTED: Final = 200
_SUBJECTS_AT_ONCE: Final = 16
# Compared subjects between two words on how far it is.
_TOLD_EVERY: Final = 100 * _SUBJECTS_AT_ONCE
_LEASE: Final = "rebuild"
# So long after another generation was put in use each process has seen that.
_ADOPTED_SECONDS: Final = 30
# How often what differs is looked at again while both go on.
_LOOKS: Final = 5


@command(Act.DISCLOSURE_REBUILD_ASKED, roles={Role.CENTRE}, articles=("5", "31"), when=(of_the_city,))
def ask(ctx: DisclosureContext, caller: Principal) -> dict[str, Any]:
    """Has everything derived made again; how it stands. One that is under way is not begun again."""
    ctx.audit.record(ctx.audit.event(Act.DISCLOSURE_REBUILD_ASKED, caller))
    return Generations(ctx.store.store).ask(caller.sub, rfc3339(ctx.clock.now()))


@query(Act.DISCLOSURE_REBUILD_READ, roles={Role.CENTRE}, articles=("31",))
def progress(ctx: DisclosureContext, caller: Principal) -> dict[str, Any] | None:
    """How far the rebuild is that was asked for last, and what it found different."""
    ctx.audit.record(ctx.audit.event(Act.DISCLOSURE_REBUILD_READ, caller))
    return Generations(ctx.store.store).rebuild()


@dataclass(frozen=True)
class RebuildDifference:
    """What another generation has differently: of a subject, and of which record, if of one."""

    subject_ref: str
    record_id: str
    what: str
    # Of a record that the public sees in either.
    provider: str = ""
    entry: str = ""


@dataclass(frozen=True)
class SeenRecord:
    """What everybody sees of a record, as a digest, and what the public feed says of it."""

    digest: bytes
    provider: str
    entry: str
    is_public: bool


@dataclass(frozen=True)
class DifferencesFound:
    """How many differences there are, and the first of them."""

    differences: int
    listed: list[list[str]]


class Rebuilder:
    """Rebuilds when it is asked to, and follows the switch to another generation whoever made it."""

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
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rebuild", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; a rebuild goes on at the next start."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            try:
                self._look()
            # A store that is away, say. What is filled stays, and it goes on.
            except Exception as e:
                log.warning("rebuild interrupted", reason=reason_of(e))

    def _look(self) -> None:
        if isinstance(self._ctx.store, BeingFilled):
            if self._feeds.is_level():
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

    def _drop_unused(self, number: int) -> None:
        """Once all processes have had time to go on with the generation in use."""
        if self._since is None or self._since[0] != number:
            self._since = number, time.monotonic()
        elif time.monotonic() - self._since[1] > _ADOPTED_SECONDS:
            self._generations.drop_unused(self._hold)

    def _use(self, store: DisclosureStore, directory: NameIndex) -> None:
        """Answers from a generation from now on."""
        before = self._ctx.directory
        self._ctx.store, self._ctx.directory = store, directory
        if directory is not before:
            before.close()

    def _adopt(self, number: int) -> None:
        """Another process has put a generation in use."""
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
        self._generations.tell(state=FILLING, since=rfc3339(self._ctx.clock.now()))
        followers = self._feeds.beside(projection, _LEASE)
        for follower in followers:
            follower.start()
        try:
            self._fill(live, number)
            _archive_as_before(projection, live)
            found = self._kept(self._compared(live, projection), live, projection)
            directory = self._filled_directory(projection.store)
            if not self._stopped.is_set():
                self._switch(live, projection, found, followers, directory)
        finally:
            _end(followers)

    @staticmethod
    def _kept(differences: Iterable[RebuildDifference], live: Projection, other: Projection) -> DifferencesFound:
        """Counts what differs, and leaves it to be told to the public feed once the other generation is in use."""
        feed, number = other.store.feed, other.store.generation
        # What an interrupted comparison had left.
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
        """The names of a generation, ready to be searched."""
        directory = self._directory(store)
        directory.start()
        while not directory.ready and not self._stopped.wait(_EVERY_SECONDS):
            self._hold()
        return directory

    def _fill(self, live: Projection, number: int) -> None:
        """Waits until the new generation is where the one in use is, and tells how far it is."""
        store = live.store.store
        still = 0.0
        at: dict[str, int] = {}
        while not self._stopped.wait(_EVERY_SECONDS):
            self._hold()
            before, at = at, {source: reached(store.db, source, number) for source in SOURCES}
            goal = {source: begun(store.db, source, live.store.generation) for source in SOURCES}
            self._generations.tell(positions=at, goal=goal)
            if all(at[source] >= goal[source] for source in SOURCES):
                return
            still = still + _EVERY_SECONDS if at == before else 0.0
            if still > _STANDSTILL_SECONDS:
                self._generations.tell(state=FAILED, reason="a feed stands still")
                raise RuntimeError("a feed stands still")

    def _hold(self) -> None:
        if not self._holder.holds(_LEASE):
            raise LeaseLost(_LEASE)

    def _compared(self, live: Projection, other: Projection) -> Iterator[RebuildDifference]:
        """What differs, once the generation in use has come to where the other one is."""
        candidates = {d.subject_ref for d in _differences(live.store, other.store, self._tell_compared)}
        # Both go on meanwhile: what differs is looked at again where both are level, until nothing comes in between.
        for _ in range(_LOOKS):
            at = self._level(live, other)
            # The archiver has gone on in the one that is in use.
            _archive_as_before(other, live)
            candidates = {ref for ref in candidates if any(True for _ in _differences_of(ref, live.store, other.store))}
            if not candidates or self._stopped.is_set() or (_is_at(live, at) and _is_at(other, at)):
                break
        for ref in sorted(candidates):
            yield from _differences_of(ref, live.store, other.store)

    def _level(self, live: Projection, other: Projection) -> dict[str, int]:
        """Waits until both have reached what the one that is ahead has now; where that is."""
        one, two = _begun(live), _begun(other)
        goal = {source: max(one[source], two[source]) for source in SOURCES}
        for _ in range(_STANDSTILL_SECONDS):
            at = _reached(live), _reached(other)
            if all(each[source] >= goal[source] for each in at for source in SOURCES) or self._stopped.is_set():
                break
            self._hold()
            self._stopped.wait(_EVERY_SECONDS)
        return goal

    def _tell_compared(self, subjects: int) -> None:
        self._hold()
        self._generations.tell(compared=subjects)

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
            _bring_decisions(live, announcing, unit)
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
            # What has come since: nothing that was seen is unseen, and nothing that is gone comes back.
            self._fill(live, other.store.generation)
            if self._stopped.is_set():
                return
            _end(followers)
            _archive_as_before(other, live)
            live.store.store.transact(work)
            self._use(announcing.store, directory)
            going_on = announcing
        finally:
            self._feeds.go_on(going_on)
            if going_on is live:
                directory.close()
        log.info("rebuilt", generation=other.store.generation, differences=found.differences)


def _reached(projection: Projection) -> dict[str, int]:
    """Up to where a generation has all that the sources tell."""
    store = projection.store
    return {source: reached(store.store.db, source, store.generation) for source in SOURCES}


def _begun(projection: Projection) -> dict[str, int]:
    """Up to where it may have something of what they tell."""
    store = projection.store
    return {source: begun(store.store.db, source, store.generation) for source in SOURCES}


def _is_at(projection: Projection, positions: dict[str, int]) -> bool:
    """Whether it has all up to these positions and nothing beyond them."""
    return _reached(projection) == positions == _begun(projection)


def _end(followers: Sequence[Follower]) -> None:
    for follower in followers:
        follower.stop()
    for follower in followers:
        follower.ended(ENDING_SECONDS)


def _archive_as_before(projection: Projection, live: Projection) -> None:
    """Archives what the generation in use has archived: that is on record already."""
    today = projection.clock.today().isoformat()
    for _, records in projection.store.due(today, 1_000_000):
        done = sorted(archived_before(live.store.store, live.store.generation, records))
        for start in range(0, len(done), 50):
            some = done[start : start + 50]

            def work(unit: UnitOfWork, some: list[str] = some) -> None:
                change = RecordProjection(projection.store, projection.keys, unit, today)
                change.load(some)
                for record_id in some:
                    if change.archive(record_id):
                        change.locations[record_id].shown = ""
                change.settle()
                change.save()

            projection.store.transact(work)


def _bring_decisions(live: Projection, other: Projection, unit: UnitOfWork) -> None:
    """Decisions on links that officers made while the other generation was filled."""
    today = other.clock.today().isoformat()
    rows = live.store.rows(LinkRow).find({"history": {"$ne": []}}, {"history": 1}, session=unit.session)
    decided = {row["_id"]: row["history"] for row in rows}
    known = live.store.links.by_id(list(decided), unit)
    there = other.store.links.by_id(list(decided), unit)
    for link_id, kept in known.items():
        mine = there.get(link_id)
        if mine is not None and [vars(act) for act in mine.history] == [vars(act) for act in kept.history]:
            continue
        links = LinkProjection(other.store, other.subject_key, other.keys, unit, rfc3339(other.clock.now()))
        if mine is None:
            mine = replace(kept, records=0, record="", new=True)
        mine.history = kept.history
        links.put(mine)
        work = RecordProjection(other.store, other.keys, unit, today)
        work.save(links.settle(work))


def _differences(
    one: DisclosureStore, other: DisclosureStore, tell: Callable[[int], None]
) -> Iterator[RebuildDifference]:
    """What two generations have differently, subject by subject; tells how many subjects have been compared."""
    compared = 0
    for refs in _subjects_of(one):
        for ref in refs:
            yield from _differences_of(ref, one, other)
        compared += len(refs)
        if not compared % _TOLD_EVERY:
            tell(compared)
    for refs in _subjects_of(other):
        there = one.heads(refs)
        for ref in refs:
            if ref not in there:
                yield from _differences_of(ref, one, other)
                compared += 1
    tell(compared)


def _subjects_of(store: DisclosureStore) -> Iterator[list[str]]:
    """References of all subjects, some at once."""
    refs: list[str] = []
    for row in store.rows(SubjectRow).find({}, {"_id": 1}, batch_size=1000):
        refs.append(row["_id"])
        if len(refs) == _SUBJECTS_AT_ONCE:
            yield refs
            refs = []
    yield refs


def _differences_of(ref: str, one: DisclosureStore, other: DisclosureStore) -> Iterator[RebuildDifference]:
    mine, others = _subject(ref, one), _subject(ref, other)
    for record_id in mine[1].keys() | others[1].keys():
        if mine[1].get(record_id) != others[1].get(record_id):
            what = "missing" if record_id not in others[1] else "more" if record_id not in mine[1] else "differs"
            seen = [records[record_id] for records in (mine[1], others[1]) if record_id in records]
            told = (seen[-1].provider, seen[-1].entry) if any(s.is_public for s in seen) else ("", "")
            yield RebuildDifference(ref, record_id, what, *told)
    if [*mine[1]] != [*others[1]] and mine[1].keys() == others[1].keys():
        yield RebuildDifference(ref, "", "order")
    if mine[0] != others[0]:
        yield RebuildDifference(ref, "", "subject")


def _subject(ref: str, store: DisclosureStore) -> tuple[Any, dict[str, SeenRecord]]:
    """A subject's state and its records in order, as far as anybody sees them: of very long records not more
    than a page is in memory."""
    head = store.head(ref)
    if head is None:
        return None, {}
    records = {f.record_id: _seen(f) for f in _fragments(ref, head, store)}
    group = store.group_of(ref) if head.grouped else None
    return (_state_as_seen(head.state), group.refs if group else None), records


def _fragments(ref: str, head: SubjectDocument, store: DisclosureStore) -> Iterator[Fragment]:
    """What is shown of a subject's records, in order, read page by page."""
    for number in range(head.tail):
        yield from store.in_full(store.pages([(ref, number)]).get((ref, number), []))
    yield from store.in_full(head.fragments)


def _seen(fragment: Fragment) -> SeenRecord:
    # Slots are places, and sealed values are sealed anew in each delivery, not in each generation.
    digest = hashlib.sha256(msgspec.msgpack.encode(msgspec.structs.replace(fragment, slot=0))).digest()
    return SeenRecord(digest, fragment.provider_uscc, fragment.entry_code, fragment.shows_in(View.PUBLIC))


def _state_as_seen(state: SubjectState) -> SubjectState:
    visible = state.summary.visible
    names = tuple(msgspec.structs.replace(name, seat=0) for name in visible.names)
    summary = msgspec.structs.replace(state.summary, visible=PublicVisibility(visible.until, names))
    newest = sorted(summary.assertions.newest, key=lambda a: (a.fact, a.provider))
    assertions = msgspec.structs.replace(summary.assertions, newest=tuple(newest))
    return msgspec.structs.replace(state, summary=msgspec.structs.replace(summary, assertions=assertions))
