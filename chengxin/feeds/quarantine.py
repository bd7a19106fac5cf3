"""Sets aside what cannot be applied (decision 24): keeps it with its reason and in order, tries it again, reports it.

A row is one part of a feed's change, one audit event, or one item of a background job. Rows of a feed that share a key
are applied in order: a later part for the same record or subject waits behind the one that failed. A later part with
the same name replaces the earlier one: a corrected version of a record is applied instead of the one that failed.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from prometheus_client import Counter, Gauge
from pymongo import ReturnDocument
from pymongo.collection import Collection

from chengxin import __version__
from chengxin.failures import NotYet, is_transient, reason_of
from chengxin.store.database import Store, UnitOfWork, find_among
from chengxin.values.canonical_json import digest
from chengxin.values.clock import Clock, SystemClock, rfc3339
from chengxin.values.document import RawDocument

log = structlog.get_logger()

# The name under which readiness shows whether the quarantine is empty. A service that has rows stays ready.
QUARANTINE: Final = "quarantine"

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_ROUND_SECONDS: Final = 2.0
# The due time of a row that waits behind another one.
_BEHIND: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Label:
    """The name of a part, and the keys under which order matters: pseudonyms and codes, no personal data.

    Of parts with the same name the one with the greatest version counts; without versions, the greatest position.
    """

    name: str
    keys: tuple[str, ...] = ()
    version: int = 0


class FeedParts:
    """How a consumer splits a feed's changes, names the parts and stores them. This class leaves changes whole."""

    def split(self, change: Any) -> list[Any]:
        """The parts of a change that can each be applied alone, in order."""
        return [change]

    def join(self, change: Any, parts: Sequence[Any], last: bool) -> Any:
        """Some parts of a change as one change; `last` when its position is stored with it."""
        return parts[0]

    def label(self, part: Any) -> Label:
        """The name of a part, and the keys that it concerns."""
        return Label(str(part.position))

    def pack(self, part: Any) -> bytes:
        """A part as it is stored: no more than is needed to apply it again, and no personal data in clear text."""
        return bytes(part.SerializeToString())

    def unpack(self, kind: str, message: bytes) -> Any:
        """The part that `pack` was given. `kind` is the full name of its message type."""
        part: Message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))()
        part.ParseFromString(message)
        return part


# Prepares a row's part (`kind`, `message`) outside a transaction; returns what to do within the transaction.
Handler = Callable[[RawDocument], Callable[[UnitOfWork], None]]


