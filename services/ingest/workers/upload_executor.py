"""Large files are taken beside the request that brought them: nobody holds a connection for half an hour."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final, TypeVar

import structlog

from chengxin.tabular.problems import FILE_READERS_BUSY

T = TypeVar("T")
log = structlog.get_logger()

# Files taken at once; their batches take turns at the store anyway.
_AT_ONCE: Final = 4
# And those that wait for their turn: each takes its space on the disk meanwhile.
_WAITING: Final = 16
_RETRY_SECONDS: Final = 60


class UploadExecutor:
    """Does work and waits for it, `patience` seconds at most; what takes longer goes on.

    When the process ends, work ends with it: the submission is open, and the same file again goes on from there.
    """

    def __init__(self, patience: float = 60) -> None:
        self.patience = patience
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._queue = threading.BoundedSemaphore(_AT_ONCE + _WAITING)

    def take(self, work: Callable[[], T]) -> T | None:
        """What `work` gives, or None when it is not done yet.

        Raises FILE_READERS_BUSY when too much waits already, and what `work` raises meanwhile.
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
                raise
            done.add_done_callback(_tell)
            return None

    def _run(self, work: Callable[[], T], done: "Future[T]") -> None:
        try:
            with self._places:
                result = work()
        # Whatever it is, whoever waits is told.
        except BaseException as e:
            self._queue.release()
            done.set_exception(e)
        else:
            self._queue.release()
            done.set_result(result)


def _tell(done: "Future[T]") -> None:
    if (error := done.exception()) is not None:
        log.warning("a file was not taken to its end", reason=f"{type(error).__name__}: {error}"[:200])
