"""How many requests may be on their way to the rooms at once.

Each holds a thread. Some threads are kept from them: the rooms need the gateway's own addresses (tokens, keys) to answer
at all, and would wait for each other without end if forwarding could take every thread. One room that hangs may not take
all of the others' either.
"""

import threading
from typing import Final

from gateway.model import EDGE_BUSY
from gateway.routes import ROOMS

# Threads of the HTTP edge, started when they are needed; they wait most of their time.
THREADS: Final = 256
_TOTAL: Final = 224
_EACH: Final = 192


class Slots:
    """Slots for all rooms together, and for each."""

    def __init__(self, total: int = _TOTAL, each: int = _EACH) -> None:
        self._total = threading.BoundedSemaphore(total)
        self._each = {room: threading.BoundedSemaphore(each) for room in ROOMS}

    def take(self, room: str) -> "Slot":
        """A slot on the way to a room. Raises EDGE_BUSY."""
        if not self._total.acquire(blocking=False):
            raise EDGE_BUSY(retry_after=1)
        if not self._each[room].acquire(blocking=False):
            self._total.release()
            raise EDGE_BUSY(retry_after=1)
        return Slot(self._total, self._each[room])


class Slot:
    """One request on its way. Ending it twice changes nothing."""

    def __init__(self, *taken: threading.BoundedSemaphore) -> None:
        self._taken = taken

    def release(self) -> None:
        """The request is done."""
        taken, self._taken = self._taken, ()
        for semaphore in taken:
            semaphore.release()
