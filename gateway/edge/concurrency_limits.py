"""How many requests may be on their way to the services at once.

Each holds a thread. Some threads are kept from them: the services need the gateway's own addresses (tokens, keys) to answer
at all, and would wait for each other without end if forwarding could take every thread. One service that hangs may not take
all of the others' either.
"""

import threading
from typing import Final

from gateway.domain.clients_and_officers import EDGE_BUSY
from gateway.edge.routes import SERVICES

# Threads of the HTTP edge, started when they are needed; they wait most of their time.
THREADS: Final = 256
_TOTAL: Final = 224
_EACH: Final = 192


class ForwardingPermits:
    """Slots for all services together, and for each."""

    def __init__(self, total: int = _TOTAL, each: int = _EACH) -> None:
        self._total = total
        self._each = dict.fromkeys(SERVICES, each)
        self._lock = threading.Lock()

    def take(self, service: str) -> "Permit":
        """A slot on the way to a service. Raises EDGE_BUSY."""
        with self._lock:
            if not (self._total and self._each[service]):
                raise EDGE_BUSY(retry_after=1)
            self._total -= 1
            self._each[service] -= 1
        return Permit(self, service)

    def give_back(self, service: str) -> None:
        """What was taken is free again."""
        with self._lock:
            self._total += 1
            self._each[service] += 1


class Permit:
    """One request on its way. Ending it twice changes nothing."""

    def __init__(self, slots: ForwardingPermits, service: str) -> None:
        self._slots: ForwardingPermits | None = slots
        self._service = service

    def release(self) -> None:
        """The request is done."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back(self._service)
