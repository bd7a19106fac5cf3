"""The appender ends as it is told to: what it is writing is finished, what waits is refused."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin.store.database import Store
from chengxin.values.clock import FixedClock
from chengxin.values.ids import new_id
from services.audit.log.appender import Appended, Appender
from services.audit.log.checkpoint_signer import Seals
from services.audit.store.log import AuditStore
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


def must_be_refused(call: "Future[Appended]") -> None:
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
