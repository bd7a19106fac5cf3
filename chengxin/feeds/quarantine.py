"""What cannot be applied is set aside (decision 24): kept with its reason, in order for what it concerns, tried again, told.

A row is one part of a feed's change, one audit event, or one item of a background job. Rows of a feed that share a key
are applied in order: what comes later for the same record or subject waits behind what failed. What comes later under
the same name takes its place: a corrected version of a record is applied instead of the one that failed.
"""

import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from prometheus_client import Counter, Gauge
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError

from chengxin import __version__
from chengxin.errors import Problem
from chengxin.store.database import Store, UnitOfWork, find_among
from chengxin.values.canonical_json import digest
from chengxin.values.clock import Clock, SystemClock, rfc3339
from chengxin.values.document import RawDocument

log = structlog.get_logger()

# Of a service's readiness: whether nothing is set aside. It is told there, and keeps no service out of work.
QUARANTINE: Final = "quarantine"

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_ROUND_SECONDS: Final = 2.0
# When a row is due that waits behind another one.
_BEHIND: Final = datetime(9999, 1, 1, tzinfo=UTC)
_ROOT: Final = Path(__file__).parents[2]
_AGAIN: Final = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")


class NotYet(Exception):
    """What a change needs has not come yet. The one argument names that (a catalog entry, say), never a value."""


@dataclass(frozen=True)
class Label:
    """What a part is called, and the keys under which order matters: pseudonyms and codes, no personal data.

    Of parts with the same name the one with the greatest version counts; without one, that with the greatest position.
    """

    name: str
    keys: tuple[str, ...] = ()
    version: int = 0


class FeedParts:
    """How a consumer takes a feed's changes apart, names the parts and keeps them. This one leaves changes whole."""

    def split(self, change: Any) -> list[Any]:
        """The parts that can be applied by themselves, in order."""
        return [change]

    def join(self, change: Any, parts: Sequence[Any], last: bool) -> Any:
        """Some parts of a change as one change; `last` when its position is remembered with it."""
        return parts[0]

    def label(self, part: Any) -> Label:
        """What a part is called and concerns."""
        return Label(str(part.position))

    def pack(self, part: Any) -> bytes:
        """A part as it is kept: no more than it takes to apply it again, and no personal data in the clear."""
        return bytes(part.SerializeToString())

    def unpack(self, kind: str, message: bytes) -> Any:
        """What `pack` was given. `kind` is the full name of the message's type."""
        made: Message = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(kind))()
        made.ParseFromString(message)
        return made


