"""How often somebody may ask: a token bucket for each client, and for each address that names none."""

import threading
import time
from collections.abc import Callable

from cachetools import LRUCache

from chengxin.errors import exhausted

RATE_LIMITED = exhausted(
    "RATE_LIMITED",
    429,
    "请求过于频繁，请在 {seconds} 秒后重试",
    "Too many requests; try again in {seconds} s",
)
# Buckets kept: the least recently used one is forgotten, which fills it.
_BUCKETS = 50_000


class Limiter:
    """Lets each name take `rate` a second, and `burst` at once. A rate of 0 limits nobody."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._now = now
        # Per name: how much there was, and when.
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(_BUCKETS)
        self._lock = threading.Lock()

    def take(self, name: str) -> None:
        """Takes one. Raises RATE_LIMITED with the time after which there is one again."""
        if self._rate <= 0:
            return
        with self._lock:
            now = self._now()
            level, at = self._buckets.get(name, (self._burst, now))
            level = min(self._burst, level + (now - at) * self._rate)
            if level >= 1:
                self._buckets[name] = (level - 1, now)
                return
            self._buckets[name] = (level, now)
        wait = (1 - level) / self._rate
        raise RATE_LIMITED(seconds=max(1, round(wait)), retry_after=wait)


class RateLimits:
    """The limits of both edges."""

    def __init__(self, client: Limiter, address: Limiter, proof: Limiter) -> None:
        self._client = client
        self._address = address
        self._proof = proof

    @classmethod
    def none(cls) -> "RateLimits":
        """Nobody is limited."""
        return cls(Limiter(0, 1), Limiter(0, 1), Limiter(0, 1))

    def by_client(self, client_id: str, sub: str) -> None:
        """A request with a token: of a client, or of a person at the portal."""
        self._client.take(f"{client_id}\0{sub}")

    def by_address(self, address: str) -> None:
        """A request without a token."""
        self._address.take(address)

    def by_proof(self, address: str) -> None:
        """Somebody proves who she is, which costs a signature or a hash to check."""
        self._proof.take(address)


def address_of(peer: str) -> str:
    """The address in what a transport tells of its peer (`127.0.0.1:5000`, `ipv4:…`, `ipv6:%5B::1%5D:5000`).

    Of IPv6, the network of 64 bits: one host has as many addresses in it as it likes.
    """
    text = peer.removeprefix("ipv4:").removeprefix("ipv6:").replace("%5B", "[").replace("%5D", "]")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _network(text) if ":" in text else text


def _network(address: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    except ValueError:
        return address
