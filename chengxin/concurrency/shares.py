"""Shares of what there is only so much of: a total, a share for each caller, and a rest that strangers cannot take."""

import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType

from chengxin.bounds import Bound


@dataclass(frozen=True)
class Claimant:
    """Who holds something: a client or an officer, whose token is verified, or an address of which no more is known."""

    name: str
    proven: bool = False


class Shares:
    """Gives out the places, or the bytes, of one bound. It never waits.

    A caller gets at most `share` of the `total`, and all strangers together get `strangers` of it, so that whoever has
    proven who they are finds the rest free. Any thread may take and give back.
    """

    def __init__(self, bound: Bound) -> None:
        self._total = bound.total
        self._share = bound.share if isinstance(bound.share, int) else bound.total
        self._strangers = bound.total if bound.strangers is None else bound.strangers
        self._held: Counter[Claimant] = Counter()
        self._held_in_total = self._held_by_strangers = 0
        self._lock = threading.Lock()

    def take(self, claimant: Claimant, amount: int = 1) -> "Held | None":
        """Takes `amount` for a caller; None when that is more than its share, or than what is left."""
        with self._lock:
            if self._held_in_total + amount > self._total or self._held[claimant] + amount > self._share:
                self._forget(claimant)
                return None
            if not claimant.proven:
                if self._held_by_strangers + amount > self._strangers:
                    self._forget(claimant)
                    return None
                self._held_by_strangers += amount
            self._held[claimant] += amount
            self._held_in_total += amount
        return Held(self, claimant, amount)

    def give_back(self, claimant: Claimant, amount: int) -> None:
        """Makes free what a caller held; `Held.release` calls it."""
        with self._lock:
            self._held[claimant] -= amount
            self._held_in_total -= amount
            if not claimant.proven:
                self._held_by_strangers -= amount
            self._forget(claimant)

    def _forget(self, claimant: Claimant) -> None:
        # There are more addresses than memory.
        if not self._held[claimant]:
            del self._held[claimant]


class Held:
    """What a caller holds of a bound, until it is released. A second release changes nothing."""

    def __init__(self, shares: Shares, claimant: Claimant, amount: int) -> None:
        self._shares: Shares | None = shares
        self._claimant = claimant
        self._amount = amount

    def release(self) -> None:
        """Gives it back."""
        shares, self._shares = self._shares, None
        if shares is not None:
            shares.give_back(self._claimant, self._amount)

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.release()
