"""The store of a service: connection, transactions, and the outbox that carries its changes and audit events."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import bson
import mongoengine
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.mongo_client import MongoClient
from pymongo.read_concern import ReadConcern

from chengxin.canonical import digest
from chengxin.clock import Clock
from chengxin.errors import FEED_POSITION_UNKNOWN, IDEMPOTENCY_CONFLICT, STORE_UNAVAILABLE

T = TypeVar("T")

# InternalError: what a store answers that can do nothing until it is started again.
STORE_BROKEN: Final = 1
Document = dict[str, Any]

# How often a feed looks for rows that another process committed; rows of this process wake it at once.
_POLL_SECONDS: Final = 0.5
# Values asked for at once: the embedded server compares each document it finds with the whole list (500 at once: 600 ms,
# 10 times 50: 50 ms).
_AMONG: Final = 50
# How many rows of this process are held for those who follow closely.
_HELD: Final = 100
# How long a transaction waits for its turn.
_TURN_SECONDS: Final = 15


@dataclass(frozen=True)
class OutboxRow:
    """One committed transaction of a service."""

    position: int
    at: datetime
    changes: list[Document]
    events: list[bytes]


@dataclass
class Unit:
    """One transaction: what is written with `session` commits together with the changes and events added here."""

    session: ClientSession
    changes: list[Document] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    # What this process does once it has committed, before those who follow are woken. It must not fail.
    committed: list[Callable[[], None]] = field(default_factory=list)
    # Rows of the outbox are numbered and written at the end of the transaction.
    row: OutboxRow | None = None

    def publish(self, kind: str, **payload: Any) -> None:
        """Adds a change to the service's feed."""
        self.changes.append({"kind": kind, **payload})

    def record(self, event: bytes) -> None:
        """Adds an audit event (canonical JSON, from `AuditEvent.encode`)."""
        self.events.append(event)


class Store:
    """A service's own database. All other code of the service reaches Mongo through its `store.py`, which uses this."""

    def __init__(self, uri: str, alias: str, clock: Clock) -> None:
        self._alias = alias
        self.client: MongoClient[Document] = mongoengine.connect(
            alias=alias,
            host=uri,
            tz_aware=True,
            uuidRepresentation="standard",
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            appname=alias,
            w="majority",
            journal=True,
        )
        self.db: Database[Document] = mongoengine.get_db(alias)
        self._clock = clock
        self._outbox: Collection[Document] = self.db["outbox"]
        self._counters: Collection[Document] = self.db["counters"]
        self._positions: Collection[Document] = self.db["positions"]
        self._answers: Collection[Document] = self.db["idempotency"]
        # Transactions of one process take turns: they would only conflict on the outbox counter.
        self._turn = threading.Lock()
        # What this process committed last, for those who follow: three of them read each row of ingest.
        self._held: deque[OutboxRow] = deque(maxlen=_HELD)
        self._committed = threading.Condition()

    def collection(self, document: type[mongoengine.Document]) -> Collection[Document]:
        """The collection of a document class in this store.

        mongoengine keeps the collection at the class, for the whole process: whoever asked there could be given that of
        a store that was closed.
        """
        return self.db[document._get_collection_name()]

    def ping(self) -> None:
        """Raises `pymongo.errors.PyMongoError` when the store does not answer, or not for data: a store whose disk was
        full answers the command `ping`."""
        self._counters.find_one({"_id": "outbox"})

    def transact(self, work: Callable[[Unit], T]) -> T:
        """Runs `work` in one transaction, majority and journalled, retried on transient conflicts.

        `work` may run more than once; it must do nothing but read and write with the unit.
        """

        def attempt(session: ClientSession) -> tuple[T, Unit]:
            unit = Unit(session)
            try:
                result = work(unit)
                if unit.changes or unit.events:
                    self._append(unit)
            except ServerSelectionTimeoutError as e:
                # A store that is away for the time that its selection takes is told at once: as it came, the error has
                # a label by which the driver would try for two minutes, and hold up all who wait for their turn.
                raise ServerSelectionTimeoutError(str(e)) from None
            return result, unit

        with self._in_turn(), self.client.start_session() as session:
            result, unit = session.with_transaction(
                attempt,
                read_concern=ReadConcern("snapshot"),
                write_concern=WriteConcern(w="majority", j=True),
            )
        for then in unit.committed:
            then()
        if unit.row is not None:
            with self._committed:
                self._held.append(unit.row)
                self._committed.notify_all()
        return result

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=_TURN_SECONDS):
            raise STORE_UNAVAILABLE(retry_after=1)
        try:
            yield
        finally:
            self._turn.release()

    def once(self, caller: str, key: str, request: bytes, work: Callable[[Unit], Document]) -> Document:
        """Runs `work` in a transaction at most once per `Idempotency-Key` of a caller; a repeat gets the first answer.

        `request` is what was asked, to tell a repeat from another request under the same key (IDEMPOTENCY_CONFLICT).
        An empty key runs `work` every time.
        """
        if not key:
            return self.transact(work)
        name, asked = f"{caller}\0{key}", digest(request)

        def first_time(unit: Unit) -> Document:
            known = self._answers.find_one({"_id": name}, session=unit.session)
            if known is not None:
                if known["asked"] != asked:
                    raise IDEMPOTENCY_CONFLICT(key=key)
                return dict(known["answer"])
            answer = work(unit)
            self._answers.insert_one(
                {"_id": name, "asked": asked, "answer": answer, "at": self._clock.now()}, session=unit.session
            )
            return answer

        return self.transact(first_time)

    def _append(self, unit: Unit) -> None:
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
        counter = self._counters.find_one({"_id": "outbox"})
        last = counter["n"] if counter else 0
        if not 0 <= after <= last:
            # Of a store put back to an older state, say. In silence a follower would miss what comes next.
            raise FEED_POSITION_UNKNOWN(after=after)
        newest = min(last, after + limit)
        if newest == after:
            return []
        found = {r["_id"]: r for r in self._outbox.find({"_id": {"$in": list(range(after + 1, newest + 1))}})}
        present = itertools.takewhile(found.__contains__, range(after + 1, newest + 1))
        return [_row(found[position]) for position in present]

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

    def close(self) -> None:
        """Closes the connections; the same service may then be connected to another store."""
        self.client.close()
        # mongoengine forgets by class name, which documents of two services may share.
        for document in _all_documents(mongoengine.Document):
            if document._meta.get("db_alias") == self._alias:
                document._collection = None
        mongoengine.disconnect(self._alias)


def _row(found: Document) -> OutboxRow:
    return OutboxRow(found["_id"], found["at"], found["changes"], [bytes(event) for event in found["events"]])


def session_of(unit: Unit | None) -> ClientSession | None:
    """The session that makes a read part of a transaction; none outside of one."""
    return unit.session if unit else None


def find_among(
    collection: Collection[Document],
    name: str,
    values: Sequence[str],
    fields: Document | None = None,
    session: ClientSession | None = None,
) -> Iterator[Document]:
    """The documents that have one of these values, in no order."""
    for start in range(0, len(values), _AMONG):
        some = {name: {"$in": list(values[start : start + _AMONG])}}
        yield from collection.find(some, fields, session=session, batch_size=_AMONG + 1)


def _all_documents(base: Any) -> Iterator[Any]:
    for document in base.__subclasses__():
        yield document
        yield from _all_documents(document)
