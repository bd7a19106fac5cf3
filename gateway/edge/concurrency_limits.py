"""How many requests may be on their way to the rooms at once.

Each holds a thread. Some threads are kept from them: the rooms need the gateway's own addresses (tokens, keys) to answer
at all, and would wait for each other without end if forwarding could take every thread. One room that hangs may not take
all of the others' either.
"""

import threading
from typing import Final

from gateway.domain.clients_and_officers import EDGE_BUSY
from gateway.edge.routes import ROOMS

# Threads of the HTTP edge, started when they are needed; they wait most of their time.
THREADS: Final = 256
_TOTAL: Final = 224
_EACH: Final = 192


class Slots:
    """Slots for all rooms together, and for each."""

    def __init__(self, total: int = _TOTAL, each: int = _EACH) -> None:
        self._total = total
        self._each = dict.fromkeys(ROOMS, each)
        self._lock = threading.Lock()

    def take(self, room: str) -> "Slot":
        """A slot on the way to a room. Raises EDGE_BUSY."""
        with self._lock:
            if not (self._total and self._each[room]):
                raise EDGE_BUSY(retry_after=1)
            self._total -= 1
            self._each[room] -= 1
        return Slot(self, room)

    def give_back(self, room: str) -> None:
        """What was taken is free again."""
        with self._lock:
            self._total += 1
            self._each[room] += 1


class Slot:
    """One request on its way. Ending it twice changes nothing."""

    def __init__(self, slots: Slots, room: str) -> None:
        self._slots: Slots | None = slots
        self._room = room

    def release(self) -> None:
        """The request is done."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back(self._room)
