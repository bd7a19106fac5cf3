"""The change feed as its consumers use it (decision 5): ordered, resumable, position stored with what was derived."""

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import structlog

from chengxin.mongo import Store, Unit

log = structlog.get_logger()

_STOP_SECONDS: Final = 2


class Follower:
    """Follows another service's `Watch` and applies each change in one transaction with the position.

    `watch(after)` opens the stream; `apply(unit, change)` derives from one message. A message without a field `last`
    is a position of its own; with one, the position is remembered at the message that sets it. A lost connection, a
    store that is away, or a change that cannot be applied is logged and tried again from the last position: nothing is
    skipped.
    """

    def __init__(
        self, source: str, store: Store, watch: Callable[[int], Any], apply: Callable[[Unit, Any], None]
    ) -> None:
        self.name = f"feed.{source}"
        # Whether the stream is open: true from the first answer of the source until the stream breaks.
        self.connected = False
        self._store = store
        self._watch = watch
        self._apply = apply
        self._stopped = threading.Event()
        self._call: Any = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.position = 0

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the stream, and waits a while until the change in hand is applied or given up."""
        self._stopped.set()
        if self._call is not None:
            self._call.cancel()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.position = self._store.position(self.name)
                self._call = self._watch(self.position)
                if self._stopped.is_set():
                    # Stopped while it was being opened: nobody else would end this stream.
                    self._call.cancel()
                    return
                # The source sends its header at once, before there is any change.
                self._call.initial_metadata()
                self.connected = True
                for change in self._messages():
                    self._store.transact(functools.partial(self._take, change))
                    self.position = change.position
                # The source ended the stream in good order, as it does when it shuts down.
                self.connected = False
                self._stopped.wait(0.5)
            # Whatever interrupts it, the follower goes on from the position that it committed.
            except Exception as e:
                self.connected = False
                if self._stopped.is_set():
                    return
                quiet = isinstance(e, grpc.Call) and e.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.CANCELLED,
                )
                if quiet:
                    log.info("feed interrupted", feed=self.name, reason=repr(e)[:200])
                else:
                    # Perhaps a change that cannot be applied: it is tried again, and somebody has to look.
                    log.error("feed interrupted", feed=self.name, after=self.position, reason=repr(e)[:200])
                self._stopped.wait(0.5)

    def _messages(self) -> Iterator[Any]:
        yield from self._call

    def _take(self, change: Any, unit: Unit) -> None:
        self._apply(unit, change)
        if getattr(change, "last", True):
            self._store.set_position(self.name, change.position, unit.session)
