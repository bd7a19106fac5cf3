"""Background work goes on whatever happens in a round, and ends when it is asked to."""

import threading
from collections.abc import Callable

import pytest

from chengxin.concurrency.periodic_task import PeriodicTask


def test_a_round_follows_a_failed_one() -> None:
    rounds, enough = [], threading.Event()

    def round_() -> None:
        rounds.append(1)
        if len(rounds) == 3:
            enough.set()
        raise ValueError("this round fails")

    task = PeriodicTask("counting", round_, 0)
    task.start()
    assert enough.wait(10)
    task.stop()
    assert task.ended(10)


def test_it_begins_at_once_or_later_and_a_wake_does_not_wait() -> None:
    begun = threading.Semaphore(0)
    task = PeriodicTask("waiting", begun.release, 3600)
    task.start()
    assert begun.acquire(timeout=10)
    for _ in range(3):
        task.wake()
        assert begun.acquire(timeout=10)
    task.stop()
    assert task.ended(10)
    later = PeriodicTask("later", begun.release, 3600, first_after=3600)
    later.start()
    later.stop()
    assert later.ended(10)
    assert not begun.acquire(blocking=False)


def test_a_long_round_is_told_to_end() -> None:
    begun = threading.Event()
    task: PeriodicTask

    def round_() -> None:
        begun.set()
        while not task.stopping:
            threading.Event().wait(0.001)

    task = PeriodicTask("long", round_, 0)
    task.start()
    assert begun.wait(10)
    task.stop()
    assert task.ended(10)


@pytest.mark.parametrize("stop", [PeriodicTask.stop, lambda task: task.ended(1)])
def test_one_that_never_began_has_ended(stop: Callable[[PeriodicTask], object]) -> None:
    task = PeriodicTask("never", lambda: None, 1)
    stop(task)
    assert task.ended(0)
