"""Limits on how often a caller may ask: a token bucket for each client, and for each address that names no client.

How many a second is told by `client_rate`, `address_rate` and `proof_rate` of `chengxin/process/settings.py`."""

import math
import time
from collections.abc import Callable

from chengxin.concurrency.budgets import Budget
from chengxin.concurrency.shares import Claimant
from chengxin.errors import exhausted

RATE_LIMITED = exhausted(
    "RATE_LIMITED",
    429,
    "请求过于频繁，请在 {seconds} 秒后重试",
    "Too many requests; try again in {seconds} s",
)
# Questions for health a second from one address.
HEALTH_RATE = 100.0


class Limiter:
    """Lets each name take `rate` requests a second, and `burst` requests at once. A rate of 0 sets no limit."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._budget = Budget(rate, max(burst, 1.0), now) if rate > 0 else None

    def take(self, name: str) -> None:
        """Takes one request from a bucket. Raises RATE_LIMITED with the seconds until the next request is possible."""
        if self._budget is not None and (wait := self._budget.take(Claimant(name))):
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
