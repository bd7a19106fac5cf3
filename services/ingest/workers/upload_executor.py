"""Takes large files in threads beside their requests, so that no connection stays open for half an hour."""

import contextvars
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Final, TypeVar

import structlog

from chengxin.bounds import Bound, bound
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.tabular.problems import FILE_READERS_BUSY

T = TypeVar("T")
log = structlog.get_logger()

# Files that are taken at the same time; their batches take turns at the store anyway.
_FILES_TAKEN: Final = 4
# And of one caller: the next file of another one does not wait for the last of many.
_FILES_TAKEN_OF_ONE: Final = 3
_RETRY_SECONDS: Final = 60

UPLOADS: Final = bound(
    __name__,
    "Thread",
    "deque",
    resource="Files that are taken, or wait for it",
    total=20,
    share=10,
    seconds=60.0,
    why="Four threads take them, callers in turn, three of one caller at once. Each uses space on the disk meanwhile. "
    "Work that takes longer goes on without its request",
    test="tests/ingest/test_hostile_files.py::test_no_more_deliveries_wait_than_there_is_room_for",
)


class UploadExecutor:
    """Does work in a thread and waits for it, `patience` seconds at most; work that takes longer goes on.

    When the process ends, its work ends too. The submission is then still open, and when the same file comes again, it
    goes on from there.
    """

    def __init__(self, patience: float = 60, uploads: Bound = UPLOADS) -> None:
        self.patience = patience
        self._shares = Shares(uploads)
        self._lock = threading.Lock()
        # What waits, by caller: whose turn is next comes first.
        self._waiting: dict[Claimant, deque[Callable[[], None]]] = {}
        self._taken: Counter[Claimant] = Counter()

    def take(self, caller: Claimant, work: Callable[[], T]) -> T | None:
        """Starts `work` when it is the caller's turn, and returns its result, or None when it is not done yet.

        Raises FILE_READERS_BUSY when too many files wait already, and what `work` raises meanwhile.
        """
        held = self._shares.take(caller)
        if held is None:
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
        done: Future[T] = Future()
        scope = contextvars.copy_context()

        def run() -> None:
            try:
                result = work()
            # Whatever the error is, the waiting request gets it.
            except BaseException as e:
                held.release()
                done.set_exception(e)
            else:
                held.release()
                done.set_result(result)

        if not self._begin(caller, lambda: scope.run(run)):
            held.release()
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
        try:
            return done.result(self.patience)
        except FutureTimeout:
            if done.done():
                # It ended in this moment, perhaps with a time-out of its own.
                return done.result()
            done.add_done_callback(_log_failure)
            return None

    def _begin(self, caller: Claimant, run: Callable[[], None]) -> bool:
        """Starts a thread for the work, or lets it wait. Returns False when the system has no thread and none works."""
        with self._lock:
            if self._taken.total() < _FILES_TAKEN and self._taken[caller] < _FILES_TAKEN_OF_ONE:
                try:
                    threading.Thread(target=self._work, args=(caller, run), name="file", daemon=True).start()
                except RuntimeError:
                    if not self._taken.total():
                        return False
                else:
                    self._taken[caller] += 1
                    return True
            # A thread that works takes it next.
            self._waiting.setdefault(caller, deque()).append(run)
            return True

    def _work(self, caller: Claimant, run: Callable[[], None]) -> None:
        following: tuple[Claimant, Callable[[], None]] | None = (caller, run)
        while following is not None:
            caller, run = following
            run()
            following = self._next_after(caller)

    def _next_after(self, caller: Claimant) -> tuple[Claimant, Callable[[], None]] | None:
        """The work whose turn it is when one of a caller's has ended."""
        with self._lock:
            self._taken[caller] -= 1
            # Adding nothing drops those who have nothing taken.
            self._taken += Counter()
            for waiting, works in self._waiting.items():
                if self._taken[waiting] < _FILES_TAKEN_OF_ONE:
                    run = works.popleft()
                    del self._waiting[waiting]
                    if works:
                        self._waiting[waiting] = works
                    self._taken[waiting] += 1
                    return waiting, run
            return None


def _log_failure(done: "Future[Any]") -> None:
    if (error := done.exception()) is not None:
        log.warning("a file was not taken to its end", reason=f"{type(error).__name__}: {error}"[:200])
