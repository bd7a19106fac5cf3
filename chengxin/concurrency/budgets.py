"""What callers may use up over time: a token bucket (RFC 2697 calls its size the burst) for each of them."""

import threading
import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from chengxin.bounds import own
from chengxin.concurrency.shares import Claimant

# The callers that are remembered. The least recently seen one is forgotten, and begins again with a full bucket.
_CALLERS: Final = 50_000

own(
    __name__,
    "LRUCache",
    resource="Callers whose use of something is remembered",
    total=_CALLERS,
    why="The least recently seen is forgotten",
)


class Budget:
    """Each caller has `burst` units, and `rate` more a second up to that; the unit is the user's, such as seconds."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._now = now
        # For each caller: what it had left, and when.
        self._levels: LRUCache[Claimant, tuple[float, float]] = LRUCache(_CALLERS)
        self._lock = threading.Lock()

    def owes(self, caller: Claimant) -> float:
        """The seconds until the caller has something left; 0 when it has."""
        with self._lock:
            return max(0.0, -self._level(caller) / self.rate)

    def spend(self, caller: Claimant, amount: float) -> None:
        """Takes what the caller has used, even when it had less left."""
        with self._lock:
            self._levels[caller] = self._level(caller) - amount, self._now()

    def take(self, caller: Claimant, amount: float = 1) -> float:
        """Takes an amount when the caller has it; returns 0, or else the seconds until it has."""
        with self._lock:
            level = self._level(caller)
            if level < amount:
                return (amount - level) / self.rate
            self._levels[caller] = level - amount, self._now()
            return 0.0

    def _level(self, caller: Claimant) -> float:
        now = self._now()
        level, at = self._levels.get(caller, (self.burst, now))
        return min(self.burst, level + (now - at) * self.rate)
