"""Follows another service's change feed (principle 5).

A follower applies changes in order, resumes after an interruption, and stores its position with what it derives.
"""

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

from chengxin.bounds import own
from chengxin.failures import NotYet, is_transient, reason_of
from chengxin.feeds.lag import MEASURED_EVERY_SECONDS, Lag, LagMeter
from chengxin.feeds.quarantine import Quarantine, message_handler
from chengxin.feeds.splitting import FeedParts
from chengxin.store.database import FeedHead, Store, UnitOfWork
from chengxin.store.deadlines import BULK_SECONDS, within

log = structlog.get_logger()

_STOP_SECONDS: Final = 2
# How long a feed waits for what a change needs (`NotYet`) before the change is set aside.
_PATIENCE_SECONDS: Final = 30.0
# How many times a change may use up a transaction's time before it is split.
_SLOW_ATTEMPTS: Final = 3
# How many times one transaction may run. Two writers that conflict get through after a few attempts.
_MAX_ATTEMPTS: Final = 8

own(
    __name__,
    "Thread",
    resource="Threads of a follower",
    total=1,
    why="One for each feed",
)


class TransactionKeepsFailing(Exception):
    """The store fails the same transaction at every attempt."""


class Follower:
    """Follows another service's `Watch` and applies each change in one transaction with the position.

    `watch(after)` opens the stream; `apply(unit, change)` derives data from one message. A message without a field
    `last` has a position of its own. Where messages have that field, several share a position: the one that sets `last`
    stores the position as applied, and the others store it as begun.

    When an error passes by itself (a lost connection, an unavailable store), the follower tries again from the last
    position, without end. A change that cannot be applied, or not in the time of a transaction, is split until the part
    that fails is found. That part is set aside, and so are later parts for the same record or subject; all others are
    applied (chengxin.feeds.quarantine).
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
        measured_every: float = MEASURED_EVERY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connects a source with a store; `start` begins to follow.

        `head(position)` asks the source for its head, seen from that position; without it another component reports
        the lag. The quarantine keeps parts under `key` (by default the name), and the store keeps the position under
        `place` (by default `key`). Every transaction begins with `confirm`, which may refuse it. `measured_every` is
        the pause, in seconds, between two measurements of the lag. `now` counts `patience`, in seconds.
        """
        self.name = f"feed.{source}"
        self.key = key or self.name
        self.place = place or self.key
        self.parts = parts or FeedParts()
        self.quarantine = quarantine or Quarantine(store)
        self.quarantine.handle(self.key, message_handler(self.parts, apply))
        self._patience = patience
        self._now = now
        # By part name: how often a transaction with that part ran out of time although the store answers.
        self._slow: Counter[str] = Counter()
        # By what the change at the current position needs: since when the change has waited for it, as `now` counts.
        self._waiting_since: dict[str, float] = {}
        # Whether the stream is open: true from the first answer of the source until the stream breaks.
        self.connected = False
        self._store = store
        self._watch = watch
        self._apply = apply
        self._confirm = confirm
        self._stopped = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        # The last position whose changes are applied; not known before the store was read.
        self.position = 0
        self._position_known = False
        self._meter = (
            LagMeter(self.name, lambda: self.position if self._position_known else None, head, measured_every, now=now)
            if head
            else None
        )

    def start(self) -> None:
        """Starts to follow in the background."""
        self._thread.start()
        if self._meter is not None:
            self._meter.start()

    def lag(self) -> Lag:
        """How far the follower is behind its source."""
        return self._meter.lag() if self._meter is not None else Lag(None, None)

    def stop(self) -> None:
        """Ends the stream, and waits at most 2 seconds until the current change is applied or given up."""
        self._stopped.set()
        if self._meter is not None:
            self._meter.stop()
        if self._call is not None:
            self._call.cancel()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def ended(self, seconds: float) -> bool:
        """Waits at most `seconds` for the current change. Returns whether the follower has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        # No `PeriodicTask`: one pass follows a stream for as long as the stream stays open, and `stop` ends the pass by
        # cancelling the call.
        while not self._stopped.is_set():
            try:
                self.position, self._position_known = self._store.position(self.place), True
                self._call = self._watch(self.position)
                if self._stopped.is_set():
                    # `stop` came while the stream was opened and could not cancel it.
                    self._call.cancel()
                    return
                # The source sends its header at once, before there is any change.
                self._call.initial_metadata()
                self.connected = True
                for change in self._messages():
                    self._process(change)
                    if getattr(change, "last", True):
                        self.position = change.position
                # The source ended the stream normally, as it does when it shuts down.
                self.connected = False
                self._stopped.wait(0.5)
            # After any error the follower continues from the position that it committed.
            except Exception as e:
                self.connected = False
                if self._stopped.is_set():
                    return
                is_expected = isinstance(e, grpc.Call) and e.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                )
                if is_expected:
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
            if self._should_retry(e, change):
                raise
            self._apply_halves(change, self.parts.split(change) or [change], e, getattr(change, "last", True))
        if getattr(change, "last", True):
            # Now all of the position is through. Earlier would be wrong: the source repeats the position from its first
            # message, and a message that is applied again must not begin the patience anew for a later one.
            self._waiting_since.clear()
        if self._slow:
            for name in self._part_names(change):
                del self._slow[name]

    def _apply_halves(self, change: Any, parts: Sequence[Any], error: Exception, last: bool) -> None:
        """Applies each half of the parts that failed together; sets a part aside when it fails alone."""
        if len(parts) == 1:
            self._transact(functools.partial(self._set_aside, change, parts[0], error, last), change)
            return
        middle = len(parts) // 2
        for half, half_last in ((parts[:middle], False), (parts[middle:], last)):
            joined = self.parts.join(change, half, half_last)
            try:
                self._transact(functools.partial(self._take, joined), joined)
            except Exception as e:
                if self._should_retry(e, joined):
                    raise
                self._apply_halves(change, half, e, half_last)

    def _should_retry(self, error: Exception, change: Any) -> bool:
        """Whether the error passes by itself, so that the change is tried again."""
        if not isinstance(error, NotYet):
            # A change that is too slow each time does not pass: it would be tried for ever and block all changes behind
            # it. Part names identify it, because what comes with it or before it differs each time.
            slowest = max((self._slow[name] for name in self._part_names(change)), default=0) if self._slow else 0
            return is_transient(error) and slowest < _SLOW_ATTEMPTS
        needed, now = str(error), self._now()
        if needed not in self._waiting_since and self.quarantine.awaits(self.key, needed):
            # An earlier change waited for it in vain, and it has not arrived since.
            return False
        return now - self._waiting_since.setdefault(needed, now) < self._patience

    def _part_names(self, change: Any) -> set[str]:
        return {self.parts.label(part).name for part in self.parts.split(change)}

    def _transact(self, work: Callable[[UnitOfWork], None], change: Any) -> None:
        attempts = 0

        def run_attempt(unit: UnitOfWork) -> None:
            nonlocal attempts
            attempts += 1
            if attempts > _MAX_ATTEMPTS:
                raise TransactionKeepsFailing
            self._confirm(unit)
            work(unit)

        started = time.monotonic()
        try:
            with within(BULK_SECONDS):
                self._store.transact(run_attempt)
        except Exception:
            # The driver gives up a little before the limit, when an answer could not come in time.
            if time.monotonic() - started > 0.8 * BULK_SECONDS and self._store_answers():
                self._slow.update(self._part_names(change))
            raise

    def _store_answers(self) -> bool:
        with contextlib.suppress(PyMongoError):
            self._store.ping()
            return True
        return False

    def _take(self, change: Any, unit: UnitOfWork) -> None:
        last = getattr(change, "last", True)
        applicable = self._set_aside_blocked(change, unit) if self.quarantine.has(self.key, unit) else change
        if applicable is not None:
            self._apply(unit, applicable)
        self._save_position(change, last, unit)

    def _set_aside_blocked(self, change: Any, unit: UnitOfWork) -> Any:
        """Sets aside the parts that must wait behind others in the quarantine; returns the rest, or None."""
        parts = [(part, self.parts.label(part)) for part in self.parts.split(change)]
        part_keys = [key for _, label in parts for key in (label.name, *label.keys)]
        blocked = self.quarantine.waiting(self.key, part_keys, unit)
        rest = []
        for part, label in parts:
            keys = (label.name, *label.keys)
            if blocked.isdisjoint(keys):
                rest.append(part)
            else:
                blocked.update(keys)
                self._put_in_quarantine(change, part, None, unit)
        if len(rest) == len(parts):
            return change
        return self.parts.join(change, rest, getattr(change, "last", True)) if rest else None

    def _set_aside(self, change: Any, part: Any, error: Exception, last: bool, unit: UnitOfWork) -> None:
        self._put_in_quarantine(change, part, error, unit)
        self._save_position(change, last, unit)

    def _save_position(self, change: Any, last: bool, unit: UnitOfWork) -> None:
        save = self._store.set_position if last else self._store.set_begun
        save(self.place, change.position, unit.session)

    def _put_in_quarantine(self, change: Any, part: Any, error: Exception | None, unit: UnitOfWork) -> None:
        kind, label = part.DESCRIPTOR.full_name, self.parts.label(part)
        self.quarantine.put(self.key, label, self.parts.pack(part), error, unit, change.position, kind)
