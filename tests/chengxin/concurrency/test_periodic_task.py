"""Background work goes on whatever happens in a round, and ends when it is asked to."""

import threading
from collections.abc import Callable

import pytest
import structlog

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


def test_a_new_reason_is_told_and_the_same_one_once() -> None:
    errors: list[Exception] = [OSError("away"), OSError("away"), ValueError("a mistake"), ValueError("a mistake")]
    enough = threading.Event()

    def round_() -> None:
        if not errors:
            return enough.set()
        raise errors.pop(0)

    with structlog.testing.capture_logs() as logged:
        task = PeriodicTask("failing", round_, 0)
        task.start()
        assert enough.wait(10)
        task.stop()
        assert task.ended(10)
    told = [(line["log_level"], line.get("error", "")) for line in logged if line["log_level"] != "debug"]
    assert told == [("warning", "OSError"), ("warning", "ValueError"), ("info", "")]


def test_many_stop_within_one_deadline() -> None:
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def round_() -> None:
        begun.release()
        go_on.wait()

    tasks = [PeriodicTask(f"long-{number}", round_, 0) for number in range(3)]
    for task in tasks:
        task.start()
        assert begun.acquire(timeout=10)
    for task in tasks:
        task.stop()
    # Each is asked before any is waited for.
    assert all(task.stopping and not task.ended(0) for task in tasks)
    go_on.set()
    assert all(task.ended(10) for task in tasks)


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
