"""The audit service's own trail: the appender puts its queries on its own log before it answers them."""

from collections.abc import Sequence
from typing import Any, Final

from chengxin.audit.event import REFUSED_OUTCOME, AuditEvent, refusal
from chengxin.audit.unanswered import UnansweredQueries
from chengxin.auth.principal import Principal
from chengxin.errors import Problem
from chengxin.store import on_record
from chengxin.values.acts import Act
from chengxin.values.clock import Clock, rfc3339
from services.audit.log.appender import Appender, AppendUnsettled

SERVICE: Final = "audit"


class OwnAuditTrail:
    """Does for the audit service what `AuditTrail` does for the other services."""

    def __init__(self, appender: Appender, clock: Clock) -> None:
        self._appender = appender
        self._clock = clock
        self._unanswered = UnansweredQueries(clock)

    def event(self, act: Act, actor: Principal, **what: Any) -> AuditEvent:
        """Makes an event of this service at the present time. Keywords are fields of `AuditEvent`."""
        return AuditEvent(SERVICE, act, actor, rfc3339(self._clock.now()), **what)

    def record(self, event: AuditEvent) -> AuditEvent:
        """Returns once the event is durable. Raises AUDIT_UNAVAILABLE; then the use case answers nothing.

        When the event may be on record all the same, the next one of this service takes along another, which says that
        nobody got an answer.
        """
        encoded = event.encode()
        late = self._unanswered.take()
        try:
            self._appender.append(SERVICE, [*late, encoded])
        except Problem as problem:
            self._unanswered.put_back(late)
            if isinstance(problem, AppendUnsettled):
                self._unanswered.add(event)
            raise
        on_record.enter(1)
        return event

    def refused(self, act: Act, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None:
        """Puts a refusal on record. Raises AUDIT_UNAVAILABLE in place of the refusal when that fails."""
        self.record(self.event(act, actor, outcome=REFUSED_OUTCOME, details=refusal(problem, asked)))
