"""Commits the batches of a delivery in order, in a thread beside the one that prepares them."""

import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Final

from chengxin.bounds import own
from chengxin.tabular.bounds import MOST_BYTES_OF_BATCH
from services.ingest.usecases.prepare_batch import Prepared

# Batches that share a transaction when they are ready together: half of a commit's time is the same for one and two.
TOGETHER: Final = 2

own(
    __name__,
    "ThreadPoolExecutor",
    resource="Threads that commit a delivery's batches",
    total=52,
    why="One for each delivery under way: of the four files that are taken, and of the 48 streams of the gRPC face",
)


class BatchCommitter:
    """Gives batches to `commit`: the first one alone, and the batches that are added meanwhile together.

    `add` and the end of the block raise what `commit` raised; nothing is committed after that. An error in the block
    itself does not keep the batches that were added from being committed.
    """

    def __init__(self, commit: Callable[[list[Prepared]], Any]) -> None:
        self._commit = commit
        self._ready: list[Prepared] = []
        self._waiting: Future[Any] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    def add(self, batch: Prepared) -> None:
        """Takes the next batch. It waits while a transaction's worth of batches is ready, so that no more are read."""
        if self._ready and sum(ready.size for ready in self._ready) + batch.size > MOST_BYTES_OF_BATCH:
            self._hand_over()
        self._ready.append(batch)
        if self._waiting is None or self._waiting.done() or len(self._ready) == TOGETHER:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting is not None:
            self._waiting.result()
        scope = contextvars.copy_context()
        self._waiting = self._thread.submit(scope.run, self._commit, self._ready)
        self._ready = []

    def __enter__(self) -> "BatchCommitter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._thread:
            if self._ready:
                self._hand_over()
            if self._waiting is not None:
                self._waiting.result()