class Quarantine:
    """What one service has set aside, in its own store."""

    def __init__(self, store: Store, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._rows: Collection[RawDocument] = store.db["quarantine"]
        self._handlers: dict[str, Handler] = {}
        self._wake = threading.Event()

    def handle(self, feed: str, handler: Handler) -> None:
        """Sets the handler that tries the rows of a feed again."""
        self._handlers[feed] = handler
        _ITEMS.labels(feed).set(0)

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
        now = self._clock.now()
        row_id = "q_" + digest(f"{feed}\0{label.name}".encode())[:24]
        existing = self._rows.find_one({"_id": row_id}, session=unit.session)
        version = label.version or position
        if existing is not None and error is None and existing["of"] >= version:
            # The feed repeated this part after an interruption.
            return
        reason = (
            reason_of(error)
            if error
            else {"error": "", "text": "waits behind another one of the same record or subject"}
        )
        row = {
            "_id": row_id,
            "feed": feed,
            "name": label.name,
            "keys": list(dict.fromkeys([*(existing["keys"] if existing else ()), label.name, *label.keys])),
            "seq": existing["seq"] if existing else self._next_seq(unit),
            "revision": existing["revision"] + 1 if existing else 1,
            "position": position,
            "of": version,
            "kind": kind,
            "message": message,
            "reason": reason,
            "waits_for": str(error) if isinstance(error, NotYet) else "",
            "since": existing["since"] if existing else now,
            "tried_at": now if error else None,
            "attempts": 1 if error else 0,
            "due": now + _FIRST_PAUSE if error else now if existing else _BEHIND,
            "version": __version__,
        }
        self._rows.replace_one({"_id": row_id}, row, upsert=True, session=unit.session)
        unit.committed.append(self._wake.set)
        if error is not None:
            unit.committed.append(lambda: _report(feed, label.name, reason))

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

    def _next_seq(self, unit: UnitOfWork) -> int:
        counter = self._store.db["counters"].find_one_and_update(
            {"_id": "quarantine"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        return int(counter["n"]) if counter else 1

    def waiting(self, feed: str, keys: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Those of the keys that a row of the feed has."""
        wanted = set(keys)
        rows = find_among(self._rows, "keys", list(dict.fromkeys(keys)), {"feed": 1, "keys": 1}, unit.session)
        return {key for row in rows if row["feed"] == feed for key in row["keys"]} & wanted

    def has(self, feed: str, unit: UnitOfWork) -> bool:
        """Whether the feed has a row."""
        return self._rows.find_one({"feed": feed}, {"_id": 1}, session=unit.session) is not None

    def names(self, feed: str) -> set[str]:
        """The names of all rows of a feed."""
        return {row["name"] for row in self._rows.find({"feed": feed}, {"name": 1})}

    def arrived(self, name: str, unit: UnitOfWork) -> None:
        """Makes the rows due at once that have waited for `name`, which is there now."""
        make_due = {"$set": {"due": self._clock.now()}}
        if self._rows.update_many({"waits_for": name}, make_due, session=unit.session).modified_count:
            unit.committed.append(self._wake.set)

    # Show rows.

    def rows(self, after: int = 0, limit: int = 0, feed: str = "") -> list[RawDocument]:
        """The rows in the order in which they were set aside, without their messages."""
        query: RawDocument = {"seq": {"$gt": after}} | ({"feed": feed} if feed else {})
        return list(self._rows.find(query, {"message": 0}).sort([("seq", 1)]).limit(limit))

    def row(self, row_id: str) -> RawDocument | None:
        """One row, without its message."""
        return self._rows.find_one({"_id": row_id}, {"message": 0})

    def is_empty(self) -> bool:
        """Whether nothing is set aside. Raises `PyMongoError`."""
        return self._rows.find_one({}, {"_id": 1}) is None

    # Try rows again.

    def retry(self, row_id: str) -> bool:
        """Tries a row again, after the rows before it that share a key. Returns whether it is resolved."""
        row_ids: list[str] = []
        keys: set[str] = set()
        feed = ""
        for row in reversed(self._rows_in_order()):
            if row["_id"] == row_id or (row["feed"] == feed and not keys.isdisjoint(row["keys"])):
                feed = row["feed"]
                keys.update(row["keys"])
                row_ids.append(row["_id"])
        return all(self._try_row(each_id) for each_id in reversed(row_ids))

    def round(self) -> None:
        """Tries the rows that are due, in order, then those that have waited behind them."""
        self._release_unblocked()
        while self._rows.find_one({"due": {"$lte": self._clock.now()}}, {"_id": 1}) and self._try_due_rows():
            pass
        counts: dict[str, int] = dict.fromkeys(self._handlers, 0)
        for row in self._rows.find({}, {"feed": 1}):
            counts[row["feed"]] = counts.get(row["feed"], 0) + 1
        for feed, count in counts.items():
            _ITEMS.labels(feed).set(count)

    def _release_unblocked(self) -> None:
        """Makes a row due when another process resolved the one before it at the very moment it was put behind."""
        if self._rows.find_one({"due": _BEHIND}, {"_id": 1}) is None:
            return
        earlier_keys: set[tuple[str, str]] = set()
        for row in self._rows_in_order():
            keys = {(row["feed"], key) for key in row["keys"]}
            if row["due"] == _BEHIND and earlier_keys.isdisjoint(keys):
                self._rows.update_one({"_id": row["_id"], "due": _BEHIND}, {"$set": {"due": self._clock.now()}})
            earlier_keys |= keys

    def release(self) -> None:
        """Makes all failed rows due: the software may have changed since they failed."""
        self._rows.update_many({"due": {"$lt": _BEHIND}}, {"$set": {"due": self._clock.now()}})

    def _rows_in_order(self) -> list[RawDocument]:
        return sorted(self._rows.find({}, {"feed": 1, "keys": 1, "due": 1, "seq": 1}), key=lambda row: int(row["seq"]))

    def _try_due_rows(self) -> bool:
        """Tries each row that is due and that no row before it blocks. Returns whether one was resolved."""
        resolved = False
        blocked: set[tuple[str, str]] = set()
        for row in self._rows_in_order():
            keys = {(row["feed"], key) for key in row["keys"]}
            if blocked.isdisjoint(keys) and row["due"] <= self._clock.now() and self._try_row(row["_id"]):
                resolved = True
            else:
                blocked |= keys
        return resolved

    def _try_row(self, row_id: str) -> bool:
        row = self._rows.find_one({"_id": row_id})
        if row is None:
            return True
        handler = self._handlers.get(row["feed"])
        if handler is None:
            # This version of the software no longer follows the feed.
            self._rows.update_one({"_id": row_id}, {"$set": {"due": self._clock.now() + _LONGEST_PAUSE}})
            return False
        try:
            apply = handler(row)

            def work(unit: UnitOfWork) -> bool:
                same_revision = {"_id": row_id, "revision": row["revision"]}
                if self._rows.find_one(same_revision, {"_id": 1}, session=unit.session) is None:
                    return False
                apply(unit)
                self._rows.delete_one(same_revision, session=unit.session)
                behind = {"feed": row["feed"], "keys": {"$in": row["keys"]}, "due": _BEHIND}
                self._rows.update_many(behind, {"$set": {"due": self._clock.now()}}, session=unit.session)
                return True

            resolved = self._store.transact(work)
        # Any error is the reason why this row stays set aside.
        except Exception as e:
            self._record_failure(row, e)
            return False
        if resolved:
            log.info("applied after all", feed=row["feed"], name=row["name"], attempts=row["attempts"] + 1)
        return resolved

    def _record_failure(self, row: RawDocument, error: Exception) -> None:
        now = self._clock.now()
        pause = min(_FIRST_PAUSE * 2 ** min(row["attempts"], 20), _LONGEST_PAUSE)
        changes: RawDocument = {"due": now + pause, "tried_at": now}
        if is_transient(error):
            changes["due"] = now + _FIRST_PAUSE
        else:
            changes |= {"reason": reason_of(error), "version": __version__}
            changes["waits_for"] = str(error) if isinstance(error, NotYet) else ""
        same_revision = {"_id": row["_id"], "revision": row["revision"]}
        self._rows.update_one(same_revision, {"$set": changes, "$inc": {"attempts": 1}})

    # Work in the background.

    def wait(self) -> None:
        """Waits until a row was added or made due, `wake` was called, or it is time for another round (2 s)."""
        self._wake.wait(_ROUND_SECONDS)
        self._wake.clear()

    def prepare(self) -> None:
        """Creates the indexes; a second call changes nothing."""
        for keys in ("seq", "due", "keys", "feed"):
            self._rows.create_index(keys)

    def wake(self) -> None:
        """Ends `wait`."""
        self._wake.set()


class QuarantineRetrier:
    """Tries rows again in the background, with growing pauses.

    When the process starts it tries all failed rows, because the software may have changed.
    """

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quarantine", daemon=True)

    def start(self) -> None:
        """Starts in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the current round."""
        self._stopped.set()
        self._quarantine.wake()

    def _run(self) -> None:
        prepared = False
        while not self._stopped.is_set():
            try:
                if not prepared:
                    self._quarantine.prepare()
                    self._quarantine.release()
                    prepared = True
                self._quarantine.round()
            # The store may be unavailable; the rows are still there in the next round.
            except Exception as e:
                log.warning("quarantine not tried", reason=reason_of(e))
            self._quarantine.wait()


def message_handler(parts: FeedParts, apply: Callable[[UnitOfWork, Any], None]) -> Handler:
    """The handler that tries a part of a feed again."""

    def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
        part = parts.unpack(row["kind"], bytes(row["message"]))
        return lambda unit: apply(unit, part)

    return prepare


def to_dict(row: RawDocument) -> RawDocument:
    """A row as officers read it."""
    behind = row["due"] == _BEHIND
    return {
        "id": row["_id"],
        "feed": row["feed"],
        "name": row["name"],
        "concerns": row["keys"],
        "position": row["position"],
        "error": row["reason"]["error"],
        "reason": row["reason"]["text"],
        "state": "behind" if behind else "failed",
        "since": rfc3339(row["since"]),
        "attempts": row["attempts"],
        "last_attempt_at": rfc3339(row["tried_at"]) if row["tried_at"] else "",
        "next_attempt_at": "" if behind else rfc3339(row["due"]),
        "version": row["version"],
    }


def _report(feed: str, name: str, reason: dict[str, str]) -> None:
    _SET_ASIDE.labels(feed).inc()
    log.error("set aside", feed=feed, name=name, **reason)


_ITEMS = Gauge("chengxin_quarantine_items", "What is set aside because it could not be applied", ["feed"])
_SET_ASIDE = Counter(
    "chengxin_quarantine_set_aside_total", "What was set aside because it could not be applied", ["feed"]
)
