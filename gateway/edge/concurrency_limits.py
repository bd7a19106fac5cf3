"""The bounds of what the HTTP edge works on at the same time.

Each request holds a thread of the edge. What a thread is held for has places of its own: reading a body, forwarding,
the gateway's own addresses (tokens, keys), and health. Together they are the threads that there are. The services need
the gateway's own addresses to answer at all: if forwarding could take every thread, gateway and services would wait for
each other without end.
"""

from types import TracebackType
from typing import Final

from chengxin.bounds import bound
from chengxin.concurrency.shares import Claimant, Held, Shares
from gateway.domain.edge_refusals import EDGE_BUSY
from gateway.edge.routes import SERVICES

# What a caller is told who asks for more.
_RETRY_SECONDS: Final = 1

BODIES: Final = bound(
    __name__,
    resource="Requests whose bodies are read",
    total=56,
    share=16,
    strangers=32,
    seconds=10.0,
    why="CHENGXIN_BODY_SECONDS, and 1 s for each 32 KiB that have come. No place at a service is taken before the body is there",
    test="tests/gateway/test_slow_bodies.py::test_slow_bodies_of_one_address_stop_nobody_else",
)
FORWARDED: Final = bound(
    __name__,
    resource="Requests at the services",
    total=136,
    share=64,
    strangers=96,
    seconds=120.0,
    why="Until the answer has been taken; a client that takes nothing for 30 s is hung up on",
    test="tests/gateway/test_concurrency_limits.py::test_one_caller_leaves_places_to_the_others",
)
OF_A_SERVICE: Final = bound(
    __name__,
    resource="Requests at one service",
    total=44,
    share=32,
    strangers=24,
    seconds=120.0,
    why="A service that hangs leaves room for the others. Fewer than the service has threads: a request that waits for "
    "a thread would wait behind costly ones, and the service would count as dead",
    test="tests/gateway/test_concurrency_limits.py::test_one_room_that_hangs_leaves_slots_to_the_others",
)
OWN: Final = bound(
    __name__,
    resource="Requests at the gateway's own addresses",
    total=56,
    share=32,
    seconds="those of the store, the audit log and an identity provider, 10 s at most",
    why="Tokens, keys, sign-ins, administration. The services get their tokens here, so forwarding leaves these free",
    test="tests/gateway/test_concurrency_limits.py::test_each_address_falls_under_a_bound_and_a_rate",
)
HEALTH: Final = bound(
    __name__,
    resource="Requests for health and readiness",
    total=8,
    share=4,
    seconds=5.0,
    why="They answer while everything else is taken",
    test="tests/gateway/test_slow_bodies.py::test_health_answers_while_everything_else_is_taken",
)
REFUSALS: Final = bound(
    __name__,
    resource="Refusals of tokens, until they are on record",
    total=16,
    share=4,
    seconds=10.0,
    why="At each edge: whoever sends bad tokens while the audit service is slow takes nothing else",
    test="tests/gateway/test_grpc_floods.py::test_bad_tokens_hold_a_share_while_the_log_is_slow",
)
# The number of threads of the HTTP edge. A thread starts when it is needed, and waits most of its time.
THREADS: Final = BODIES.total + FORWARDED.total + OWN.total + HEALTH.total + REFUSALS.total


class EdgeShares:
    """The places of one bound at an edge: whoever finds none is told to come again."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares

    def take(self, claimant: Claimant) -> Held:
        """Takes a place. Raises EDGE_BUSY."""
        if held := self._shares.take(claimant):
            return held
        raise EDGE_BUSY(retry_after=_RETRY_SECONDS)


class ForwardingPermits:
    """The permits to forward requests, with a bound for all services together and one for each service."""

    def __init__(self, together: Shares, each: dict[str, Shares]) -> None:
        self._together = EdgeShares(together)
        self._each = {service: EdgeShares(shares) for service, shares in each.items()}

    def take(self, service: str, claimant: Claimant) -> "Permit":
        """Takes a permit to forward one request to a service. Raises EDGE_BUSY."""
        one = self._each[service].take(claimant)
        try:
            return Permit(one, self._together.take(claimant))
        except BaseException:
            one.release()
            raise


class Permit:
    """The permission to forward one request, until it is released. A second release changes nothing."""

    def __init__(self, *held: Held) -> None:
        self._held = held

    def __enter__(self) -> "Permit":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Gives the permit back when the request is done."""
        for held in self._held:
            held.release()


def permits() -> ForwardingPermits:
    """Returns the permits of this process."""
    return ForwardingPermits(Shares(FORWARDED), {service: Shares(OF_A_SERVICE) for service in SERVICES})
