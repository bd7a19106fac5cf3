"""What the audit service's use cases have around them."""

import threading
from dataclasses import dataclass, field

from chengxin.clock import Clock
from services.audit.appender import Appender
from services.audit.index import SearchIndex
from services.audit.integrator import Integrator
from services.audit.shelf import Shelf
from services.audit.signer import Signer
from services.audit.store import AuditStore
from services.audit.trail import OwnTrail


@dataclass(frozen=True)
class AuditRoom:
    """The first argument of every use case here."""

    store: AuditStore
    appender: Appender
    shelf: Shelf
    index: SearchIndex
    integrator: Integrator
    signer: Signer
    audit: OwnTrail
    clock: Clock
    # Deliveries that repeat positions are looked at one after the other.
    redelivery: threading.Lock = field(default_factory=threading.Lock)

    def ready(self) -> dict[str, bool]:
        """Whether events can be appended, and whether the store is what was signed."""
        return {"log": self._works(), "sound": self.integrator.sound}

    def _works(self) -> bool:
        try:
            self.store.store.ping()
            self.appender.size()
        # A probe answers yes or no; why not is in the log.
        except Exception:
            return False
        return True

    def start(self) -> None:
        """Begins to append and to integrate."""
        self.appender.start()
        self.integrator.start()

    def stop(self) -> None:
        """Ends both; what was answered is durable."""
        self.appender.stop()
        self.integrator.stop()


def make_room(store: AuditStore, signer: Signer, clock: Clock, interval: float = 1.0) -> AuditRoom:
    """Wires a room on a store; `interval` is that of checkpoints, in seconds."""
    appender = Appender(store)
    shelf = Shelf(store)
    index = SearchIndex(store, shelf)
    integrator = Integrator(store, shelf, index, signer, clock, interval)
    return AuditRoom(store, appender, shelf, index, integrator, signer, OwnTrail(appender, clock), clock)
