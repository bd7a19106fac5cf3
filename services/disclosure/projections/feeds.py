"""Follows the feeds that fill a generation, in parts; one process of the service at a time follows each part."""

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from pymongo.errors import PyMongoError

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.feeds.follower import Follower
from chengxin.feeds.lag import Lag, LagMeter
from chengxin.store.database import FeedHead, UnitOfWork
from chengxin.store.field_encryption import KeyRing
from chengxin.store.leases import BEAT_SECONDS, Holder, LeaseLost
from chengxin.values.clock import Clock
from chengxin.values.ids import SubjectKey
from services.disclosure.projections.consumers import mark_awaited
from services.disclosure.store.disclosure_store import DisclosureStore
from services.disclosure.store.generations import Generations, reached

log = structlog.get_logger()

SOURCES: Final = ("catalog", "ingest", "objection")
# How long a process waits for the current change to end where something else is to go on.
ENDING_SECONDS: Final = 60
# After so many rounds the process looks for marks that were missed.
_SWEEP_ROUNDS: Final = 10
# A process that has not looked up the generation in use for so long answers nothing. This is shorter than the time
# after which unused generations are dropped.
_GENERATION_SEEN_SECONDS: Final = 20.0


@dataclass
class Projection:
    """What the consumers of the feeds need, for one generation."""

    store: DisclosureStore
    keys: KeyRing
    subject_key: SubjectKey
    clock: Clock
    # Whether changes are published in the public feed: not while a generation is filled beside the one in use.
    announces: bool = True


@dataclass(frozen=True)
class FeedPart:
    """The feed of a source, or of ingest the part of it about one share of the subjects."""

    source: str
    number: int = 1
    of: int = 1

    @property
    def name(self) -> str:
        """The name of the part, and of its lease."""
        return f"feed.{self.source}" + (f" {self.number}of{self.of}" if self.of > 1 else "")

    def place(self, generation: int) -> str:
        """Returns the name under which a generation's position in the part is kept."""
        return f"feed.{self.source}.{generation}" + (f".{self.number}of{self.of}" if self.of > 1 else "")

    def has(self, subject_ref: str) -> bool:
        """Returns whether changes about a subject are in this part."""
        return zlib.crc32(subject_ref.encode()) % self.of == self.number - 1


def aside(source: str, generation: int) -> str:
    """Returns the name under which a generation keeps what it has set aside of a source, for all of its parts."""
    return f"feed.{source}.{generation}"


_OBJECTION_PART: Final = FeedPart("objection")
# Each source as one part.
WHOLE: Final = tuple(FeedPart(source) for source in SOURCES)


def parts(shares: int) -> list[FeedPart]:
    """Returns the parts of all sources: `shares` of ingest, and one of each other source."""
    return [
        FeedPart("catalog"),
        *(FeedPart("ingest", number + 1, shares) for number in range(shares)),
        FeedPart("objection"),
    ]


# Asks a source for the head of its feed, seen from a position.
AskHead = Callable[[int], FeedHead]


class Sources(Protocol):
    """The services that disclosure follows (`sources.InnerSources`)."""

    def head(self, source: str) -> AskHead: ...
    def follower(
        self, projection: Projection, part: FeedPart, word: str, confirm: Callable[[UnitOfWork], None]
    ) -> Follower: ...
    def retry(self, projection: Projection) -> None: ...


class FollowedSource:
    """A source, as readiness asks about it, whichever processes follow its parts."""

    def __init__(self, source: str, head: AskHead) -> None:
        self.name = f"feed.{source}"
        # Whether this process's streams are open, and every other part has a process that follows it.
        self.connected = False
        # The position up to which all parts are taken in; None before the store was read.
        self.position: int | None = None
        self.meter = LagMeter(self.name, lambda: self.position, head)

    def lag(self) -> Lag:
        """Returns the lag of the part that is furthest behind."""
        return self.meter.lag()


