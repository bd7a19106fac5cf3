"""How far a consumer is behind: true while it is slow, stuck, or its source is away."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import generate_latest

from chengxin.audit.trail import Relay
from chengxin.errors import Problem
from chengxin.feeds.follower import Follower
from chengxin.feeds.lag import Lag, LagMeter
from chengxin.http.web import make_app
from chengxin.process.readiness import Readiness
from chengxin.store.database import FeedHead, Store, UnitOfWork
from chengxin.values.ids import new_id
from chengxin_api.audit.v1 import audit_pb2
from tests.chengxin.conftest import NOW
from tests.support import until


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> Any:
        return self.at


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def place(stores: Callable[[str], str]) -> str:
    return stores(new_id("lag"))


@pytest.fixture
def source(place: str, clock: ManualClock) -> Iterator[Store]:
    found = Store(place, "lag-source", clock)  # type: ignore[arg-type]
    for name in ("outbox", "counters"):
        found.db.create_collection(name)
    yield found
    found.close()


def tell(store: Store, changes: int = 1, events: int = 0) -> None:
    def work(unit: UnitOfWork) -> None:
        for n in range(changes):
            unit.publish("thing", n=n)
        for _ in range(events):
            unit.record(b"{}")

    store.transact(work)


def head(store: Store, after: int) -> FeedHead:
    return store.head(after, "changes", lambda row: row.changes)


def test_a_feed_is_as_far_as_its_newest_change(source: Store, clock: ManualClock) -> None:
    assert head(source, 0) == FeedHead(0)
    tell(source)
    clock.at += timedelta(seconds=10)
    tell(source)
    tell(source, changes=0, events=1)
    clock.at += timedelta(seconds=5)
    assert head(source, 0) == FeedHead(2, 15)
    assert head(source, 1) == FeedHead(2, 5)
    # The rows after it have only audit events.
    assert head(source, 2) == FeedHead(2)
    assert source.head(2, "events", lambda row: row.events) == FeedHead(3, 5)
    for _ in range(45):
        tell(source, changes=0, events=1)
    tell(source)
    assert head(source, 2) == FeedHead(49)
    assert head(source, 2).oldest_seconds == 0
    with pytest.raises(Problem, match="FEED_POSITION_UNKNOWN"):
        head(source, 50)


def test_another_process_finds_the_newest_change_from_the_end(source: Store, place: str, clock: ManualClock) -> None:
    tell(source)
    for _ in range(45):
        tell(source, changes=0, events=1)
    other = Store(place, "lag-other", clock)  # type: ignore[arg-type]
    try:
        assert head(other, 0) == FeedHead(1)
        tell(source)
        assert head(other, 0) == FeedHead(47)
    finally:
        other.close()


class Meter:
    """A meter whose time, consumer and source a test controls."""

    def __init__(self) -> None:
        self.now, self.position, self.head, self.away = 100.0, 0, FeedHead(0), False
        self.meter = LagMeter("feed.test", lambda: self.position, self._ask, now=lambda: self.now)

    def _ask(self, position: int) -> FeedHead:
        if self.away:
            raise OSError("away")
        return self.head

    def lag(self) -> Lag:
        return self.meter.lag()


def test_lag_grows_while_the_consumer_is_stuck_and_is_0_when_it_has_everything() -> None:
    it = Meter()
    it.meter.measure()
    assert it.lag() == Lag(0, 0.0)
    it.head = FeedHead(7, 30)
    it.meter.measure()
    assert it.lag() == Lag(7, 30)
    it.now += 50
    assert it.lag() == Lag(7, 80)
    assert it.lag().exceeds(60)
    it.position = 6
    assert it.lag().changes == 1
    it.position = 7
    assert it.lag() == Lag(0, 0.0)


def test_lag_is_told_as_unknown_while_the_source_is_away() -> None:
    it = Meter()
    it.away = True
    it.now += 5
    assert it.lag() == Lag(None, None, 5)
    it.away, it.head = False, FeedHead(2, 3)
    it.meter.measure()
    it.away = True
    it.now += 20
    it.meter.measure()
    # The lag is at least what was known before.
    assert it.lag() == Lag(2, 23, 20)
    it.position = 2
    assert it.lag() == Lag(0, 0.0, 20)
    assert not it.lag().exceeds(30)
    it.now += 11
    assert it.lag().exceeds(30)
    it.away, it.head = False, FeedHead(2)
    it.meter.measure()
    assert it.lag() == Lag(0, 0.0)


class Changes:
    """A stream of changes like that of a gRPC call; `gate` lets them through."""

    def __init__(self, source: Store, after: int) -> None:
        self._rows = source.follow(after, lambda: not self.cancelled)
        self.cancelled = False

    def initial_metadata(self) -> None:
        pass

    def cancel(self) -> None:
        self.cancelled = True

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)


def test_a_follower_that_is_stuck_tells_it_and_is_at_0_when_it_is_through(
    source: Store, store: Store, clock: ManualClock
) -> None:
    gate = threading.Event()

    def apply(unit: UnitOfWork, change: Any) -> None:
        assert gate.wait(20)

    follower = Follower(
        "x",
        store,
        lambda after: Changes(source, after),
        apply,
        head=lambda after: head(source, after),
        measured_every=0.05,
    )
    gate.set()
    follower.start()
    try:
        until(lambda: follower.lag() == Lag(0, 0.0), "nothing there yet")
        gate.clear()
        tell(source)
        tell(source)
        clock.at += timedelta(seconds=100)
        stuck = until(lambda: (lag := follower.lag()).changes == 2 and (lag.seconds or 0) >= 100 and lag, "it is stuck")
        until(lambda: (follower.lag().seconds or 0) > (stuck.seconds or 0), "it grows")
        assert 'chengxin_lag_changes{consumer="feed.x"} 2.0' in generate_latest().decode()
        gate.set()
        until(lambda: follower.lag() == Lag(0, 0.0), "it has everything")
        assert 'chengxin_lag_changes{consumer="feed.x"} 0.0' in generate_latest().decode()
    finally:
        gate.set()
        follower.stop()


def test_a_relay_tells_how_far_the_log_is_behind(source: Store, clock: ManualClock) -> None:
    class Stub:
        away = True

        def Append(self, request: audit_pb2.AppendRequest, **_: Any) -> None:
            if self.away:
                raise OSError("away")

    stub = Stub()
    relay = Relay(source, stub, tuple, measured_every=0.05)  # type: ignore[arg-type]
    relay.start()
    try:
        tell(source, events=1)
        clock.at += timedelta(seconds=7)
        assert until(lambda: relay.lag().changes == 1 and (relay.lag().seconds or 0) >= 7, "the log is behind")
        stub.away = False
        assert until(lambda: relay.lag() == Lag(0, 0.0), "it has everything")
    finally:
        relay.stop()


class Behind:
    name = "feed.test"

    def __init__(self, lag: Lag) -> None:
        self.found = lag

    def lag(self) -> Lag:
        return self.found


def client(ready: Callable[[], dict[str, bool]]) -> FlaskClient:
    return make_app("test", None, ready).test_client()


def test_readiness_says_when_the_bound_is_not_kept_and_the_service_serves_on() -> None:
    consumer = Behind(Lag(3, 59.94))
    readiness = Readiness({"store": lambda: None}, [consumer], limit=60)
    answer = client(readiness).get("/readyz")
    assert answer.status_code == 200
    assert answer.json == {
        "store": True,
        "lag": {
            "within_limit": True,
            "limit_seconds": 60,
            "consumers": {"feed.test": {"changes": 3, "seconds": 59.9}},
        },
    }
    for lag in (Lag(3, 60.1), Lag(0, 0.0, 61), Lag(None, None, 61)):
        consumer.found = lag
        answer = client(readiness).get("/readyz")
        assert answer.status_code == 200
        assert answer.json["lag"]["within_limit"] is False
    assert answer.json["lag"]["consumers"]["feed.test"] == {"changes": None, "seconds": None, "unknown_seconds": 61}


def test_readiness_answers_while_what_it_needs_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chengxin.process.readiness._ANSWER_SECONDS", 0.1)
    hangs, asked = threading.Event(), []

    def probe() -> None:
        asked.append(1)
        assert hangs.wait(20)

    it = client(Readiness({"store": probe, "token": lambda: None, "wrong": lambda: False}))
    for _ in range(3):
        answer = it.get("/readyz")
        assert (answer.status_code, answer.json) == (503, {"store": False, "token": True, "wrong": False})
    # A probe that hangs is not started again and again.
    assert len(asked) == 1
    hangs.set()
    until(lambda: it.get("/readyz").json["store"], "it answers again")


def test_the_head_of_a_stream_is_told_at_an_inner_address(source: Store) -> None:
    tell(source)
    readiness = Readiness({}, heads={"changes": lambda after: head(source, after)})
    it = client(readiness)
    assert it.get("/feedz?after=1").json == {"position": 1, "oldest_seconds": 0.0}
    assert it.get("/feedz?after=2").json["code"] == "FEED_POSITION_UNKNOWN"
    assert it.get("/feedz?after=x").json["code"] == "INPUT_INVALID"
    assert it.get("/feedz?stream=other").json["code"] == "NOT_FOUND"
