"""The feeds that fill a generation: followed in parts, each part by one process of the service at a time."""

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from pymongo.errors import PyMongoError

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
# How long a change in hand is waited for where another one is to go on.
ENDING_SECONDS: Final = 60
# After so many rounds it is looked for marks that were missed.
_SWEEP_ROUNDS: Final = 10
# A process that has not looked for so long which generation is in use answers nothing. Shorter than the time after which
# what is not in use is dropped.
_SEEN_SECONDS: Final = 20.0


@dataclass
class Projection:
    """What following the feeds needs, for one generation."""

    store: DisclosureStore
    keys: KeyRing
    subject_key: SubjectKey
    clock: Clock
    # Whether the public feed is told what changes: not while a generation is filled beside the one in use.
    announces: bool = True


@dataclass(frozen=True)
class FeedPart:
    """What a source tells; of ingest that about one share of the subjects."""

    source: str
    number: int = 1
    of: int = 1

    @property
    def name(self) -> str:
        """What following it is called."""
        return f"feed.{self.source}" + (f" {self.number}of{self.of}" if self.of > 1 else "")

    def place(self, generation: int) -> str:
        """Under what its position is kept."""
        return f"feed.{self.source}.{generation}" + (f".{self.number}of{self.of}" if self.of > 1 else "")

    def has(self, subject_ref: str) -> bool:
        """Whether what is told about a subject is in it."""
        return zlib.crc32(subject_ref.encode()) % self.of == self.number - 1


def aside(source: str, generation: int) -> str:
    """Under what is kept what a generation has set aside of a source, whichever part it came by."""
    return f"feed.{source}.{generation}"


_OBJECTIONS: Final = FeedPart("objection")
# Each source by one.
WHOLE: Final = tuple(FeedPart(source) for source in SOURCES)


def parts(shares: int) -> list[FeedPart]:
    """Each source by one, and ingest by so many."""
    return [
        FeedPart("catalog"),
        *(FeedPart("ingest", number + 1, shares) for number in range(shares)),
        FeedPart("objection"),
    ]


# Asks a source how far it is, seen from a position.
AskHead = Callable[[int], FeedHead]


class Sources(Protocol):
    """The services that are followed (`sources.InnerSources`)."""

    def head(self, source: str) -> AskHead: ...
    def follower(
        self, projection: Projection, part: FeedPart, word: str, confirm: Callable[[UnitOfWork], None]
    ) -> Follower: ...
    def retry(self, projection: Projection) -> None: ...


class FollowedSource:
    """A source, as readiness asks about it: whichever processes follow its parts."""

    def __init__(self, source: str, head: AskHead) -> None:
        self.name = f"feed.{source}"
        # Whether the streams that this process has are open, and there is a process for each part.
        self.connected = False
        # Up to where all parts are taken in, once the store has told it.
        self.position: int | None = None
        self.meter = LagMeter(self.name, lambda: self.position, head)

    def lag(self) -> Lag:
        """How far behind the source its part is that is furthest behind."""
        return self.meter.lag()


