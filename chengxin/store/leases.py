"""Leases share a service's work among its processes: one does each piece, and soon another continues if that one dies.

Each process increments a counter of its own. A process whose counter stands still for a while counts as gone. The
process that looks measures this by its own clock, so clocks that differ or jump do not matter. A process that wrongly
counts as gone can do no harm: each transaction under a lease writes the lease, and a takeover writes it too, so one of
the two fails.
"""

import contextlib
import threading
from typing import Any, Final

import structlog
from pymongo.errors import DuplicateKeyError

from chengxin.store.database import Store, UnitOfWork
from chengxin.store.kernel_documents import LeaseRow
from chengxin.values.ids import new_id

log = structlog.get_logger()

BEAT_SECONDS: Final = 0.8
# How many beats a counter may stand still: another process then continues within five seconds.
_STALE_BEATS: Final = 4
# After how many beats a process is forgotten. If it comes back, it begins to count again.
_FORGOTTEN_BEATS: Final = 100
_PROCESS_PREFIX: Final = "here "


class LeaseLost(ConnectionError):
    """Another process holds the lease now, and tries the work again that was begun here."""


class Holder:
    """This process as a holder of leases. One thread calls `beat` every `BEAT_SECONDS`; any may call the rest."""

    def __init__(self, store: Store) -> None:
        self.id = new_id("h")
        self._store = store
        self._leases = store.collection(LeaseRow)
        # The counters of the other processes, and for how many beats each has stood still.
        self._others: dict[str, tuple[int, int]] = {}
        # Who holds each lease.
        self._holders: dict[str, str] = {}
        # Keeps a read of all leases and a change by this process from overtaking each other.
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Shows that this process runs, and looks which others do."""
        with self._lock:
            self._beat()

    def _beat(self) -> None:
        self._leases.update_one({"_id": _PROCESS_PREFIX + self.id}, {"$inc": {"beats": 1}}, upsert=True)
        others: dict[str, tuple[int, int]] = {}
        holders: dict[str, str] = {}
        for row in self._leases.find({}):
            name, is_process, holder = row["_id"].partition(_PROCESS_PREFIX)
            if not is_process:
                holders[name] = row["holder"]
            elif holder != self.id:
                beats, still = self._others.get(holder, (row["beats"], -1))
                others[holder] = (row["beats"], still + 1 if beats == row["beats"] else 0)
        self._others, self._holders = others, holders
        for other, (beats, still) in others.items():
            if still >= _FORGOTTEN_BEATS:
                self._leases.delete_one({"_id": _PROCESS_PREFIX + other, "beats": beats})

    @property
    def processes(self) -> int:
        """How many processes of the service run, with this one."""
        return 1 + sum(not self._is_gone(other) for other in self._others)

    def holds(self, name: str) -> bool:
        """Whether this process held the lease at the last beat."""
        return self._holders.get(name) == self.id

    def is_held(self, name: str) -> bool:
        """Whether a process that still runs held the lease at the last beat."""
        holder = self._holders.get(name, "")
        return holder == self.id or (bool(holder) and not self._is_gone(holder))

    def take(self, name: str) -> bool:
        """Takes a lease unless a process that still runs holds it. Returns whether this process holds it now."""
        with self._lock:
            return self._take(name)

    def _take(self, name: str) -> bool:
        if self.is_held(name):
            return self.holds(name)
        previous = self._holders.get(name, "")
        if previous:
            # The transactions that the previous holder has begun must block no other.
            self._store.end_transactions()
        else:
            with contextlib.suppress(DuplicateKeyError):
                self._leases.insert_one({"_id": name, "holder": "", "acts": 0})
        result = self._leases.update_one({"_id": name, "holder": previous}, {"$set": {"holder": self.id}})
        if result.matched_count:
            self._holders[name] = self.id
            log.info("lease taken", lease=name, over=previous)
        return bool(result.matched_count)

    def release(self, name: str) -> None:
        """Gives a lease back, so that no other process has to wait."""
        with self._lock:
            self._holders.pop(name, None)
            self._leases.update_one({"_id": name, "holder": self.id}, {"$set": {"holder": ""}})

    def leave(self) -> None:
        """Gives all leases back, because this process ends."""
        with self._lock:
            self._holders = {}
            self._leases.update_many({"holder": self.id}, {"$set": {"holder": ""}})
            self._leases.delete_one({"_id": _PROCESS_PREFIX + self.id})

    def confirm(self, name: str, unit: UnitOfWork) -> None:
        """Makes a transaction fail unless this process holds the lease until the commit. Raises `LeaseLost`."""
        own_lease: dict[str, Any] = {"_id": name, "holder": self.id}
        if not self._leases.update_one(own_lease, {"$inc": {"acts": 1}}, session=unit.session).matched_count:
            raise LeaseLost(name)

    def _is_gone(self, other: str) -> bool:
        # A process without a counter has left or is forgotten.
        return self._others.get(other, (0, _STALE_BEATS))[1] >= _STALE_BEATS
