"""Files are taken in turn: a caller with many leaves threads to the others, and no thread is a passing refusal."""

import threading
from collections.abc import Callable

import pytest

from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from services.ingest.workers.upload_executor import UploadExecutor
from tests.support import until

MANY, FEW = Claimant("many", proven=True), Claimant("few", proven=True)


@pytest.fixture
def executor() -> UploadExecutor:
    """One whose callers do not wait for their work."""
    return UploadExecutor(patience=0)


def test_a_caller_with_many_files_leaves_a_thread_to_the_others(executor: UploadExecutor) -> None:
    ends = threading.Event()
    for _ in range(10):
        executor.take(MANY, lambda: ends.wait(60))
    done = threading.Event()
    executor.take(FEW, done.set)
    assert done.wait(30)
    ends.set()


def test_callers_take_turns(executor: UploadExecutor) -> None:
    ends = threading.Event()
    order: list[str] = []

    def notes(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    for n in range(4):
        executor.take(Claimant(str(n)), lambda: ends.wait(60))
    for _ in range(3):
        executor.take(MANY, notes("many"))
    executor.take(FEW, notes("few"))
    ends.set()
    until(lambda: len(order) == 4, "all are taken")
    assert "few" in order[:3]
    until(lambda: not executor._taken and not executor._waiting, "nothing is kept of them")


def test_without_a_thread_the_caller_is_refused_and_the_next_one_is_not(
    executor: UploadExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short:

        def no_thread(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        short.setattr(threading.Thread, "start", no_thread)
        for _ in range(30):
            with pytest.raises(Problem) as told:
                executor.take(FEW, lambda: None)
            assert told.value.code == "FILE_READERS_BUSY"
    executor.patience = 30
    assert executor.take(FEW, lambda: "taken") == "taken"