class Feeds:
    """The followers of the generation in use, as far as this process has them."""

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
        # Held while followers are started and stopped.
        self._lock = threading.Lock()
        self._paused = False
        self._generations = Generations(projection.store.store)
        # The generation in use, and when that was seen.
        self._seen = projection.store.generation, time.monotonic()
        self._stopped = threading.Event()
        # That there is a process is said whatever it waits for.
        self._beats = threading.Thread(target=self._beat, name="leases", daemon=True)
        self._thread = threading.Thread(target=self._run, name="feeds", daemon=True)

    def start(self) -> None:
        """Begins in the background, where the generation's positions are."""
        self._sources.retry(self.projection)
        self._beats.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the changes in hand, for others to go on."""
        self._stopped.set()
        for followed in self.followed:
            followed.meter.stop()
        for thread in (self._beats, self._thread):
            if thread.is_alive():
                thread.join(2 * BEAT_SECONDS)
        with self._lock:
            self._end(list(self._followers))
        try:
            self._holder.leave()
        # They wait a little longer then.
        except PyMongoError as e:
            log.info("leases not given back", reason=repr(e)[:200])

    def beside(self, projection: Projection, lease: str) -> Sequence[Follower]:
        """Followers that fill another generation while a lease is held; not started."""
        holds = self._confirms(lease)
        return [self._sources.follower(projection, part, " (rebuild)", holds) for part in WHOLE]

    def pause(self) -> None:
        """Takes nothing in until `go_on`. The leases stay."""
        with self._lock:
            self._paused = True
            self._end(list(self._followers), ENDING_SECONDS)

    def go_on(self, projection: Projection) -> None:
        """Goes on, with a generation."""
        with self._lock:
            self._end(list(self._followers), ENDING_SECONDS)
            self.projection = projection
            self._sources.retry(projection)
            self._paused = False

    def is_current(self, generation: int) -> bool:
        """Whether a generation is surely the one in use, and not one that another process may have dropped."""
        number, at = self._seen
        return generation >= number and time.monotonic() - at < _SEEN_SECONDS

    def is_level(self) -> bool:
        """Whether there is nothing that has not been taken in, by whichever process."""
        return all(followed.lag().changes == 0 for followed in self.followed)

    def _beat(self) -> None:
        while not self._stopped.is_set():
            try:
                self._holder.beat()
                self._seen = int(self._generations.current()["number"]), time.monotonic()
            # The store is away. Leases that cannot be kept are taken by others, and what is begun then fails.
            except Exception as e:
                log.info("leases not kept", reason=repr(e)[:200])
            self._stopped.wait(BEAT_SECONDS)

    def _run(self) -> None:
        measured = False
        rounds = 0
        while not self._stopped.is_set():
            try:
                if self._lock.acquire(blocking=False):
                    try:
                        self._share()
                    finally:
                        self._lock.release()
                self._look()
                rounds += 1
                if rounds % _SWEEP_ROUNDS == 0 and self._holder.holds(_OBJECTIONS.name) and not self._paused:
                    mark_awaited(self.projection)
                if not measured:
                    for followed in self.followed:
                        followed.meter.start()
                    measured = True
            # The store is away.
            except Exception as e:
                log.info("feeds not shared", reason=repr(e)[:200])
            self._stopped.wait(BEAT_SECONDS)

    def _share(self) -> None:
        """Follows what this process holds and nothing else; takes what nobody holds, gives what is above its share."""
        lost = [part for part in self._followers if not self._holder.holds(part.name)]
        self._end(lost)
        fair = -(-self._shares // self._holder.processes)
        mine = [part for part in self._parts if part.source == "ingest" and self._holder.holds(part.name)]
        for part in mine[fair:]:
            self._end([part])
            self._holder.release(part.name)
        free = fair - len(mine)
        for part in self._parts:
            held = self._holder.holds(part.name)
            if not held and not self._holder.is_held(part.name) and (part.source != "ingest" or free > 0):
                held = self._holder.take(part.name)
                free -= held and part.source == "ingest"
            if held and part not in self._followers and not self._paused:
                self._begin(part)

    def _begin(self, part: FeedPart) -> None:
        store, generation = self.projection.store.store, self.projection.store.generation
        # Others may have cut the source in another number of parts before.
        store.set_position(part.place(generation), reached(store.db, part.source, generation))
        word = f" {part.number}of{part.of}" if part.of > 1 else ""
        self._followers[part] = self._sources.follower(self.projection, part, word, self._confirms(part.name))
        self._followers[part].start()

    def _end(self, some: Sequence[FeedPart], seconds: float = 0) -> None:
        # What is held need not have been begun.
        ending = [self._followers.pop(part) for part in some if part in self._followers]
        for follower in ending:
            follower.stop()
        for follower in ending:
            follower.ended(seconds)

    def _confirms(self, lease: str) -> Callable[[UnitOfWork], None]:
        def confirm(unit: UnitOfWork) -> None:
            if not self._holder.holds(lease):
                raise LeaseLost(lease)
            self._holder.confirm(lease, unit)

        return confirm

    def _look(self) -> None:
        """What readiness is told."""
        store, generation = self.projection.store.store, self.projection.store.generation
        for followed, source in zip(self.followed, SOURCES, strict=True):
            followed.position = reached(store.db, source, generation)
            followed.connected = all(
                follower.connected if (follower := self._followers.get(part)) else self._holder.is_held(part.name)
                for part in self._parts
                if part.source == source
            )
