"""Forwarding never takes every thread, and one service never takes every slot."""

import pytest

from chengxin.errors import Problem
from gateway.edge.concurrency_limits import ForwardingPermits


def test_one_room_that_hangs_leaves_slots_to_the_others() -> None:
    slots = ForwardingPermits(total=3, each=2)
    hanging = [slots.take("objection"), slots.take("objection")]
    with pytest.raises(Problem, match="EDGE_BUSY"):
        slots.take("objection")
    other = slots.take("disclosure")
    with pytest.raises(Problem, match="EDGE_BUSY"):
        slots.take("audit")
    other.release()
    assert slots.take("audit")
    hanging[0].release()
    assert slots.take("objection")


def test_a_slot_is_given_back_once() -> None:
    slots = ForwardingPermits(total=1, each=1)
    slot = slots.take("audit")
    slot.release()
    slot.release()
    taken = slots.take("audit")
    with pytest.raises(Problem):
        slots.take("audit")
    taken.release()
