"""Leases: processes of a service share its work, each piece done by one of them, and go on soon when one has died.

Each process counts up a number of its own; whose number has stood still for a while, by the clock of whoever looks, is gone,
so that clocks that differ or jump do not matter. One that was thought gone cannot do harm: a transaction of whoever holds a
lease writes the lease, which a takeover writes too, so one of the two fails.
"""

import contextlib
import threading
from typing import Any, Final

import structlog
from pymongo.errors import DuplicateKeyError

from chengxin.store.database import Store, UnitOfWork
from chengxin.values.ids import new_id

log = structlog.get_logger()

BEAT_SECONDS: Final = 0.8
# So many beats a number may stand still: another process goes on within five seconds.
_STALE_BEATS: Final = 4
# After so many the process is forgotten. If it comes back it begins to count again.
_FORGOTTEN_BEATS: Final = 100
_HERE: Final = "here "


class LeaseLost(ConnectionError):
    """Another process holds the lease now. What was begun is tried again there."""


class Holder:
    """This process among those of its service. One thread calls `beat` every `BEAT_SECONDS`; the rest is for all."""

    def __init__(self, store: Store) -> None:
        self.id = new_id("h")
        self._store = store
        self._leases = store.db["leases"]
        # The numbers of the others, and for how many beats each has stood still.
        self._others: dict[str, tuple[int, int]] = {}
        # Who holds each lease.
        self._holders: dict[str, str] = {}
        # What is read of all and what this process changes itself do not overtake each other.
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Says that this process is here, and looks who else is."""
        with self._lock:
            self._beat()

    def _beat(self) -> None:
        self._leases.update_one({"_id": _HERE + self.id}, {"$inc": {"beats": 1}}, upsert=True)
        others: dict[str, tuple[int, int]] = {}
        holders: dict[str, str] = {}
        for row in self._leases.find({}):
            name, is_process, holder = row["_id"].partition(_HERE)
            if not is_process:
                holders[name] = row["holder"]
            elif holder != self.id:
                beats, still = self._others.get(holder, (row["beats"], -1))
                others[holder] = (row["beats"], still + 1 if beats == row["beats"] else 0)
        self._others, self._holders = others, holders
        for other, (beats, still) in others.items():
            if still >= _FORGOTTEN_BEATS:
                self._leases.delete_one({"_id": _HERE + other, "beats": beats})

    @property
    def processes(self) -> int:
        """How many processes of the service are here, with this one."""
        return 1 + sum(not self._is_gone(other) for other in self._others)

    def holds(self, name: str) -> bool:
        """Whether this process held the lease at the last beat."""
        return self._holders.get(name) == self.id

    def is_held(self, name: str) -> bool:
        """Whether a process held it at the last beat that is here."""
        holder = self._holders.get(name, "")
        return holder == self.id or (bool(holder) and not self._is_gone(holder))

    def take(self, name: str) -> bool:
        """Takes a lease that nobody holds who is here; whether this process holds it now."""
        with self._lock:
            return self._take(name)

    def _take(self, name: str) -> bool:
        if self.is_held(name):
            return self.holds(name)
        before = self._holders.get(name, "")
        if before:
            # Nothing may wait for what it had begun.
            self._store.end_transactions()
        else:
            with contextlib.suppress(DuplicateKeyError):
                self._leases.insert_one({"_id": name, "holder": "", "acts": 0})
        done = self._leases.update_one({"_id": name, "holder": before}, {"$set": {"holder": self.id}})
        if done.matched_count:
            self._holders[name] = self.id
            log.info("lease taken", lease=name, over=before)
        return bool(done.matched_count)

    def release(self, name: str) -> None:
        """Gives a lease back, so that nobody has to wait."""
        with self._lock:
            self._holders.pop(name, None)
            self._leases.update_one({"_id": name, "holder": self.id}, {"$set": {"holder": ""}})

    def leave(self) -> None:
        """Gives all back: this process ends."""
        with self._lock:
            self._holders = {}
            self._leases.update_many({"holder": self.id}, {"$set": {"holder": ""}})
            self._leases.delete_one({"_id": _HERE + self.id})

    def confirm(self, name: str, unit: UnitOfWork) -> None:
        """Makes a transaction fail unless the lease is held until it is committed. Raises `LeaseLost`."""
        mine: dict[str, Any] = {"_id": name, "holder": self.id}
        if not self._leases.update_one(mine, {"$inc": {"acts": 1}}, session=unit.session).matched_count:
            raise LeaseLost(name)

    def _is_gone(self, other: str) -> bool:
        # Whoever is not seen at all has left, or is forgotten.
        return self._others.get(other, (0, _STALE_BEATS))[1] >= _STALE_BEATS
