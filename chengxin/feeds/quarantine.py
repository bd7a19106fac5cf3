"""Sets aside what cannot be applied (decision 24): keeps it with its reason and in order, tries it again, reports it.

A row is one part of a feed's change, one audit event, or one item of a background job. Rows of a feed that share a key
are applied in order: a later part for the same record or subject waits behind the one that failed. A later part with
the same name replaces the earlier one: a corrected version of a record is applied instead of the one that failed.

The rows are in `quarantine_rows`; how a change is split into parts is in `splitting`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.failures import is_transient, reason_of
from chengxin.feeds.quarantine_rows import QuarantineRows
from chengxin.feeds.splitting import FeedParts, Label
from chengxin.store.database import Store, UnitOfWork
from chengxin.values.clock import Clock, SystemClock
from chengxin.values.document import RawDocument

log = structlog.get_logger()

# The name under which readiness shows whether the quarantine is empty. A service that has rows stays ready.
QUARANTINE: Final = "quarantine"

_ROUND_SECONDS: Final = 2.0

# Prepares a row's part (`kind`, `message`) outside a transaction; returns what to do within the transaction.
Handler = Callable[[RawDocument], Callable[[UnitOfWork], None]]


class Quarantine:
    """What one service has set aside, in its own store."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._rows = QuarantineRows(store, clock or SystemClock())
        self._handlers: dict[str, Handler] = {}
        self._announce_due: Callable[[], None] = lambda: None

    def handle(self, feed: str, handler: Handler) -> None:
        """Sets the handler that tries the rows of a feed again."""
        self._handlers[feed] = handler
        _ITEMS.labels(feed).set(0)

    def when_due(self, announce: Callable[[], None]) -> None:
        """Sets what is called after a commit that adds a row or makes one due."""
        self._announce_due = announce

    # Set parts aside.

    def put(
        self,
        feed: str,
        label: Label,
        message: bytes,
        error: Exception | None,
        unit: UnitOfWork,
        position: int = 0,
        kind: str = "",
    ) -> None:
        """Sets a part aside because of `error`, or without an error behind the rows that share a key with it.

        A row with the same name is replaced and keeps its place; without an error it is tried at once.
        """
        if not self._rows.put(feed, label, message, error, unit, position, kind):
            return
        unit.committed.append(self._announce_due)
        if error is not None:
            unit.committed.append(lambda: _report(feed, label.name, reason_of(error)))

    def settle(self, job: str, items: Sequence[str], act: Callable[[Sequence[str]], object]) -> None:
        """Calls `act` of a background job with all items at once.

        When that fails, calls it for each half by itself, and sets an item aside when it fails alone. Raises an error
        that passes by itself.
        """
        try:
            act(items)
        except Exception as e:
            if is_transient(e):
                raise
            error = e
        else:
            return
        if len(items) == 1:
            [name] = items
            self._store.transact(lambda unit: self.put(job, Label(name), name.encode(), error, unit))
            return
        middle = len(items) // 2
        for half in (items[:middle], items[middle:]):
            self.settle(job, half, act)

    def handle_job(self, job: str, act: Callable[[Sequence[str]], object]) -> None:
        """Sets how an item of a background job is tried again: a second `act` for the same item must change nothing."""

        def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
            act([row["name"]])
            return lambda unit: None

        self.handle(job, prepare)

    def arrived(self, name: str, unit: UnitOfWork) -> None:
        """Makes the rows due at once that have waited for `name`, which is there now."""
        if self._rows.make_due_after(name, unit):
            unit.committed.append(self._announce_due)

    # Ask what is set aside.

    def waiting(self, feed: str, keys: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Those of the keys that a row of the feed has."""
        return self._rows.shared_keys(feed, keys, unit)

    def has(self, feed: str, unit: UnitOfWork) -> bool:
        """Whether the feed has a row."""
        return self._rows.has(feed, unit)

    def awaits(self, feed: str, name: str) -> bool:
        """Whether a row of the feed waits for `name`, which has not arrived."""
        return self._rows.awaits(feed, name)

    def names(self, feed: str) -> set[str]:
        """The names of all rows of a feed."""
        return self._rows.names(feed)

    def rows(self, after: int = 0, limit: int = 0, feed: str = "") -> list[RawDocument]:
        """The rows in the order in which they were set aside, without their messages."""
        return self._rows.rows(after, limit, feed)

    def row(self, row_id: str) -> RawDocument | None:
        """One row, without its message."""
        return self._rows.row(row_id)

    def is_empty(self) -> bool:
        """Whether nothing is set aside. Raises `PyMongoError`."""
        return self._rows.is_empty()

    # Try rows again.

    def prepare(self) -> None:
        """Creates the indexes, and makes all failed rows due: the software may have changed since they failed."""
        self._rows.prepare()
        self._rows.make_failed_due()

    def retry(self, row_id: str) -> bool:
        """Tries a row again, after the rows before it that share a key. Returns whether it is resolved."""
        row_ids: list[str] = []
        keys: set[str] = set()
        feed = ""
        for row in reversed(self._rows.in_order()):
            if row["_id"] == row_id or (row["feed"] == feed and not keys.isdisjoint(row["keys"])):
                feed = row["feed"]
                keys.update(row["keys"])
                row_ids.append(row["_id"])
        return all(self._try_row(each_id) for each_id in reversed(row_ids))

    def round(self, running: Callable[[], bool] = lambda: True) -> None:
        """Tries the rows that are due, in order, then those that have waited behind them, while `running()`."""
        self._rows.release_unblocked()
        while self._rows.has_due() and self._try_due_rows(running):
            pass
        counts: dict[str, int] = dict.fromkeys(self._handlers, 0)
        for feed in self._rows.feeds():
            counts[feed] = counts.get(feed, 0) + 1
        for feed, count in counts.items():
            _ITEMS.labels(feed).set(count)

    def _try_due_rows(self, running: Callable[[], bool]) -> bool:
        """Tries each row that is due and that no row before it blocks. Returns whether one was resolved."""
        resolved = False
        blocked: set[tuple[str, str]] = set()
        for row in self._rows.in_order():
            if not running():
                return False
            keys = {(row["feed"], key) for key in row["keys"]}
            if blocked.isdisjoint(keys) and self._rows.is_due(row) and self._try_row(row["_id"]):
                resolved = True
            else:
                blocked |= keys
        return resolved

    def _try_row(self, row_id: str) -> bool:
        row = self._rows.whole(row_id)
        if row is None:
            return True
        handler = self._handlers.get(row["feed"])
        if handler is None:
            # This version of the software no longer follows the feed.
            self._rows.postpone(row)
            return False
        try:
            apply = handler(row)

            def work(unit: UnitOfWork) -> bool:
                if not self._rows.has_same(row, unit):
                    return False
                apply(unit)
                self._rows.resolve(row, unit)
                return True

            resolved = self._store.transact(work)
        # Any error is the reason why this row stays set aside.
        except Exception as e:
            self._rows.record_failure(row, e)
            return False
        if resolved:
            log.info("applied after all", feed=row["feed"], name=row["name"], attempts=row["attempts"] + 1)
        return resolved


class QuarantineRetrier(PeriodicTask):
    """Tries rows again in the background, with growing pauses, and at once when a row is added or made due.

    When the process starts it tries all failed rows, because the software may have changed.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        super().__init__("quarantine", self._try_again, _ROUND_SECONDS)
        self._quarantine = quarantine
        self._prepared = False
        quarantine.when_due(self.wake)

    def _try_again(self) -> None:
        # Here and not before the first round: the store may not answer yet when the process starts.
        if not self._prepared:
            self._quarantine.prepare()
            self._prepared = True
        self._quarantine.round(lambda: not self.stopping)


def message_handler(parts: FeedParts, apply: Callable[[UnitOfWork, Any], None]) -> Handler:
    """The handler that tries a part of a feed again."""

    def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
        part = parts.unpack(row["kind"], bytes(row["message"]))
        return lambda unit: apply(unit, part)

    return prepare


def _report(feed: str, name: str, reason: dict[str, str]) -> None:
    _SET_ASIDE.labels(feed).inc()
    log.error("set aside", feed=feed, name=name, **reason)


_ITEMS = Gauge("chengxin_quarantine_items", "What is set aside because it could not be applied", ["feed"])
_SET_ASIDE = Counter(
    "chengxin_quarantine_set_aside_total", "What was set aside because it could not be applied", ["feed"]
)
