"""What the use cases of the audit service are given."""

import threading
from dataclasses import dataclass, field
from functools import cached_property

from chengxin.process.readiness import Readiness
from chengxin.values.clock import Clock
from services.audit.log.appender import Appender
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.log.integrator import Integrator
from services.audit.log.own_trail import OwnAuditTrail
from services.audit.store.log import AuditStore
from services.audit.store.log_reader import LogReader
from services.audit.store.search_index import SearchIndex


@dataclass(frozen=True)
class AuditContext:
    """The first argument of every use case here."""

    store: AuditStore
    appender: Appender
    reader: LogReader
    index: SearchIndex
    integrator: Integrator
    signer: CheckpointSigner
    audit: OwnAuditTrail
    clock: Clock
    # Held while a delivery that repeats positions is compared with the log.
    redelivery: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def ready(self) -> Readiness:
        """Whether events can be appended, and whether the store is what was signed."""
        return Readiness({"log": self._must_work, "sound": lambda: self.integrator.sound})

    def _must_work(self) -> None:
        self.store.store.ping()
        self.appender.size()

    def start(self) -> None:
        """Starts the appender and the integrator."""
        self.appender.start()
        self.integrator.start()

    def stop(self) -> None:
        """Ends the appender, then the integrator. What was answered is durable."""
        self.appender.stop()
        self.integrator.stop()


def make_context(store: AuditStore, signer: CheckpointSigner, clock: Clock, interval: float = 1.0) -> AuditContext:
    """Makes the context on a store. `interval` is the pause between checkpoints, in seconds."""
    appender = Appender(store)
    reader = LogReader(store)
    index = SearchIndex(store, reader)
    integrator = Integrator(store, reader, index, signer, clock, interval)
    return AuditContext(store, appender, reader, index, integrator, signer, OwnAuditTrail(appender, clock), clock)
