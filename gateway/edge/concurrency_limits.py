"""Limits on how many requests the HTTP edge forwards to the services at the same time.

Each forwarded request holds a thread. Some threads are reserved for the gateway's own addresses (tokens, keys). The
services need these addresses to answer at all: if forwarding could take every thread, gateway and services would wait
for each other without end. A service that hangs must not take all threads of the other services either.
"""

import threading
from typing import Final

from gateway.domain.clients_and_officers import EDGE_BUSY
from gateway.edge.routes import SERVICES

# The number of threads of the HTTP edge. A thread starts when it is needed, and waits most of its time.
THREADS: Final = 256
_ALL_SERVICES_LIMIT: Final = 224
_SINGLE_SERVICE_LIMIT: Final = 192


class ForwardingPermits:
    """The permits to forward requests, with a limit for all services together and a limit for each service."""

    def __init__(self, total: int = _ALL_SERVICES_LIMIT, each: int = _SINGLE_SERVICE_LIMIT) -> None:
        self._free_in_total = total
        self._free_by_service = dict.fromkeys(SERVICES, each)
        self._lock = threading.Lock()

    def take(self, service: str) -> "Permit":
        """Takes a permit to forward one request to a service. Raises EDGE_BUSY."""
        with self._lock:
            if not (self._free_in_total and self._free_by_service[service]):
                raise EDGE_BUSY(retry_after=1)
            self._free_in_total -= 1
            self._free_by_service[service] -= 1
        return Permit(self, service)

    def give_back(self, service: str) -> None:
        """Makes a permit for a service free again."""
        with self._lock:
            self._free_in_total += 1
            self._free_by_service[service] += 1


class Permit:
    """The permission to forward one request. A second release changes nothing."""

    def __init__(self, slots: ForwardingPermits, service: str) -> None:
        self._permits: ForwardingPermits | None = slots
        self._service = service

    def release(self) -> None:
        """Gives the permit back when the request is done."""
        permits, self._permits = self._permits, None
        if permits is not None:
            permits.give_back(self._service)
