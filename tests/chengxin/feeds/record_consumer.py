"""A consumer of a feed of records that fails where a test tells it to."""

import time
from collections.abc import Callable
from datetime import timedelta

from chengxin.feeds.follower import Follower
from chengxin.feeds.parts import RecordParts
from chengxin.feeds.quarantine import Quarantine
from chengxin.feeds.quarantine_rows import to_dict
from chengxin.store.database import Store, UnitOfWork
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from tests.chengxin.conftest import NOW


class RecordConsumer:
    """Follows a feed of records and keeps each by its id; fails for the records that a test names."""

    def __init__(self, store: Store, patience: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self.store, self.clock, self.name = store, FixedClock(NOW), new_id("feed")
        self.quarantine = Quarantine(store, self.clock)
        self.follower = Follower(
            self.name, store, lambda after: iter(()), self.apply, RecordParts(), self.quarantine, patience, now=now
        )
        self.fails: dict[tuple[str, int], Exception] = {}
        self.position = 0
        self.attempts = 0

    def apply(self, unit: UnitOfWork, change: ingest_pb2.Change) -> None:
        self.attempts += 1
        for record in change.records:
            if error := self.fails.get((record.record_id, record.version)):
                raise error
            done = {"feed": self.name, "record": record.record_id, "version": record.version}
            self.store.db["applied"].insert_one(done, session=unit.session)

    def told(self, *records: tuple[str, int, str], last: bool = True) -> None:
        """A change arrives: record, version and subject of each record."""
        self.position += 1
        versions = [
            ingest_pb2.RecordVersion(
                record_id=record, version=version, subject=ingest_pb2.SubjectIdentity(subject_ref=subject)
            )
            for record, version, subject in records
        ]
        self.follower._process(ingest_pb2.Change(position=self.position, records=versions, last=last))

    def applied(self) -> list[tuple[str, int]]:
        found = self.store.db["applied"].find({"feed": self.name}).sort([("_id", 1)])
        return [(row["record"], row["version"]) for row in found]

    def aside(self) -> list[tuple[str, str]]:
        rows = [to_dict(row) for row in self.quarantine.rows(feed=self.follower.name)]
        return [(row["name"], row["state"]) for row in rows]

    def later(self, **much: float) -> None:
        """Moves the clock, and retries what is due."""
        self.clock.instant += timedelta(**much)
        self.quarantine.round()
