"""Takes large files in a thread beside their request, so that no connection stays open for half an hour."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final, TypeVar

import structlog

from chengxin.bounds import bound
from chengxin.tabular.problems import FILE_READERS_BUSY

T = TypeVar("T")
log = structlog.get_logger()

# Files that are taken at the same time; their batches take turns at the store anyway.
_FILES_TAKEN: Final = 4
# Files that wait for their turn at most: each uses space on the disk meanwhile.
_FILES_WAITING: Final = 16
_RETRY_SECONDS: Final = 60

bound(
    __name__,
    "BoundedSemaphore",
    "BoundedSemaphore",
    "Thread",
    resource="Files taken at once, and waiting",
    total=_FILES_TAKEN + _FILES_WAITING,
    share="none yet: a delivery waits for those before it",
    seconds=60.0,
    why="Work that takes longer goes on without its caller",
    test="tests/ingest/test_hostile_files.py::test_no_more_deliveries_wait_than_there_is_room_for",
)


class UploadExecutor:
    """Does work in a thread and waits for it, `patience` seconds at most; work that takes longer goes on.

    When the process ends, its work ends too. The submission is then still open, and when the same file comes again, it
    goes on from there.
    """

    def __init__(self, patience: float = 60) -> None:
        self.patience = patience
        self._places = threading.BoundedSemaphore(_FILES_TAKEN)
        self._queue = threading.BoundedSemaphore(_FILES_TAKEN + _FILES_WAITING)

    def take(self, work: Callable[[], T]) -> T | None:
        """Starts `work`, and returns its result, or None when it is not done yet.

        Raises FILE_READERS_BUSY when too many files wait already, and what `work` raises meanwhile.
        """
        if not self._queue.acquire(blocking=False):
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS)
        done: Future[T] = Future()
        scope = contextvars.copy_context()
        try:
            threading.Thread(target=scope.run, args=(self._run, work, done), name="file", daemon=True).start()
        except RuntimeError:
            # The system gives no thread.
            self._queue.release()
            raise FILE_READERS_BUSY(retry_after=_RETRY_SECONDS) from None
        try:
            return done.result(self.patience)
        except FutureTimeout:
            if done.done():
                # It ended in this moment, perhaps with a time-out of its own.
                return done.result()
            done.add_done_callback(_log_failure)
            return None

    def _run(self, work: Callable[[], T], done: "Future[T]") -> None:
        try:
            with self._places:
                result = work()
        # Whatever the error is, the waiting request gets it.
        except BaseException as e:
            self._queue.release()
            done.set_exception(e)
        else:
            self._queue.release()
            done.set_result(result)


def _log_failure(done: "Future[T]") -> None:
    if (error := done.exception()) is not None:
        log.warning("a file was not taken to its end", reason=f"{type(error).__name__}: {error}"[:200])
