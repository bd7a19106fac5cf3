"""The appender ends as it is told to, and appends nothing that its caller has given up."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.store.database import Store
from chengxin.values.acts import Act
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id
from services.audit.log.appender import Appender
from services.audit.log.checkpoint_signer import Seals
from services.audit.log.own_trail import OwnAuditTrail
from services.audit.store.log import AuditStore
from tests.audit.actors import BUREAU
from tests.audit.conftest import NOW, an_event


class HeldStore(AuditStore):
    """A store whose writes begin and then wait until the test lets them go on."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def append(self, *group: Any) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        super().append(*group)


@pytest.fixture
def held(stores: Callable[[str], str]) -> Iterator[HeldStore]:
    store = Store(stores(new_id("audit")), "audit", FixedClock(NOW))
    found = HeldStore(store)
    found.create_indexes()
    yield found
    found.go_on.set()
    store.close()


def must_be_refused(call: "Future[Any]") -> None:
    with pytest.raises(Problem, match="AUDIT_UNAVAILABLE"):
        call.result()


def test_a_stop_refuses_what_waits_while_the_group_in_hand_is_still_written(held: HeldStore) -> None:
    appender = Appender(held, Seals(b"key"))
    appender.start()
    with ThreadPoolExecutor(4) as pool:
        in_hand = pool.submit(appender.append, "disclosure", [an_event()])
        assert held.begun.wait(30)
        waiting = pool.submit(appender.append, "disclosure", [an_event()])
        stopped = pool.submit(appender.stop)
        must_be_refused(waiting)
        must_be_refused(pool.submit(appender.append, "disclosure", [an_event()]))
        # Its own time to answer began first: it would be over, had the others waited until theirs was.
        assert not in_hand.done()
        held.go_on.set()
        assert in_hand.result().count == 1
        stopped.result()
    assert held.last_group() == 1


def test_of_its_own_queries_that_are_given_up_none_stands_as_answered(held: HeldStore) -> None:
    appender = Appender(held, Seals(b"key"), answer_seconds=0.5)
    appender.start()
    trail = OwnAuditTrail(appender, FixedClock(NOW))
    in_hand, waiting, answered = (trail.event(Act.EVENTS_LISTED, BUREAU) for _ in range(3))
    with ThreadPoolExecutor(2) as pool:
        begun = pool.submit(trail.record, in_hand)
        assert held.begun.wait(30)
        must_be_refused(pool.submit(trail.record, waiting))
        must_be_refused(begun)
    held.go_on.set()
    trail.record(answered)
    appender.stop()
    logged = [json.loads(entry) for group in held.groups(range(1, held.last_group() + 1)) for entry in group.entries]
    assert [e["outcome"] for e in logged] == ["ok", "unanswered", "ok"]
    assert [logged[0]["event_id"], logged[2]["event_id"]] == [in_hand.event_id, answered.event_id]
    assert logged[1]["details"] == {"event_id": in_hand.event_id}


def test_no_more_calls_wait_than_there_is_room_for(held: HeldStore) -> None:
    held.go_on.set()
    appender = Appender(held, Seals(b"key"))
    with ThreadPoolExecutor(65) as pool:
        calls = [pool.submit(appender.append, "disclosure", [an_event()]) for _ in range(65)]
        refused, waiting = wait(calls, return_when=FIRST_COMPLETED)
        assert (len(refused), len(waiting)) == (1, 64)
        must_be_refused(refused.pop())
        appender.start()
        assert sorted(call.result().first for call in waiting) == [*range(64)]
    appender.stop()
