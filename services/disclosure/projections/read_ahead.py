"""Reads the next changes of ingest's feed while earlier ones are applied, within limits of memory."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from chengxin.bounds import own
from chengxin_api.ingest.v1 import ingest_pb2

# Records and bytes of the changes that are read while others are applied: enough that most subjects are written once
# for several of their records. As much again is being applied at that time.
MOST_GATHERED: Final = 10_000
_MOST_BYTES_GATHERED: Final = 8 * 1024 * 1024

own(
    __name__,
    "Thread",
    resource="Threads that read a feed ahead",
    total=1,
    why="One for each feed; `_ChangeBuffer` bounds what it holds",
)


class _ChangeBuffer:
    """Holds the changes that the stream has brought and the consumer has not taken yet, within limits of memory."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._changes: list[ingest_pb2.Change] = []
        self._records = self._bytes = 0
        self._error: Exception | None = None
        self._ended = self._given_up = False

    def put(self, change: ingest_pb2.Change) -> bool:
        """Adds a change as soon as it fits. Returns False when the consumer has given up."""
        with self._condition:
            self._condition.wait_for(lambda: self._given_up or self._has_space())
            self._changes.append(change)
            # A change without records counts as one record.
            self._records += max(1, len(change.records))
            self._bytes += change.ByteSize()
            self._condition.notify_all()
            return not self._given_up

    def end(self, error: Exception | None = None) -> None:
        """Notes that the stream has ended, with an error or in good order."""
        with self._condition:
            self._ended, self._error = True, error
            self._condition.notify_all()

    def give_up(self) -> None:
        """Notes that the consumer takes nothing more."""
        with self._condition:
            self._given_up = True
            self._condition.notify_all()

    def is_given_up(self) -> bool:
        """Returns whether the consumer has given up."""
        with self._condition:
            return self._given_up

    def take(self) -> list[ingest_pb2.Change]:
        """Takes all changes, once there are some; returns none when the stream has ended. Raises the stream's error."""
        with self._condition:
            self._condition.wait_for(lambda: self._changes or self._ended or self._given_up)
            if self._given_up:
                return []
            if not self._changes and self._error is not None:
                raise self._error
            taken, self._changes = self._changes, []
            self._records = self._bytes = 0
            self._condition.notify_all()
            return taken

    def _has_space(self) -> bool:
        return self._records < MOST_GATHERED and self._bytes < _MOST_BYTES_GATHERED


class PiecedCall:
    """A gRPC stream for the follower: a second thread reads the next changes while the follower applies earlier ones.

    The second thread only reads: anything else that it does at that time delays every answer of the store by one turn
    of the interpreter.
    """

    def __init__(
        self,
        call: Any,
        own: Callable[[ingest_pb2.Change], ingest_pb2.Change],
        cut: Callable[[Sequence[ingest_pb2.Change]], Iterator[ingest_pb2.Change]],
    ) -> None:
        """Reads the `own` part of each change in `call`; `cut` makes pieces of the changes that have come."""
        self._call = call
        self._own = own
        self._cut = cut
        self._buffer = _ChangeBuffer()

    def initial_metadata(self) -> Any:
        """Returns the metadata once the stream is open."""
        return self._call.initial_metadata()

    def cancel(self) -> Any:
        """Ends the stream. The changes that have come are left to the next stream, which asks for them again."""
        self._buffer.give_up()
        return self._call.cancel()

    def __iter__(self) -> Iterator[ingest_pb2.Change]:
        reader = threading.Thread(target=self._read, name="feed-reader", daemon=True)
        reader.start()
        try:
            while changes := self._buffer.take():
                for piece in self._cut(changes):
                    yield piece
                    if self._buffer.is_given_up():
                        return
        finally:
            self.cancel()
            reader.join()

    def _read(self) -> None:
        try:
            for change in self._call:
                if not self._buffer.put(self._own(change)):
                    return
        # The follower gets the error.
        except Exception as e:
            self._buffer.end(e)
        else:
            self._buffer.end()
