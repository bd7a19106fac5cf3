"""One transaction of a service: what is written in it, and the changes and events that commit with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo.client_session import ClientSession

from chengxin.store import on_record
from chengxin.values.document import RawDocument


@dataclass(frozen=True)
class OutboxRow:
    """One committed transaction of a service."""

    position: int
    at: datetime
    changes: list[RawDocument]
    events: list[bytes]


@dataclass
class UnitOfWork:
    """One transaction: what is written with `session` commits together with the changes and events added here."""

    session: ClientSession
    changes: list[RawDocument] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    # What this process does once it has committed, before those who follow are woken. It must not fail.
    committed: list[Callable[[], None]] = field(default_factory=list)
    # Rows of the outbox are numbered and written at the end of the transaction.
    row: OutboxRow | None = None
    # Why there is no audit event, where there need not be one.
    eventless: str = ""
    # Whether the event is still to come, after the transaction and before the answer.
    awaits_event: bool = False
    # The use case that began the transaction. Others may be run inside of it: their events commit with it.
    begun_by: on_record.Account | None = field(default_factory=on_record.running)

    def publish(self, kind: str, **payload: Any) -> None:
        """Adds a change to the service's feed."""
        self.changes.append({"kind": kind, **payload})

    def record(self, event: bytes) -> None:
        """Adds an audit event (canonical JSON, from `AuditEvent.encode`)."""
        self.events.append(event)
        if on_record.running() is not self.begun_by:
            on_record.enter(1)

    def without_event(self, reason: str) -> None:
        """Says why the transaction needs no audit event: nothing changes, or what changes is on record already."""
        self.eventless = reason

    def event_follows(self, reason: str) -> None:
        """Says why the event comes after the transaction. The use case answers nothing before the event is durable."""
        self.eventless, self.awaits_event = reason, True


def session_of(unit: UnitOfWork | None) -> ClientSession | None:
    """The session that makes a read part of a transaction; none outside of one."""
    return unit.session if unit else None
