"""The audit service's own trail: its queries go on its own log, by the appender, before they are answered."""

from typing import Any, Final

from chengxin.audit.trail import AuditEvent
from chengxin.auth.principal import Principal
from chengxin.errors import Problem
from chengxin.values.clock import Clock, rfc3339
from services.audit.log.appender import Appender

SERVICE: Final = "audit"


class OwnAuditTrail:
    """What `AuditTrail` is to the other services."""

    def __init__(self, appender: Appender, clock: Clock) -> None:
        self._appender = appender
        self._clock = clock

    def event(self, act: str, actor: Principal, **what: Any) -> AuditEvent:
        """An event of this service, now. Keywords are fields of `AuditEvent`."""
        return AuditEvent(SERVICE, act, actor, rfc3339(self._clock.now()), **what)

    def record(self, event: AuditEvent) -> AuditEvent:
        """Returns once the event is durable. Raises AUDIT_UNAVAILABLE: then answer nothing."""
        self._appender.append(SERVICE, [event.encode()])
        return event

    def refused(self, act: str, actor: Principal, problem: Problem) -> None:
        """Puts a refusal on record. Raises AUDIT_UNAVAILABLE in its place when that cannot be done."""
        self.record(self.event(act, actor, outcome="refused", details={"code": problem.code}))