class Feeds:
    """This process's followers for the generation in use."""

    def __init__(
        self,
        sources: Sources,
        projection: Projection,
        holder: Holder,
        shares: int = 1,
    ) -> None:
        self.followed = [FollowedSource(source, sources.head(source)) for source in SOURCES]
        self.projection = projection
        self._sources = sources
        self._holder = holder
        self._parts = parts(shares)
        self._shares = shares
        self._followers: dict[FeedPart, Follower] = {}
        # Held while followers start and stop.
        self._lock = threading.Lock()
        self._paused = False
        self._generations = Generations(projection.store.store)
        # The generation in use, and when this process saw that.
        self._generation_seen = projection.store.generation, time.monotonic()
        self._rounds = 0
        # Up to where the last sweep looked at objections that await their records.
        self._swept = ""
        self._measuring = False
        # The leases are kept whatever the other task waits for. Other processes take leases that are not kept, and what
        # was begun under them fails.
        self._lease_task = PeriodicTask("leases", self._keep_leases, BEAT_SECONDS)
        self._sharing_task = PeriodicTask("feeds", self._share, BEAT_SECONDS)

    def start(self) -> None:
        """Starts in the background, from the generation's positions."""
        self._sources.retry(self.projection)
        self._lease_task.start()
        self._sharing_task.start()

    def stop(self) -> None:
        """Ends after the current changes, so that other processes can go on."""
        self._sharing_task.stop()
        self._lease_task.stop()
        for followed in self.followed:
            followed.meter.stop()
        # No follower is started, and no lease renewed, once those are given up below.
        for task in (self._sharing_task, self._lease_task):
            task.ended(2 * BEAT_SECONDS)
        with self._lock:
            self._stop_followers(list(self._followers))
        try:
            self._holder.leave()
        # Other processes wait a little longer then.
        except PyMongoError as e:
            log.info("leases not given back", reason=repr(e)[:200])

    def beside(self, projection: Projection, lease: str) -> Sequence[Follower]:
        """Makes followers that fill another generation while this process holds a lease. They are not started."""
        holds = self._confirmation_of(lease)
        return [self._sources.follower(projection, part, " (rebuild)", holds) for part in WHOLE]

    def pause(self) -> None:
        """Stops the followers until `go_on`. The leases stay."""
        with self._lock:
            self._paused = True
            self._stop_followers(list(self._followers), ENDING_SECONDS)

    def go_on(self, projection: Projection) -> None:
        """Goes on with a generation."""
        with self._lock:
            self._stop_followers(list(self._followers), ENDING_SECONDS)
            self.projection = projection
            self._sources.retry(projection)
            self._paused = False

    def is_current(self, generation: int) -> bool:
        """Returns whether a generation is surely the one in use, and not one that another process may have dropped."""
        number, at = self._generation_seen
        return generation >= number and time.monotonic() - at < _GENERATION_SEEN_SECONDS

    def is_level(self) -> bool:
        """Returns whether the processes together have taken in everything."""
        return all(followed.lag().changes == 0 for followed in self.followed)

    def _keep_leases(self) -> None:
        self._holder.beat()
        self._generation_seen = int(self._generations.current()["number"]), time.monotonic()

    def _share(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._share_parts()
            finally:
                self._lock.release()
        self._update_followed()
        self._rounds += 1
        if self._rounds % _SWEEP_ROUNDS == 0 and self._holder.holds(_OBJECTION_PART.name) and not self._paused:
            self._swept = mark_awaited(self.projection, self._swept)
        if not self._measuring:
            for followed in self.followed:
                followed.meter.start()
            self._measuring = True

    def _share_parts(self) -> None:
        """Follows the parts that this process holds and no others. Takes free parts, and gives back those above its
        fair share."""
        lost = [part for part in self._followers if not self._holder.holds(part.name)]
        self._stop_followers(lost)
        fair_share = -(-self._shares // self._holder.processes)
        held_of_ingest = [part for part in self._parts if part.source == "ingest" and self._holder.holds(part.name)]
        for part in held_of_ingest[fair_share:]:
            self._stop_followers([part])
            self._holder.release(part.name)
        free = fair_share - len(held_of_ingest)
        for part in self._parts:
            held = self._holder.holds(part.name)
            if not held and not self._holder.is_held(part.name) and (part.source != "ingest" or free > 0):
                held = self._holder.take(part.name)
                free -= held and part.source == "ingest"
            if held and part not in self._followers and not self._paused:
                self._start_follower(part)

    def _start_follower(self, part: FeedPart) -> None:
        store, generation = self.projection.store.store, self.projection.store.generation
        # Other processes may have cut the source into another number of parts before.
        store.set_position(part.place(generation), reached(store.db, part.source, generation))
        suffix = f" {part.number}of{part.of}" if part.of > 1 else ""
        self._followers[part] = self._sources.follower(self.projection, part, suffix, self._confirmation_of(part.name))
        self._followers[part].start()

    def _stop_followers(self, parts: Sequence[FeedPart], seconds: float = 0) -> None:
        # A part may be held without a follower.
        ending = [self._followers.pop(part) for part in parts if part in self._followers]
        for follower in ending:
            follower.stop()
        for follower in ending:
            follower.ended(seconds)

    def _confirmation_of(self, lease: str) -> Callable[[UnitOfWork], None]:
        def confirm(unit: UnitOfWork) -> None:
            if not self._holder.holds(lease):
                raise LeaseLost(lease)
            self._holder.confirm(lease, unit)

        return confirm

    def _update_followed(self) -> None:
        """Updates what readiness reports of each source."""
        store, generation = self.projection.store.store, self.projection.store.generation
        for followed, source in zip(self.followed, SOURCES, strict=True):
            followed.position = reached(store.db, source, generation)
            followed.connected = all(
                follower.connected if (follower := self._followers.get(part)) else self._holder.is_held(part.name)
                for part in self._parts
                if part.source == source
            )
