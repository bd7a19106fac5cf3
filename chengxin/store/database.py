"""The store of a service: connection, transactions, and the outbox that carries its changes and audit events."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

import bson
from pymongo import WriteConcern
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

from chengxin.bounds import own
from chengxin.store import kernel_documents, on_record
from chengxin.store.deadlines import (
    OPERATION_SECONDS,
    PING_SECONDS,
    RECHECK_SECONDS,
    START_SECONDS,
    in_turn,
    patience,
    within,
)
from chengxin.store.documents import D, DocumentClass, Documents, collection_name
from chengxin.store.idempotency import Answers, Once
from chengxin.store.left_transactions import LeftTransactions
from chengxin.store.outbox import FeedHead, Outbox
from chengxin.store.schema import create_collections
from chengxin.store.silent_store import StoreSilence
from chengxin.store.unit_of_work import OutboxRow, UnitOfWork, session_of
from chengxin.values.clock import Clock
from chengxin.values.document import RawDocument

__all__ = [
    "NO_SUCH_TRANSACTION",
    "STORE_BROKEN",
    "FeedHead",
    "Once",
    "OutboxRow",
    "Store",
    "UnitOfWork",
    "find_among",
    "is_passing",
    "session_of",
]

T = TypeVar("T")
R = TypeVar("R")

# InternalError: what a store answers that can do nothing until it is started again.
STORE_BROKEN: Final = 1
# What a store answers to a transaction that ended when it was started again.
NO_SUCH_TRANSACTION: Final = 251

# Values asked for at once: the embedded server compares each document it finds with the whole list (500 at once: 600 ms,
# 10 times 50: 50 ms).
_AMONG: Final = 50
# Of so many processes the transactions are ended when another one starts: those that began last.
_SESSIONS: Final = 100
_ABORT_SECONDS: Final = 0.2
_CLOSING_SECONDS: Final = 1.0

own(
    __name__,
    "MongoClient",
    resource="Connections to the store",
    total=100,
    why="The driver's own limit; those who wait are the callers that the faces let in",
)


class Store:
    """A service's own database. All other code of the service reaches Mongo through its `store/`, which uses this."""

    def __init__(self, uri: str, service: str, clock: Clock) -> None:
        self.client: MongoClient[RawDocument] = MongoClient(
            uri,
            tz_aware=True,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            timeoutMS=round(OPERATION_SECONDS * 1000),
            appname=service,
            # A row that a failover rolls back must not have been told to anybody: neither reads nor writes see less than
            # what a majority has. Nobody chooses otherwise for a single call (decision 39).
            readConcernLevel="majority",
            w="majority",
            journal=True,
        )
        # The name is in the URI; without one it is the database that Mongo's own tools take.
        self.db: Database[RawDocument] = self.client.get_default_database("test")
        self._clock = clock
        self.outbox = Outbox(self.db, clock)
        self._counters: Collection[RawDocument] = self.collection(kernel_documents.CounterRow)
        self._positions: Collection[RawDocument] = self.collection(kernel_documents.PositionRow)
        self._answers = Answers(self.db, clock)
        # Transactions of one process take turns: they would only conflict on the outbox counter, and they have one
        # session. Whoever writes nothing begins none.
        self._turn = threading.Lock()
        self._left = LeftTransactions(self.client)
        # The session of this process's transactions, known to others by its id: see `end_transactions`.
        self._session: ClientSession | None = None
        # For the faces of the service.
        self.silence = StoreSilence(self.ping)
        self._sessions: Collection[RawDocument] = self.collection(kernel_documents.TransactionSessionRow)

    def collection(self, document: DocumentClass) -> Collection[RawDocument]:
        """The collection of a document class in this store."""
        return self.db[collection_name(document)]

    def documents(self, document: type[D]) -> Documents[D]:
        """The documents of a class in this store."""
        return Documents(document, self.collection(document))

    def create(
        self, documents: Iterable[DocumentClass], name: Callable[[DocumentClass], str] = collection_name
    ) -> None:
        """Makes the collections and indexes of document classes that are missing, and those that every store has; `name`
        says where the former are kept. Raises `IndexConflict`."""
        create_collections(self.db, kernel_documents.ALL, collection_name)
        create_collections(self.db, documents, name)

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
        nothing is half done; what was being committed at that moment may be done or not. A query begins none:
        `NotReadOnly`.
        """
        on_record.must_be_command()
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
            self.outbox.hold(unit.row)
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
                self.outbox.append(unit)
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

        def attempt(unit: UnitOfWork) -> Once[T]:
            loaded = load(unit)

            def carry_out() -> Once[T]:
                value = work(unit, loaded)
                return Once(keep(value), value)

            return self._answers.first_or_repeat(unit, caller, key, request, carry_out) if key else carry_out()

        return self.transact(attempt)

    def rows(self, after: int, limit: int = 200) -> list[OutboxRow]:
        """Committed transactions after a position, in order. Raises FEED_POSITION_UNKNOWN."""
        return self.outbox.rows(after, limit)

    def head(self, after: int, stream: str, wanted: Callable[[OutboxRow], object]) -> FeedHead:
        """The outbox as a consumer at a position sees it; see `Outbox.head`. Raises FEED_POSITION_UNKNOWN."""
        return self.outbox.head(after, stream, wanted)

    def follow(self, after: int, running: Callable[[], bool]) -> Iterator[OutboxRow]:
        """Committed transactions after a position, in order, without end, while `running()`. Raises
        FEED_POSITION_UNKNOWN."""
        return self.outbox.follow(after, running)

    def wake(self) -> None:
        """Lets everybody who follows look whether to go on."""
        self.outbox.wake()

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
        """Closes the connections."""
        self._left.close()
        # It says good-bye to the store, which may not answer.
        with within(_CLOSING_SECONDS):
            if self._session is not None:
                with contextlib.suppress(PyMongoError):
                    self._sessions.delete_one({"_id": _id_of(self._session)})
            self.client.close()


def _id_of(session: ClientSession) -> uuid.UUID:
    return bson.Binary(session.session_id["id"], bson.binary.UUID_SUBTYPE).as_uuid()


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