# Prepares what is kept in a row (`kind`, `message`) outside a transaction; answers what to do within it.
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
        """Says how what was set aside of a feed is tried again."""
        self._handlers[feed] = handler
        _ITEMS.labels(feed).set(0)

    # Setting aside.

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
        """Sets a part aside because of `error`; without one, behind what was set aside before. What is there under the
        same name is replaced, keeps its place, and is tried at once."""
        now = self._clock.now()
        row_id = "q_" + digest(f"{feed}\0{label.name}".encode())[:24]
        known = self._rows.find_one({"_id": row_id}, session=unit.session)
        of = label.version or position
        if known is not None and error is None and known["of"] >= of:
            # Given again after an interruption.
            return
        told = (
            reason_of(error)
            if error
            else {"error": "", "text": "waits behind another one of the same record or subject"}
        )
        row = {
            "_id": row_id,
            "feed": feed,
            "name": label.name,
            "keys": list(dict.fromkeys([*(known["keys"] if known else ()), label.name, *label.keys])),
            "seq": known["seq"] if known else self._next(unit),
            "revision": known["revision"] + 1 if known else 1,
            "position": position,
            "of": of,
            "kind": kind,
            "message": message,
            "reason": told,
            "waits_for": str(error) if isinstance(error, NotYet) else "",
            "since": known["since"] if known else now,
            "tried_at": now if error else None,
            "attempts": 1 if error else 0,
            "due": now + _FIRST_PAUSE if error else now if known else _BEHIND,
            "version": __version__,
        }
        self._rows.replace_one({"_id": row_id}, row, upsert=True, session=unit.session)
        unit.committed.append(self._wake.set)
        if error is not None:
            unit.committed.append(lambda: _tell(feed, label.name, told))

    def settle(self, job: str, items: Sequence[str], act: Callable[[Sequence[str]], object]) -> None:
        """A background job does `act` with some items, at once; of those that fail together each half by itself, and one
        that fails is set aside. What passes by itself is raised."""
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
        for some in (items[:middle], items[middle:]):
            self.settle(job, some, act)

    def handle_job(self, job: str, act: Callable[[Sequence[str]], object]) -> None:
        """Says how an item of a background job is tried again: doing it twice must change nothing."""

        def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
            act([row["name"]])
            return lambda unit: None

        self.handle(job, prepare)

    def _next(self, unit: UnitOfWork) -> int:
        counter = self._store.db["counters"].find_one_and_update(
            {"_id": "quarantine"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        return int(counter["n"]) if counter else 1

    def waiting(self, feed: str, keys: Sequence[str], unit: UnitOfWork) -> set[str]:
        """Those of the keys under which something of a feed is set aside."""
        wanted = set(keys)
        rows = find_among(self._rows, "keys", list(dict.fromkeys(keys)), {"feed": 1, "keys": 1}, unit.session)
        return {key for row in rows if row["feed"] == feed for key in row["keys"]} & wanted

    def has(self, feed: str, unit: UnitOfWork) -> bool:
        """Whether anything of a feed is set aside."""
        return self._rows.find_one({"feed": feed}, {"_id": 1}, session=unit.session) is not None

    def names(self, feed: str) -> set[str]:
        """The names of all that is set aside of a feed."""
        return {row["name"] for row in self._rows.find({"feed": feed}, {"name": 1})}

    def arrived(self, name: str, unit: UnitOfWork) -> None:
        """What some have waited for is there: they are tried at once."""
        due = {"$set": {"due": self._clock.now()}}
        if self._rows.update_many({"waits_for": name}, due, session=unit.session).modified_count:
            unit.committed.append(self._wake.set)

    # Telling.

    def rows(self, after: int = 0, limit: int = 0, feed: str = "") -> list[RawDocument]:
        """What is set aside, in the order in which it came, without what is kept of it."""
        query: RawDocument = {"seq": {"$gt": after}} | ({"feed": feed} if feed else {})
        return list(self._rows.find(query, {"message": 0}).sort([("seq", 1)]).limit(limit))

    def row(self, row_id: str) -> RawDocument | None:
        """One row, without what is kept of it."""
        return self._rows.find_one({"_id": row_id}, {"message": 0})

    def is_empty(self) -> bool:
        """Whether nothing is set aside. Raises `PyMongoError`."""
        return self._rows.find_one({}, {"_id": 1}) is None

    # Trying again.

    def retry(self, row_id: str) -> bool:
        """Tries a row again, and first those before it that concern the same; True when it is resolved."""
        before: list[str] = []
        keys: set[str] = set()
        feed = ""
        for row in reversed(self._order()):
            if row["_id"] == row_id or (row["feed"] == feed and not keys.isdisjoint(row["keys"])):
                feed = row["feed"]
                keys.update(row["keys"])
                before.append(row["_id"])
        return all(self._try(found) for found in reversed(before))

    def round(self) -> None:
        """Tries what is due, in order, and what has waited behind it."""
        self._let_go()
        while self._rows.find_one({"due": {"$lte": self._clock.now()}}, {"_id": 1}) and self._pass():
            pass
        counts: dict[str, int] = dict.fromkeys(self._handlers, 0)
        for row in self._rows.find({}, {"feed": 1}):
            counts[row["feed"]] = counts.get(row["feed"], 0) + 1
        for feed, count in counts.items():
            _ITEMS.labels(feed).set(count)

    def _let_go(self) -> None:
        """What waits behind something that another process has resolved at that very moment is due."""
        if self._rows.find_one({"due": _BEHIND}, {"_id": 1}) is None:
            return
        before: set[tuple[str, str]] = set()
        for row in self._order():
            keys = {(row["feed"], key) for key in row["keys"]}
            if row["due"] == _BEHIND and before.isdisjoint(keys):
                self._rows.update_one({"_id": row["_id"], "due": _BEHIND}, {"$set": {"due": self._clock.now()}})
            before |= keys

    def release(self) -> None:
        """All that failed is due: the software may be another one than the one that failed."""
        self._rows.update_many({"due": {"$lt": _BEHIND}}, {"$set": {"due": self._clock.now()}})

    def _order(self) -> list[RawDocument]:
        return sorted(self._rows.find({}, {"feed": 1, "keys": 1, "due": 1, "seq": 1}), key=lambda row: int(row["seq"]))

    def _pass(self) -> bool:
        """Tries each row that is due and has none before it; whether any was resolved."""
        resolved = False
        blocked: set[tuple[str, str]] = set()
        for row in self._order():
            keys = {(row["feed"], key) for key in row["keys"]}
            if blocked.isdisjoint(keys) and row["due"] <= self._clock.now() and self._try(row["_id"]):
                resolved = True
            else:
                blocked |= keys
        return resolved

    def _try(self, row_id: str) -> bool:
        row = self._rows.find_one({"_id": row_id})
        if row is None:
            return True
        handler = self._handlers.get(row["feed"])
        if handler is None:
            # Of a feed that this version of the software no longer follows.
            self._rows.update_one({"_id": row_id}, {"$set": {"due": self._clock.now() + _LONGEST_PAUSE}})
            return False
        try:
            apply = handler(row)

            def work(unit: UnitOfWork) -> bool:
                mine = {"_id": row_id, "revision": row["revision"]}
                if self._rows.find_one(mine, {"_id": 1}, session=unit.session) is None:
                    return False
                apply(unit)
                self._rows.delete_one(mine, session=unit.session)
                behind = {"feed": row["feed"], "keys": {"$in": row["keys"]}, "due": _BEHIND}
                self._rows.update_many(behind, {"$set": {"due": self._clock.now()}}, session=unit.session)
                return True

            resolved = self._store.transact(work)
        # Whatever it is, it is what keeps this one aside.
        except Exception as e:
            self._failed(row, e)
            return False
        if resolved:
            log.info("applied after all", feed=row["feed"], name=row["name"], attempts=row["attempts"] + 1)
        return resolved

    def _failed(self, row: RawDocument, error: Exception) -> None:
        now = self._clock.now()
        pause = min(_FIRST_PAUSE * 2 ** min(row["attempts"], 20), _LONGEST_PAUSE)
        told: RawDocument = {"due": now + pause, "tried_at": now}
        if is_transient(error):
            told["due"] = now + _FIRST_PAUSE
        else:
            told |= {"reason": reason_of(error), "version": __version__}
            told["waits_for"] = str(error) if isinstance(error, NotYet) else ""
        mine = {"_id": row["_id"], "revision": row["revision"]}
        self._rows.update_one(mine, {"$set": told, "$inc": {"attempts": 1}})

    # In the background.

    def wait(self) -> None:
        """Returns when there is news, or it is time for another round."""
        self._wake.wait(_ROUND_SECONDS)
        self._wake.clear()

    def prepare(self) -> None:
        """Makes the indexes; doing it again changes nothing."""
        for keys in ("seq", "due", "keys", "feed"):
            self._rows.create_index(keys)

    def wake(self) -> None:
        """Ends `wait`."""
        self._wake.set()


class QuarantineRetrier:
    """Tries again in the background, with growing pauses: after a start of the process everything, for the software may
    be another one by then."""

    def __init__(self, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quarantine", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the row in hand."""
        self._stopped.set()
        self._quarantine.wake()

    def _run(self) -> None:
        begun = False
        while not self._stopped.is_set():
            try:
                if not begun:
                    self._quarantine.prepare()
                    self._quarantine.release()
                    begun = True
                self._quarantine.round()
            # A store that is away; what is set aside is still there in another round.
            except Exception as e:
                log.warning("quarantine not tried", reason=reason_of(e))
            self._quarantine.wait()


def message_handler(parts: FeedParts, apply: Callable[[UnitOfWork, Any], None]) -> Handler:
    """How a part of a feed is tried again."""

    def prepare(row: RawDocument) -> Callable[[UnitOfWork], None]:
        part = parts.unpack(row["kind"], bytes(row["message"]))
        return lambda unit: apply(unit, part)

    return prepare


def is_transient(error: Exception) -> bool:
    """Whether the same may succeed in a moment though nothing has changed: another one is away, or two have conflicted."""
    if isinstance(error, Problem):
        return error.type.status == 503
    if isinstance(error, PyMongoError) and any(error.has_error_label(label) for label in _AGAIN):
        return True
    return isinstance(error, ConnectionFailure | ExecutionTimeout | grpc.RpcError | OSError)


def reason_of(error: Exception) -> dict[str, str]:
    """An error as it is kept and told: its class, and where in our code; not its message, which may hold what somebody
    delivered."""
    if isinstance(error, NotYet):
        text = f"waits for {error}"
    elif isinstance(error, Problem):
        # Which rule a field breaks, not what is in it.
        text = " ".join([error.code, *(f"{f.field}:{f.rule}" for f in error.fields[:5])])
    elif isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        text = error.code().name
    else:
        text = _where(error)
    return {"error": type(error).__name__, "text": text}


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


def _where(error: Exception) -> str:
    own: Iterable[traceback.FrameSummary] = (
        frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if frame.filename.startswith(f"{_ROOT}/")
    )
    found = next((f for f in own if ".venv" not in f.filename), None)
    return f"{Path(found.filename).relative_to(_ROOT)}:{found.lineno} in {found.name}" if found else ""


def _tell(feed: str, name: str, reason: dict[str, str]) -> None:
    _SET_ASIDE.labels(feed).inc()
    log.error("set aside", feed=feed, name=name, **reason)


_ITEMS = Gauge("chengxin_quarantine_items", "What is set aside because it could not be applied", ["feed"])
_SET_ASIDE = Counter(
    "chengxin_quarantine_set_aside_total", "What was set aside because it could not be applied", ["feed"]
)
