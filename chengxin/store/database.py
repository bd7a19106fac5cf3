"""The store of a service: connection, transactions, and the outbox that carries its changes and audit events."""

import contextlib
import itertools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import bson
import structlog
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.mongo_client import MongoClient
from pymongo.read_concern import ReadConcern
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed, wait_random_exponential

from chengxin.errors import FEED_POSITION_UNKNOWN, IDEMPOTENCY_CONFLICT
from chengxin.store import on_record
from chengxin.store.deadlines import (
    OPERATION_SECONDS,
    PING_SECONDS,
    RECHECK_SECONDS,
    START_SECONDS,
    in_turn,
    patience,
    within,
)
from chengxin.store.documents import DocumentClass, collection_name, indexes, missing_indexes
from chengxin.store.silent_store import StoreSilence
from chengxin.values.canonical_json import digest
from chengxin.values.clock import Clock
from chengxin.values.document import RawDocument

T = TypeVar("T")
R = TypeVar("R")

log = structlog.get_logger()

# InternalError: what a store answers that can do nothing until it is started again.
STORE_BROKEN: Final = 1
# What a store answers to a transaction that ended when it was started again.
NO_SUCH_TRANSACTION: Final = 251
# What a store answers to the creation of a collection that is there.
NAMESPACE_EXISTS: Final = 48

# How often a feed looks for rows that another process committed; rows of this process wake it at once.
_POLL_SECONDS: Final = 0.5
# Values asked for at once: the embedded server compares each document it finds with the whole list (500 at once: 600 ms,
# 10 times 50: 50 ms).
_AMONG: Final = 50
# Rows of the outbox that are read at once; one may have a megabyte.
_ROWS_AT_ONCE: Final = 20
# For so long further ones are read, at most as many as were asked for.
_READING_SECONDS: Final = 0.5
# How many rows of this process are held for those who follow closely.
_HELD: Final = 100
# A store ends a transaction that nobody goes on with after a minute; until then it holds what it has written.
_LEFT_SECONDS: Final = 90.0
_LEFT_PAUSE: Final = 0.5
# Of so many processes the transactions are ended when another one starts: those that began last.
_SESSIONS: Final = 100
_ABORT_SECONDS: Final = 0.2
_CLOSING_SECONDS: Final = 1.0


@dataclass(frozen=True)
class OutboxRow:
    """One committed transaction of a service."""

    position: int
    at: datetime
    changes: list[RawDocument]
    events: list[bytes]


@dataclass(frozen=True)
class FeedHead:
    """A feed as it is seen from a position: its newest position with something for the consumer, and the age in seconds of
    the oldest such after the position; 0 when there is none."""

    position: int
    oldest_seconds: float = 0.0


@dataclass
class UnitOfWork:
    """One transaction: what is written with `session` commits together with the changes and events added here."""

    session: ClientSession
    changes: list[RawDocument] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    # What this process does once it has committed, before those who follow are woken. It must not fail.
    committed: list[Callable[[], None]] = field(default_factory=list)
    # Rows of the outbox are numbered and written at the end of the transaction.
    row: OutboxRow | None = None
    # Why there is no audit event, where there need not be one.
    eventless: str = ""
    # Whether the event is still to come, after the transaction and before the answer.
    awaits_event: bool = False
    # The use case that began the transaction. Others may be run inside of it: their events commit with it.
    begun_by: on_record.Account | None = field(default_factory=on_record.running)

    def publish(self, kind: str, **payload: Any) -> None:
        """Adds a change to the service's feed."""
        self.changes.append({"kind": kind, **payload})

    def record(self, event: bytes) -> None:
        """Adds an audit event (canonical JSON, from `AuditEvent.encode`)."""
        self.events.append(event)
        if on_record.running() is not self.begun_by:
            on_record.enter(1)

    def without_event(self, reason: str) -> None:
        """Says why the transaction needs no audit event: nothing changes, or what changes is on record already."""
        self.eventless = reason

    def event_follows(self, reason: str) -> None:
        """Says why the event comes after the transaction. The use case answers nothing before the event is durable."""
        self.eventless, self.awaits_event = reason, True


@dataclass(frozen=True)
class Once(Generic[T]):
    """What became of a request: `value` when it was carried out now, and the answer that is kept for its repeats."""

    answer: RawDocument
    value: T | None = None

    @property
    def first(self) -> bool:
        """Whether the request was carried out now; else it is a repeat."""
        return self.value is not None

    def or_read(self, read: Callable[[RawDocument], T]) -> T:
        """The value, or what `read` makes of the answer to the first request."""
        return read(self.answer) if self.value is None else self.value


