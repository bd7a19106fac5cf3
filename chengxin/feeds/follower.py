"""The change feed as its consumers use it (decision 5): ordered, resumable, position stored with what was derived."""

import contextlib
import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import grpc
import structlog
from pymongo.errors import PyMongoError

from chengxin.feeds.lag import Lag, LagMeter
from chengxin.feeds.quarantine import FeedParts, NotYet, Quarantine, is_transient, message_handler, reason_of
from chengxin.store.database import FeedHead, Store, UnitOfWork
from chengxin.store.deadlines import BULK_SECONDS, within

log = structlog.get_logger()

_STOP_SECONDS: Final = 2
# How long a feed waits for what a change needs (`NotYet`) before the change is set aside.
_PATIENCE_SECONDS: Final = 30.0
# So often a change may take all the time of a transaction before it is taken apart.
_SLOW_ATTEMPTS: Final = 3
# How often one transaction may be run again. Two writers are through after a few.
_ATTEMPTS: Final = 8


class TransactionKeepsFailing(Exception):
    """The store fails the same transaction as often as it is tried."""


class Follower:
    """Follows another service's `Watch` and applies each change in one transaction with the position.

    `watch(after)` opens the stream; `apply(unit, change)` derives from one message. A message without a field `last`
    is a position of its own; with one, the position is remembered at the message that sets it, and at others that it has begun.

    What passes by itself (a lost connection, a store that is away) is tried again from the last position without end. A
    change that cannot be applied, or not in the time of a transaction, is taken apart until the part that fails is
    found; that is set aside with what comes later for the same record or subject, and all others go on
    (chengxin.feeds.quarantine).
    """

    def __init__(
        self,
        source: str,
        store: Store,
        watch: Callable[[int], Any],
        apply: Callable[[UnitOfWork, Any], None],
        parts: FeedParts | None = None,
        quarantine: Quarantine | None = None,
        patience: float = _PATIENCE_SECONDS,
        head: Callable[[int], FeedHead] | None = None,
        key: str = "",
        place: str = "",
        confirm: Callable[[UnitOfWork], None] = lambda unit: None,
    ) -> None:
        """`head(position)` asks the source how far it is, seen from there; without it somebody else tells the lag. What is
        set aside is kept under `key`, mostly the name, and the position under `place`, mostly the key. Every transaction begins
        with `confirm`, which may refuse it."""
        self.name = f"feed.{source}"
        self.key = key or self.name
        self.place = place or self.key
        self.parts = parts or FeedParts()
        self.quarantine = quarantine or Quarantine(store)
        self.quarantine.handle(self.key, message_handler(self.parts, apply))
        self._patience = patience
        # How often what concerns these names took all the time of a transaction, though the store answers.
        self._slow: Counter[str] = Counter()
        # Since when a change has waited for what it needs.
        self._awaited: dict[str, float] = {}
        # Whether the stream is open: true from the first answer of the source until the stream breaks.
        self.connected = False
        self._store = store
        self._watch = watch
        self._apply = apply
        self._confirm = confirm
        self._stopped = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        # The last position whose changes are applied, once the store has told it.
        self.position = 0
        self._told = False
        self._meter = LagMeter(self.name, lambda: self.position if self._told else None, head) if head else None

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()
        if self._meter is not None:
            self._meter.start()

    def lag(self) -> Lag:
        """How far behind its source it is."""
        return self._meter.lag() if self._meter is not None else Lag(None, None)

    def stop(self) -> None:
        """Ends the stream, and waits a while until the change in hand is applied or given up."""
        self._stopped.set()
        if self._meter is not None:
            self._meter.stop()
        if self._call is not None:
            self._call.cancel()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def ended(self, seconds: float) -> bool:
        """Waits so long for the end of the change in hand; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.position, self._told = self._store.position(self.place), True
                self._call = self._watch(self.position)
                if self._stopped.is_set():
                    # Stopped while it was being opened: nobody else would end this stream.
                    self._call.cancel()
                    return
                # The source sends its header at once, before there is any change.
                self._call.initial_metadata()
                self.connected = True
                for change in self._messages():
                    self._process(change)
                    if getattr(change, "last", True):
                        self.position = change.position
                # The source ended the stream in good order, as it does when it shuts down.
                self.connected = False
                self._stopped.wait(0.5)
            # Whatever interrupts it, the follower goes on from the position that it committed.
            except Exception as e:
                self.connected = False
                if self._stopped.is_set():
                    return
                quiet = isinstance(e, grpc.Call) and e.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                )
                if quiet:
                    log.info("feed interrupted", feed=self.name, reason=repr(e)[:200])
                else:
                    log.error("feed interrupted", feed=self.name, after=self.position, **reason_of(e))
                self._stopped.wait(0.5)

    def _messages(self) -> Iterator[Any]:
        yield from self._call

    def _process(self, change: Any) -> None:
        try:
            self._transact(functools.partial(self._take, change), change)
        except Exception as e:
            if self._passes(e, change):
                raise
            self._narrow(change, self.parts.split(change) or [change], e, getattr(change, "last", True))
        if self._slow:
            for name in self._names(change):
                del self._slow[name]

    def _narrow(self, change: Any, parts: Sequence[Any], error: Exception, last: bool) -> None:
        """Of parts that fail together each half is applied by itself; one part that fails is set aside."""
        if len(parts) == 1:
            self._transact(functools.partial(self._set_aside, change, parts[0], error, last), change)
            return
        middle = len(parts) // 2
        for some, ends in ((parts[:middle], False), (parts[middle:], last)):
            joined = self.parts.join(change, some, ends)
            try:
                self._transact(functools.partial(self._take, joined), joined)
            except Exception as e:
                if self._passes(e, joined):
                    raise
                self._narrow(change, some, e, ends)

    def _passes(self, error: Exception, change: Any) -> bool:
        """Whether an error is one that passes by itself, so that the change is tried again."""
        if not isinstance(error, NotYet):
            # What is too slow each time does not pass: it would be tried for ever, and stop everybody behind it. Told by
            # its names, for what else comes with it, or before it, differs each time.
            slowest = max((self._slow[name] for name in self._names(change)), default=0) if self._slow else 0
            return is_transient(error) and slowest < _SLOW_ATTEMPTS
        now = time.monotonic()
        return now - self._awaited.setdefault(str(error), now) < self._patience

    def _names(self, change: Any) -> set[str]:
        return {self.parts.label(part).name for part in self.parts.split(change)}

    def _transact(self, work: Callable[[UnitOfWork], None], change: Any) -> None:
        attempts = 0

        def counted(unit: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            if attempts > _ATTEMPTS:
                raise TransactionKeepsFailing
            self._confirm(unit)
            work(unit)

        began = time.monotonic()
        try:
            with within(BULK_SECONDS):
                self._store.transact(counted)
        except Exception:
            # The driver gives up a little before, when an answer could not come in time.
            if time.monotonic() - began > 0.8 * BULK_SECONDS and self._answers():
                self._slow.update(self._names(change))
            raise

    def _answers(self) -> bool:
        with contextlib.suppress(PyMongoError):
            self._store.ping()
            return True
        return False

    def _take(self, change: Any, unit: UnitOfWork) -> None:
        last = getattr(change, "last", True)
        ready = self._not_held(change, unit) if self.quarantine.has(self.key, unit) else change
        if ready is not None:
            self._apply(unit, ready)
        self._remember(change, last, unit)

    def _not_held(self, change: Any, unit: UnitOfWork) -> Any:
        """Sets aside what concerns something that is set aside already; answers the rest, or None."""
        parts = [(part, self.parts.label(part)) for part in self.parts.split(change)]
        named = [key for _, label in parts for key in (label.name, *label.keys)]
        held = self.quarantine.waiting(self.key, named, unit)
        rest = []
        for part, label in parts:
            keys = (label.name, *label.keys)
            if held.isdisjoint(keys):
                rest.append(part)
            else:
                held.update(keys)
                self._put(change, part, None, unit)
        if len(rest) == len(parts):
            return change
        return self.parts.join(change, rest, getattr(change, "last", True)) if rest else None

    def _set_aside(self, change: Any, part: Any, error: Exception, last: bool, unit: UnitOfWork) -> None:
        self._put(change, part, error, unit)
        self._remember(change, last, unit)

    def _remember(self, change: Any, last: bool, unit: UnitOfWork) -> None:
        remember = self._store.set_position if last else self._store.set_begun
        remember(self.place, change.position, unit.session)

    def _put(self, change: Any, part: Any, error: Exception | None, unit: UnitOfWork) -> None:
        kind, label = part.DESCRIPTOR.full_name, self.parts.label(part)
        self.quarantine.put(self.key, label, self.parts.pack(part), error, unit, change.position, kind)
