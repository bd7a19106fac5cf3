"""Large files are taken beside the request that brought them: nobody holds a connection for half an hour."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger()

# Files taken at once; their batches take turns at the store anyway.
_AT_ONCE: Final = 4


class Desk:
    """Does work and waits for it, `patience` seconds at most; what takes longer goes on.

    When the process ends, work ends with it: the submission is open, and the same file again goes on from there.
    """

    def __init__(self, patience: float = 60) -> None:
        self.patience = patience
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def take(self, work: Callable[[], T]) -> T | None:
        """What `work` gives, or None when it is not done yet. Raises what `work` raises meanwhile."""
        done: Future[T] = Future()
        scope = contextvars.copy_context()
        threading.Thread(target=scope.run, args=(self._run, work, done), name="file", daemon=True).start()
        try:
            return done.result(self.patience)
        except FutureTimeout:
            if done.done():
                raise
            done.add_done_callback(_tell)
            return None

    def _run(self, work: Callable[[], T], done: "Future[T]") -> None:
        with self._places:
            try:
                done.set_result(work())
            # Whatever it is, whoever waits is told.
            except BaseException as e:
                done.set_exception(e)


def _tell(done: "Future[T]") -> None:
    if (error := done.exception()) is not None:
        log.warning("a file was not taken to its end", reason=f"{type(error).__name__}: {error}"[:200])
