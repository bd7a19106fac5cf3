"""What the use cases of the audit service are given."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from chengxin.auth.principal import Principal, Role
from chengxin.process.readiness import Readiness
from chengxin.values.acts import Act
from chengxin.values.clock import Clock
from services.audit.domain.alterations import Alteration
from services.audit.log.appender import Appender
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.log.condition import LogCondition
from services.audit.log.inspector import Inspector
from services.audit.log.integrator import Integrator
from services.audit.log.own_trail import SERVICE, OwnAuditTrail
from services.audit.store.log import AuditStore
from services.audit.store.log_reader import LogReader
from services.audit.store.search_index import SEGMENT_ENTRIES, SearchIndex

_OWN: Final = Principal(SERVICE, frozenset({Role.SERVICE}), client_id=SERVICE)
# Places that an event names; the number of all is beside them.
_PLACES_NAMED: Final = 20


@dataclass(frozen=True)
class AuditContext:
    """The first argument of every use case here."""

    store: AuditStore
    appender: Appender
    reader: LogReader
    index: SearchIndex
    integrator: Integrator
    condition: LogCondition
    signer: CheckpointSigner
    audit: OwnAuditTrail
    clock: Clock
    # Held while a delivery that repeats positions is compared with the log.
    redelivery: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def ready(self) -> Readiness:
        """Whether events can be appended, and whether the store is what was signed."""
        needs = {"log": self._must_work, "sound": lambda: self.condition.sound}
        return Readiness(needs, remarks=self._name_alterations)

    def _name_alterations(self) -> dict[str, list[str]]:
        return {"altered": found} if (found := [str(a) for a in self.condition.alterations]) else {}

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


def make_context(
    store: AuditStore,
    signer: CheckpointSigner,
    clock: Clock,
    interval: float = 1.0,
    segment_entries: int = SEGMENT_ENTRIES,
) -> AuditContext:
    """Makes the context on a store. `interval` is the pause between checkpoints and between steps of an inspection, in
    seconds; a segment of the search index has `segment_entries` or a few more."""
    appender = Appender(store, signer.seals)
    reader = LogReader(store, lambda group: signer.seals.hold(group.sealed_text(), group.seal))
    index = SearchIndex(store, reader, segment_entries)
    trail = OwnAuditTrail(appender, clock)
    condition = LogCondition()
    inspector = Inspector(store, signer, condition, _telling(trail), interval)
    integrator = Integrator(store, reader, index, signer, clock, condition, inspector, interval)
    return AuditContext(store, appender, reader, index, integrator, condition, signer, trail, clock)


def _telling(trail: OwnAuditTrail) -> Callable[[Sequence[Alteration], Sequence[Alteration]], None]:
    def tell(found: Sequence[Alteration], mended: Sequence[Alteration]) -> None:
        for act, alterations in ((Act.LOG_ALTERATION_FOUND, found), (Act.LOG_ROWS_MENDED, mended)):
            if alterations:
                details = {"rows": len(alterations), "places": [str(a) for a in alterations[:_PLACES_NAMED]]}
                trail.record(trail.event(act, _OWN, details=details))

    return tell
