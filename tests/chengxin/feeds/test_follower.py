"""A follower applies every change once, in order, whatever interrupts it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from pymongo.errors import AutoReconnect

from chengxin.feeds.follower import Follower
from chengxin.grpc.rpc import make_channel
from chengxin.store.database import Store, UnitOfWork
from chengxin_api.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from tests.support import free_port, until


class NumberedChanges(catalog_pb2_grpc.CatalogServiceServicer):
    """Sends numbered changes; ends its stream after a few, with or without an error."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.opened: list[int] = []
        self.breaks_after = 10**9
        self.status: grpc.StatusCode | None = grpc.StatusCode.UNAVAILABLE
        self.more = threading.Condition()

    def Watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[catalog_pb2.Change]:
        context.send_initial_metadata(())
        self.opened.append(request.after)
        position, told = request.after, 0
        while context.is_active():
            while position < self.count:
                if told == self.breaks_after:
                    if self.status is not None:
                        context.abort(self.status, "broken")
                    return
                position, told = position + 1, told + 1
                yield catalog_pb2.Change(position=position)
            with self.more:
                self.more.wait(0.05)


class Both:
    """A source and its follower."""

    def __init__(self, store: Store, source: NumberedChanges) -> None:
        self.source, self.store = source, store
        port = free_port()
        self.server = grpc.server(ThreadPoolExecutor(8))
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(source, self.server)
        self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()
        self.stub = catalog_pb2_grpc.CatalogServiceStub(make_channel(f"127.0.0.1:{port}"))
        self.fails_at: dict[int, int] = {}
        self.error: Exception = RuntimeError("cannot be applied now")

    def apply(self, unit: UnitOfWork, change: Any) -> None:
        if self.fails_at.get(change.position, 0) > 0:
            self.fails_at[change.position] -= 1
            raise self.error
        self.store.db["things"].insert_one({"_id": change.position}, session=unit.session)

    def follower(self) -> Follower:
        return Follower(
            "catalog", self.store, lambda after: self.stub.Watch(catalog_pb2.WatchRequest(after=after)), self.apply
        )

    def applied(self) -> list[int]:
        return sorted(t["_id"] for t in self.store.db["things"].find())


@pytest.fixture
def both(store: Store) -> Iterator[Both]:
    found = Both(store, NumberedChanges(20))
    yield found
    found.server.stop(None)


def ends(follower: Follower) -> None:
    follower.stop()
    assert follower.ended(20)


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, None])
def test_a_stream_that_breaks_is_resumed_without_gap_or_repeat(both: Both, status: grpc.StatusCode | None) -> None:
    both.source.breaks_after, both.source.status = 7, status
    follower = both.follower()
    follower.start()
    # Each change is inserted under its number, so applying one twice would fail for ever.
    until(lambda: both.store.position("feed.catalog") == 20, "all changes")
    assert both.applied() == list(range(1, 21))
    assert both.source.opened[:3] == [0, 7, 14]
    ends(follower)


def test_a_source_that_ends_its_stream_at_once_is_not_asked_without_pause(both: Both) -> None:
    both.source.breaks_after, both.source.status = 0, None
    follower = both.follower()
    follower.start()
    until(lambda: len(both.source.opened) >= 2, "it is asked again")
    asked = len(both.source.opened)
    threading.Event().wait(0.3)
    assert len(both.source.opened) <= asked + 1
    ends(follower)


def test_a_change_that_cannot_be_applied_stops_no_other_and_is_not_lost(both: Both) -> None:
    both.fails_at = {5: 2}
    follower = both.follower()
    follower.start()
    until(lambda: both.store.position("feed.catalog") == 20, "all changes")
    assert both.applied() == [n for n in range(1, 21) if n != 5]
    assert both.source.opened == [0]
    [row] = follower.quarantine.rows()
    assert not follower.quarantine.retry(row["_id"])
    assert follower.quarantine.retry(row["_id"])
    assert both.applied() == list(range(1, 21))
    ends(follower)


def test_a_store_that_is_away_for_a_moment_is_tried_again_and_nothing_is_set_aside(both: Both) -> None:
    both.fails_at, both.error = {5: 2}, AutoReconnect("away")
    follower = both.follower()
    follower.start()
    until(lambda: both.store.position("feed.catalog") == 20, "all changes")
    assert both.applied() == list(range(1, 21))
    assert both.source.opened == [0, 4, 4]
    assert follower.quarantine.is_empty()
    ends(follower)


def test_another_process_goes_on_where_this_one_was(both: Both) -> None:
    first = both.follower()
    first.start()
    until(lambda: both.store.position("feed.catalog") == 20, "all changes")
    assert first.connected
    ends(first)
    both.source.count = 23
    second = both.follower()
    second.start()
    until(lambda: both.store.position("feed.catalog") == 23, "the new ones")
    assert both.applied() == list(range(1, 24))
    assert both.source.opened == [0, 20]
    ends(second)


def test_it_stops_while_a_stream_is_being_opened(both: Both) -> None:
    opening, stopped = threading.Event(), threading.Event()

    def watch(after: int) -> Any:
        opening.set()
        assert stopped.wait(10)
        return both.stub.Watch(catalog_pb2.WatchRequest(after=after))

    follower = Follower("catalog", both.store, watch, both.apply)
    both.source.count = 0
    follower.start()
    assert opening.wait(10)
    follower.stop()
    stopped.set()
    assert follower.ended(20)


def test_a_position_is_remembered_at_its_last_part_only(store: Store) -> None:
    from chengxin_api.ingest.v1 import ingest_pb2

    seen: list[int] = []
    follower = Follower("ingest", store, lambda after: iter(()), lambda unit, change: seen.append(change.position))
    store.transact(lambda unit: follower._take(ingest_pb2.Change(position=3, last=False), unit))
    assert store.position("feed.ingest") == 0
    store.transact(lambda unit: follower._take(ingest_pb2.Change(position=3, last=True), unit))
    assert (store.position("feed.ingest"), seen) == (3, [3, 3])