class Store:
    """A service's own database. All other code of the service reaches Mongo through its `store.py`, which uses this."""

    def __init__(self, uri: str, service: str, clock: Clock) -> None:
        self.client: MongoClient[RawDocument] = MongoClient(
            uri,
            tz_aware=True,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            timeoutMS=round(OPERATION_SECONDS * 1000),
            appname=service,
            w="majority",
            journal=True,
        )
        # The name is in the URI; without one it is the database that Mongo's own tools take.
        self.db: Database[RawDocument] = self.client.get_default_database("test")
        self._clock = clock
        self._outbox: Collection[RawDocument] = self.db["outbox"]
        self._counters: Collection[RawDocument] = self.db["counters"]
        self._positions: Collection[RawDocument] = self.db["positions"]
        self._answers: Collection[RawDocument] = self.db["idempotency"]
        # Transactions of one process take turns: they would only conflict on the outbox counter.
        self._turn = threading.Lock()
        # What this process committed last, for those who follow: three of them read each row of ingest.
        self._held: deque[OutboxRow] = deque(maxlen=_HELD)
        self._committed = threading.Condition()
        # Of each stream of the outbox: up to where it was looked at, and the newest row with something for its consumers.
        self._newest: dict[str, tuple[int, int]] = {}
        self._left = _LeftTransactions(self.client)
        # The session of this process's transactions, known to others by its id: see `end_transactions`.
        self._session: ClientSession | None = None
        # For the faces of the service.
        self.silence = StoreSilence(self.ping)
        self._sessions: Collection[RawDocument] = self.db["transaction_sessions"]

    def collection(self, document: DocumentClass) -> Collection[RawDocument]:
        """The collection of a document class in this store."""
        return self.db[collection_name(document)]

    def create(
        self, documents: Iterable[DocumentClass], name: Callable[[DocumentClass], str] = collection_name
    ) -> None:
        """Makes the collections and indexes of document classes that are missing; `name` says where they are kept.

        Each collection is there before a transaction writes to it, because the embedded server makes none in a
        transaction. The store refuses an index that it has with other options.
        """
        existing = set(self.db.list_collection_names())
        for document in documents:
            collection = self.db[name(document)]
            declared = indexes(document)
            if declared and collection.name in existing:
                declared = missing_indexes(document, collection)
            if declared:
                # One command makes all of them, and the collection.
                collection.create_indexes(declared)
            elif collection.name not in existing:
                self._create_collection(collection.name)

    def _create_collection(self, name: str) -> None:
        try:
            self.db.create_collection(name, check_exists=False)
        except OperationFailure as e:
            # Another process of the service starts at the same moment.
            if e.code != NAMESPACE_EXISTS:
                raise

    def ping(self) -> None:
        """Raises `pymongo.errors.PyMongoError` when the store does not answer soon, or not for data: a store whose disk
        was full answers the command `ping`."""
        with within(PING_SECONDS):
            self._counters.find_one({"_id": "outbox"})

    def prepare(self, work: Callable[[], T]) -> T:
        """Does what a service does before it serves, which may take long in a full store, once the store answers. Raises
        `pymongo.errors.PyMongoError` when it does not within a minute."""
        patiently = Retrying(
            retry=retry_if_exception(is_passing), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
        )
        patiently(self.ping)
        self.end_transactions()
        with within(START_SECONDS):
            return work()

    def end_transactions(self) -> None:
        """Ends what other processes have begun in this store and not committed.

        A store waits a minute for a process that was killed within a transaction, and until then nobody can write what it
        wrote, the outbox counter with it. One that lives tries its transaction again, as after a conflict.
        """
        mine = _id_of(self._session) if self._session is not None else None
        newest = sorted(self._sessions.find({}), key=lambda row: row["since"], reverse=True)
        # Whether one of them lives is not known here.
        for row in newest[_SESSIONS:]:
            self._sessions.delete_one({"_id": row["_id"]})
        others = [row["_id"] for row in newest[:_SESSIONS] if row["_id"] != mine]
        if others:
            self.client.admin.command("killSessions", [{"id": bson.Binary.from_uuid(one)} for one in others])

    def transact(self, work: Callable[[UnitOfWork], T]) -> T:
        """Runs `work` in one transaction, majority and journalled, retried on transient conflicts while there is patience
        (`chengxin.store.deadlines`).

        `work` may run more than once; it must do nothing but read and write with the unit. After an error of the store
        nothing is half done; what was being committed at that moment may be done or not.
        """
        began = time.monotonic()
        with in_turn(self._turn):
            waited = time.monotonic() - began
            if waited > RECHECK_SECONDS:
                # Those before it may have met a store that does not answer: no second whole deadline for that.
                with within(max(OPERATION_SECONDS - waited, RECHECK_SECONDS)):
                    self._counters.find_one({"_id": "outbox"})
            try:
                done = self._attempt(work)
            except PyMongoError as e:
                if not _conflicted(e):
                    raise
                done = self._attempt_again(work)
        result, unit = done
        on_record.enter(len(unit.events))
        if unit.eventless and not unit.awaits_event:
            on_record.enter_nothing_new()
        for then in unit.committed:
            then()
        if unit.row is not None:
            with self._committed:
                self._held.append(unit.row)
                self._committed.notify_all()
        return result

    def _attempt_again(self, work: Callable[[UnitOfWork], T]) -> tuple[T, UnitOfWork]:
        again = Retrying(
            retry=retry_if_exception(_conflicted),
            wait=wait_random_exponential(0.01, 0.5),
            stop=stop_after_delay(patience()),
            reraise=True,
        )

        def work_alone(unit: UnitOfWork) -> T:
            # It conflicts with another process at once now, or not at all: not at its end, again and again.
            self._counters.update_one({"_id": "outbox"}, {"$inc": {"turns": 1}}, session=unit.session)
            return work(unit)

        done: tuple[T, UnitOfWork] = again(self._attempt, work_alone)
        return done

    def _attempt(self, work: Callable[[UnitOfWork], T]) -> tuple[T, UnitOfWork]:
        # Not by the driver's `with_transaction`: it goes on for two minutes with a store that does not answer.
        session = self._own_session()
        try:
            session.start_transaction(ReadConcern("snapshot"), WriteConcern(w="majority", j=True))
            unit = UnitOfWork(session)
            on_record.begin_transaction()
            result = work(unit)
            on_record.must_allow_commit(len(unit.events), unit.eventless)
            if unit.changes or unit.events:
                self._append(unit)
            session.commit_transaction()
        except (ConnectionFailure, ExecutionTimeout):
            # The store may not hear that it is over, and would hold up every transaction that follows.
            self._left.end(session.session_id)
            self._session = None
            with within(_ABORT_SECONDS):
                session.end_session()
            raise
        except BaseException:
            if session.in_transaction:
                session.abort_transaction()
            raise
        return result, unit

    def _own_session(self) -> ClientSession:
        if self._session is None:
            session = self.client.start_session()
            # Known before there is anything to end.
            known = {"_id": _id_of(session)}
            self._sessions.replace_one(known, known | {"since": self._clock.now()}, upsert=True)
            self._session = session
        return self._session

    def once(
        self,
        caller: str,
        key: str,
        request: bytes,
        work: Callable[[UnitOfWork], T],
        keep: Callable[[T], RawDocument],
    ) -> Once[T]:
        """Runs `work` in a transaction at most once per `Idempotency-Key` of a caller; a repeat gets the first answer.

        `request` is what was asked, to tell a repeat from another request under the same key (IDEMPOTENCY_CONFLICT).
        `keep` makes of what `work` returns (never None) the answer that is kept. An empty key runs `work` every time.
        """
        return self.once_on(lambda unit: None, caller, key, request, lambda unit, _: work(unit), keep)

    def once_on(
        self,
        load: Callable[[UnitOfWork], R],
        caller: str,
        key: str,
        request: bytes,
        work: Callable[[UnitOfWork, R], T],
        keep: Callable[[T], RawDocument],
    ) -> Once[T]:
        """As `once`, for a request about something that is stored: `load` reads and authorises it in the transaction.

        It is read for a repeat, too: whoever may no longer act on it does not get the answer from when that was allowed.
        """
        name, asked = f"{caller}\0{key}", digest(request)

        def carry_out(unit: UnitOfWork) -> Once[T]:
            value = work(unit, load(unit))
            return Once(keep(value), value)

        def first_time(unit: UnitOfWork) -> Once[T]:
            known = self._answers.find_one({"_id": name}, session=unit.session)
            if known is not None:
                if known["asked"] != asked:
                    raise IDEMPOTENCY_CONFLICT(key=key)
                load(unit)
                unit.without_event("a repeat gets the first answer")
                return Once(dict(known["answer"]))
            done = carry_out(unit)
            self._answers.insert_one(
                {"_id": name, "asked": asked, "answer": done.answer, "at": self._clock.now()}, session=unit.session
            )
            return done

        return self.transact(first_time if key else carry_out)

    def _append(self, unit: UnitOfWork) -> None:
        # The counter is written inside the transaction: a second writer conflicts and retries, so positions are
        # committed in order and without gaps.
        counter = self._counters.find_one_and_update(
            {"_id": "outbox"},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if counter is None:
            raise RuntimeError("an upsert answered without its document")
        row = {"_id": counter["n"], "at": self._clock.now(), "changes": unit.changes, "events": unit.events}
        options = self._outbox.codec_options
        encoded = bson.encode(row, codec_options=options)
        self._outbox.insert_one(RawBSONDocument(encoded), session=unit.session)
        # As whoever reads it from the store has it.
        unit.row = _row(bson.decode(encoded, options))

    def rows(self, after: int, limit: int = 200) -> list[OutboxRow]:
        """Committed transactions after a position, in order. Raises FEED_POSITION_UNKNOWN."""
        # By number, for they have no gaps: SecantusDB scans the collection for `{"$gt": after}`, seconds at 80,000 rows.
        last = self._last()
        if not 0 <= after <= last:
            # Of a store put back to an older state, say. In silence a follower would miss what comes next.
            raise FEED_POSITION_UNKNOWN(after=after)
        newest = min(last, after + limit)
        if newest == after:
            return []
        rows: list[OutboxRow] = []
        began = time.monotonic()
        for start in range(after + 1, newest + 1, _ROWS_AT_ONCE):
            some = range(start, min(start + _ROWS_AT_ONCE, newest + 1))
            found = {r["_id"]: r for r in self._outbox.find({"_id": {"$in": list(some)}})}
            rows += [_row(found[position]) for position in itertools.takewhile(found.__contains__, some)]
            # Rows of a megabyte take long: what has been read is told before the next ones are.
            if len(found) < len(some) or time.monotonic() - began > _READING_SECONDS:
                break
        return rows

    def head(self, after: int, stream: str, wanted: Callable[[OutboxRow], object]) -> FeedHead:
        """The outbox as a consumer at a position sees it that takes the rows that are `wanted`; `stream` names these, to look
        at each row once. Raises FEED_POSITION_UNKNOWN."""
        newest = self._newest_of(stream, wanted)
        position = after
        if not 0 <= after <= max(newest, self._last()):
            raise FEED_POSITION_UNKNOWN(after=after)
        while position < newest:
            rows = self.rows(position, _ROWS_AT_ONCE)
            for row in rows:
                if wanted(row):
                    return FeedHead(newest, max(0.0, (self._clock.now() - row.at).total_seconds()))
            if not rows:
                break
            position = rows[-1].position
        return FeedHead(newest)

    def _newest_of(self, stream: str, wanted: Callable[[OutboxRow], object]) -> int:
        """The position of the newest row that is wanted; 0 for none."""
        last = self._last()
        seen, newest = self._newest.get(stream, (-1, 0))
        if seen < 0 or seen > last:
            # From the end backwards, the first time and in a store put back to an older state.
            seen, newest, before = last, 0, last
            while before > 0 and not newest:
                start = max(0, before - _ROWS_AT_ONCE)
                found = [row.position for row in self.rows(start, before - start) if wanted(row)]
                newest, before = max(found, default=0), start
        while seen < last:
            rows = self.rows(seen, _ROWS_AT_ONCE)
            if not rows:
                break
            newest = max((row.position for row in rows if wanted(row)), default=newest)
            seen = rows[-1].position
        self._newest[stream] = seen, newest
        return newest

    def _last(self) -> int:
        counter = self._counters.find_one({"_id": "outbox"})
        return int(counter["n"]) if counter else 0

    def follow(self, after: int, running: Callable[[], bool]) -> Iterator[OutboxRow]:
        """Committed transactions after a position, in order, without end, while `running()`. Raises
        FEED_POSITION_UNKNOWN."""
        level = False
        while running():
            if level:
                self._await(after, running)
            held = self._following(after)
            found = held or self.rows(after)
            level = bool(held) or not found
            for row in found:
                yield row
                after = row.position

    def _await(self, after: int, running: Callable[[], bool]) -> None:
        """Waits for the row that follows, or until it is time to look whether another process committed one."""
        with self._committed:
            if running() and not self._following(after):
                self._committed.wait(_POLL_SECONDS)

    def _following(self, after: int) -> list[OutboxRow]:
        """The rows that are held after a position; none when the next one is not among them."""
        with self._committed:
            found = [row for row in self._held if row.position > after]
        # Another process may have committed in between.
        without_gap = [row.position for row in found] == list(range(after + 1, after + 1 + len(found)))
        return found if without_gap else []

    def wake(self) -> None:
        """Lets everybody who follows look whether to go on."""
        with self._committed:
            self._committed.notify_all()

    def position(self, of: str) -> int:
        """Where the consumer named `of` is in the feed that it follows; 0 before the first change."""
        found = self._positions.find_one({"_id": of})
        return int(found["position"]) if found else 0

    def set_position(self, of: str, position: int, session: ClientSession | None = None) -> None:
        """Remembers where a consumer is, within the transaction of what it derived."""
        self._positions.update_one({"_id": of}, {"$max": {"position": position}}, upsert=True, session=session)

    def set_begun(self, of: str, position: int, session: ClientSession | None = None) -> None:
        """Remembers that a consumer has derived something of a position, and not all of it."""
        begun = {"$max": {"position": 0, "begun": position}}
        self._positions.update_one({"_id": of}, begun, upsert=True, session=session)

    def close(self) -> None:
        """Closes the connections; the same service may then be connected to another store."""
        self._left.close()
        # It says good-bye to the store, which may not answer.
        with within(_CLOSING_SECONDS):
            if self._session is not None:
                with contextlib.suppress(PyMongoError):
                    self._sessions.delete_one({"_id": _id_of(self._session)})
            self.client.close()


def _id_of(session: ClientSession) -> uuid.UUID:
    return bson.Binary(session.session_id["id"], bson.binary.UUID_SUBTYPE).as_uuid()


class _LeftTransactions:
    """Transactions that were cut off: ended at the store as soon as it answers.

    A deadline ends waiting, not the transaction: what it wrote stays locked until the store has had enough of it, the
    outbox counter with it, and with that every write of the service.
    """

    def __init__(self, client: MongoClient[RawDocument]) -> None:
        self._client = client
        self._sessions: dict[bytes, tuple[RawDocument, float]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def end(self, session: Mapping[str, Any]) -> None:
        """Ends the transaction of a session, in the background."""
        with self._changed:
            self._sessions[bytes(session["id"])] = dict(session), time.monotonic() + _LEFT_SECONDS
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="left-transactions", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends trying."""
        self._closed.set()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                self._sessions = {key: (s, until) for key, (s, until) in self._sessions.items() if until > now}
                sessions = dict(self._sessions)
                if not sessions or self._closed.is_set():
                    self._thread = None
                    return
            try:
                with within(PING_SECONDS):
                    self._client.admin.command("killSessions", [session for session, _ in sessions.values()])
            # Nor does it answer this: again.
            except PyMongoError as e:
                log.info("transactions not ended yet", count=len(sessions), reason=repr(e)[:200])
                self._closed.wait(_LEFT_PAUSE)
                continue
            with self._changed:
                for key in sessions:
                    self._sessions.pop(key, None)


def _conflicted(error: BaseException) -> bool:
    """Whether a transaction that failed so may succeed at once. One that met a store that does not answer will not."""
    if isinstance(error, (NetworkTimeout, ServerSelectionTimeoutError, ExecutionTimeout)):
        return False
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")


def is_passing(error: BaseException) -> bool:
    """Whether an error says no more than that the store is away for a while, or was when it was asked."""
    if isinstance(error, (ConnectionFailure, ExecutionTimeout)):
        return True
    if isinstance(error, OperationFailure) and error.code == NO_SUCH_TRANSACTION:
        return True
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")


def _row(found: RawDocument) -> OutboxRow:
    return OutboxRow(found["_id"], found["at"], found["changes"], [bytes(event) for event in found["events"]])


def session_of(unit: UnitOfWork | None) -> ClientSession | None:
    """The session that makes a read part of a transaction; none outside of one."""
    return unit.session if unit else None


def find_among(
    collection: Collection[RawDocument],
    name: str,
    values: Sequence[str],
    fields: RawDocument | None = None,
    session: ClientSession | None = None,
    at_once: int = _AMONG,
) -> Iterator[RawDocument]:
    """The documents that have one of these values, in no order; asked for so many at once."""
    for start in range(0, len(values), at_once):
        some = {name: {"$in": list(values[start : start + at_once])}}
        yield from collection.find(some, fields, session=session, batch_size=at_once + 1)
