"""Limits on how often a caller may ask: a token bucket for each client, and for each address that names no client.

How many a second is told by `client_rate`, `address_rate` and `proof_rate` of `chengxin/process/settings.py`."""

import math
import threading
import time
from collections.abc import Callable

from cachetools import LRUCache

from chengxin.bounds import own
from chengxin.errors import exhausted

RATE_LIMITED = exhausted(
    "RATE_LIMITED",
    429,
    "请求过于频繁，请在 {seconds} 秒后重试",
    "Too many requests; try again in {seconds} s",
)
# The number of buckets that are kept. The least recently used bucket is dropped; its name starts again with a full one.
_BUCKETS = 50_000
# Questions for health a second from one address.
HEALTH_RATE = 100.0

own(
    __name__,
    "LRUCache",
    resource="Buckets of rates",
    total=_BUCKETS,
    why="The least recently used is dropped",
)


class Limiter:
    """Lets each name take `rate` requests a second, and `burst` requests at once. A rate of 0 sets no limit."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._now = now
        # For each name: the level of its bucket, and the time of that level.
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_BUCKETS)
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Takes one request from a bucket. Raises RATE_LIMITED with the seconds until the next request is possible."""
        if self._rate <= 0:
            return
        with self._lock:
            now = self._now()
            level, updated_at = self._buckets.get(name, (self._burst, now))
            level = min(self._burst, level + (now - updated_at) * self._rate)
            if level >= 1:
                self._buckets[name] = (level - 1, now)
                return
            self._buckets[name] = (level, now)
        wait = (1 - level) / self._rate
        raise RATE_LIMITED(seconds=max(1, math.ceil(wait)), retry_after=wait)


class RateLimits:
    """The limits that both edges apply."""

    def __init__(self, client: Limiter, address: Limiter, proof: Limiter, health: Limiter) -> None:
        self._client = client
        self._address = address
        self._proof = proof
        self._health = health

    @classmethod
    def none(cls) -> "RateLimits":
        """Returns limits that let every request pass."""
        return cls(*(Limiter(0, 1) for _ in range(4)))

    def by_client(self, client_id: str, sub: str) -> None:
        """Counts a request with a token, from a client or from a person at the portal. Raises RATE_LIMITED."""
        self._client.take(f"{client_id}\0{sub}")

    def by_address(self, address: str) -> None:
        """Counts a request without a token. Raises RATE_LIMITED."""
        self._address.take(address)

    def by_health(self, address: str) -> None:
        """Counts a question for health, which others may depend on when all else is refused. Raises RATE_LIMITED."""
        self._health.take(address)

    def by_proof(self, address: str) -> None:
        """Counts a proof of identity, which costs a signature or a hash to check. Raises RATE_LIMITED."""
        self._proof.take(address)
