"""The outbox of a store: its committed transactions in order, and those who follow them."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument
from pymongo.database import Database

from chengxin.bounds import own
from chengxin.errors import FEED_POSITION_UNKNOWN
from chengxin.store.unit_of_work import OutboxRow, UnitOfWork
from chengxin.values.clock import Clock
from chengxin.values.document import RawDocument

# How often a feed looks for rows that another process committed; rows of this process wake it at once.
_POLL_SECONDS: Final = 0.5
# Rows that are read at once; one may have a megabyte.
_ROWS_AT_ONCE: Final = 20
# For so long further ones are read, at most as many as were asked for.
_READING_SECONDS: Final = 0.5
# The counter of the newest row, and the document that says what was trimmed: `cut`, up to where audit events were cut
# out, and `n`, up to where rows were deleted.
_NEWEST: Final = "outbox"
_TRIMMED: Final = "outbox.trimmed"
# Rows that are trimmed in one transaction.
_TRIMMED_AT_ONCE: Final = 100
# How many rows of this process are held for those who follow closely.
_HELD: Final = 100

own(
    __name__,
    "deque",
    resource="Rows of the outbox in memory",
    total=_HELD,
    why="The oldest is dropped",
)


@dataclass(frozen=True)
class FeedHead:
    """A feed as it is seen from a position: its newest position with something for the consumer, and the age in seconds of
    the oldest such after the position; 0 when there is none."""

    position: int
    oldest_seconds: float = 0.0


class Outbox:
    """The committed transactions of a store. Any thread may read and follow them."""

    def __init__(self, db: Database[RawDocument], clock: Clock) -> None:
        self._rows = db["outbox"]
        self._counters = db["counters"]
        self._clock = clock
        # What this process committed last, for those who follow: three of them read each row of ingest.
        self._held: deque[OutboxRow] = deque(maxlen=_HELD)
        self._committed = threading.Condition()
        # Of each stream: up to where it was looked at, and the newest row with something for its consumers.
        self._newest: dict[str, tuple[int, int]] = {}

    def append(self, unit: UnitOfWork) -> None:
        """Numbers and writes the row of a transaction, at its end."""
        # The counter is written inside the transaction: a second writer conflicts and retries, so positions are
        # committed in order and without gaps.
        counter = self._counters.find_one_and_update(
            {"_id": _NEWEST},
            {"$inc": {"n": 1}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=unit.session,
        )
        if counter is None:
            raise RuntimeError("an upsert answered without its document")
        row = {"_id": counter["n"], "at": self._clock.now(), "changes": unit.changes, "events": unit.events}
        options = self._rows.codec_options
        encoded = bson.encode(row, codec_options=options)
        self._rows.insert_one(RawBSONDocument(encoded), session=unit.session)
        # As whoever reads it from the store has it.
        unit.row = _row(bson.decode(encoded, options))

    def hold(self, row: OutboxRow) -> None:
        """Gives a row that has been committed to those who follow."""
        with self._committed:
            self._held.append(row)
            self._committed.notify_all()

    def rows(self, after: int, limit: int = 200) -> list[OutboxRow]:
        """Committed transactions after a position, in order. Raises FEED_POSITION_UNKNOWN."""
        # By number, for they have no gaps: SecantusDB scans the collection for `{"$gt": after}`, seconds at 80,000 rows.
        last, trimmed = self._ends()
        if not 0 <= after <= last:
            # Of a store put back to an older state, say. In silence a follower would miss what comes next.
            raise FEED_POSITION_UNKNOWN(after=after)
        # What was deleted had nothing to tell.
        after = max(after, trimmed)
        newest = min(last, after + limit)
        if newest == after:
            return []
        rows: list[OutboxRow] = []
        began = time.monotonic()
        for start in range(after + 1, newest + 1, _ROWS_AT_ONCE):
            some = range(start, min(start + _ROWS_AT_ONCE, newest + 1))
            found = {r["_id"]: r for r in self._rows.find({"_id": {"$in": list(some)}})}
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
        if not 0 <= after <= max(newest, self._ends()[0]):
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
        last, trimmed = self._ends()
        seen, newest = self._newest.get(stream, (-1, 0))
        if seen < 0 or seen > last:
            # From the end backwards, the first time and in a store put back to an older state.
            seen, newest, before = last, 0, last
            while before > trimmed and not newest:
                start = max(trimmed, before - _ROWS_AT_ONCE)
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

    def _ends(self) -> tuple[int, int]:
        """The number of the newest row, and up to where rows were deleted."""
        numbers = {row["_id"]: int(row["n"]) for row in self._counters.find({"_id": {"$in": [_NEWEST, _TRIMMED]}})}
        return numbers.get(_NEWEST, 0), numbers.get(_TRIMMED, 0)

    def trim(self, unit: UnitOfWork, delivered: int, before: datetime) -> bool:
        """Cuts the audit events out of some rows that are older than an instant and, up to the position `delivered`, on
        the log; deletes those that come before the first change of all. Returns False when there are none.

        Rows with a change stay, and all that come after one: a feed is read from the beginning, by positions without
        gaps. The newest row stays, so that every position that a consumer has is known.
        """
        marks = self._counters.find_one({"_id": _TRIMMED}, session=unit.session) or {"cut": 0, "n": 0}
        last, _ = self._ends()
        rows = self.rows(marks["cut"], _TRIMMED_AT_ONCE)
        due = list(itertools.takewhile(lambda row: row.position <= min(delivered, last - 1) and row.at < before, rows))
        if not due:
            return False
        deleted = marks["n"]
        if deleted == marks["cut"]:
            # Nothing of it was a change so far.
            deleted += sum(1 for _ in itertools.takewhile(lambda row: not row.changes, due))
        gone = list(range(marks["n"] + 1, deleted + 1))
        with_events = [row.position for row in due if row.events and row.position > deleted]
        self._rows.delete_many({"_id": {"$in": gone}}, session=unit.session)
        self._rows.update_many({"_id": {"$in": with_events}}, {"$set": {"events": []}}, session=unit.session)
        change = {"$set": {"cut": due[-1].position, "n": deleted}}
        self._counters.update_one({"_id": _TRIMMED}, change, upsert=True, session=unit.session)
        return True

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


def _row(found: RawDocument) -> OutboxRow:
    return OutboxRow(found["_id"], found["at"], found["changes"], [bytes(event) for event in found["events"]])
