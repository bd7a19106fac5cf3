"""The audit trail as services use it: events, the durable append of queries, the relay of modifications."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import structlog

from chengxin import context
from chengxin.audit.v1 import audit_pb2, audit_pb2_grpc
from chengxin.canonical import canonical
from chengxin.clock import Clock, rfc3339
from chengxin.errors import AUDIT_UNAVAILABLE, Problem
from chengxin.ids import new_id
from chengxin.mongo import Store
from chengxin.principal import Principal

log = structlog.get_logger()

_APPEND_SECONDS: Final = 3.0
_GROUP: Final = 500
# What the audit service takes; an event beyond it could never be delivered.
EVENT_LIMIT: Final = 32 * 1024

Metadata = Callable[[], tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class AuditEvent:
    """One query or modification by a named actor (Art. 31). Holds pseudonyms only, never a personal identifier."""

    service: str
    act: str
    actor: Principal
    at: str
    outcome: str = "ok"
    subject_refs: Sequence[str] = ()
    entries: Sequence[str] = ()
    records: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)
    event_id: str = field(default_factory=lambda: new_id("ev"))
    request_id: str = field(default_factory=lambda: context.current().request_id)

    def encode(self) -> bytes:
        """The canonical JSON that becomes the leaf of the log (docs/audit-event.md). Raises `ValueError` beyond 32 KiB:
        what cannot be put on record is not done."""
        event: dict[str, Any] = {
            "v": 1,
            "event_id": self.event_id,
            "at": self.at,
            "service": self.service,
            "act": self.act,
            "outcome": self.outcome,
            "actor": self.actor.to_actor(),
            "request_id": self.request_id,
        }
        for name in ("purpose", "legal_basis", "case_no", "consent_id"):
            if value := getattr(self.actor, name):
                event[name] = value
        for name in ("subject_refs", "entries", "records"):
            if values := getattr(self, name):
                event[name] = list(values)
        if self.details:
            event["details"] = self.details
        encoded = canonical(event)
        if len(encoded) > EVENT_LIMIT:
            raise ValueError(f"the audit event {self.act} has {len(encoded)} bytes, more than {EVENT_LIMIT}")
        return encoded


class AuditTrail:
    """Builds this service's events and makes those of queries and refusals durable before it returns."""

    def __init__(self, service: str, stub: audit_pb2_grpc.AuditServiceStub, metadata: Metadata, clock: Clock) -> None:
        self._service = service
        self._stub = stub
        self._metadata = metadata
        self._clock = clock
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        # One sender: while a group is on its way the next one gathers. A second one halves the groups, which costs a
        # tenth of a query's processor time in all, and gains nothing.
        self._sender = threading.Thread(target=self._send, name="audit-sender", daemon=True)
        self._sender.start()

    def event(self, act: str, actor: Principal, **what: Any) -> AuditEvent:
        """An event of this service, now. Keywords are fields of `AuditEvent`."""
        return AuditEvent(self._service, act, actor, rfc3339(self._clock.now()), **what)

    def record(self, event: AuditEvent) -> AuditEvent:
        """Waits until the event is durable in the audit service. Raises AUDIT_UNAVAILABLE: then answer nothing."""
        done: Future[None] = Future()
        self._waiting.put((event.encode(), done))
        try:
            done.result(_APPEND_SECONDS + 1)
        except FutureTimeout:
            raise AUDIT_UNAVAILABLE(retry_after=1) from None
        return event

    def refused(self, act: str, actor: Principal, problem: Problem) -> None:
        """Puts a refusal on record. Raises AUDIT_UNAVAILABLE in its place when that cannot be done."""
        self.record(self.event(act, actor, outcome="refused", details={"code": problem.code}))

    def _send(self) -> None:
        while (first := self._waiting.get()) is not None:
            group = [first]
            while len(group) < _GROUP:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._waiting.put(None)
                    break
                group.append(following)
            self._append(group)

    def _append(self, group: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._stub.Append(
                audit_pb2.AppendRequest(entries=[entry for entry, _ in group]),
                metadata=self._metadata(),
                timeout=_APPEND_SECONDS,
            )
        # Whatever it is, those who wait are refused and the sender goes on: without it nothing could be queried.
        except Exception as e:
            if _is_invalid(e) and len(group) > 1:
                # One event that the log does not take must not fail those that only travel with it.
                for one in group:
                    self._append([one])
                return
            log.warning("audit append failed", events=len(group), reason=_reason(e))
            for _, done in group:
                done.set_exception(AUDIT_UNAVAILABLE(retry_after=1))
        else:
            for _, done in group:
                done.set_result(None)

    def close(self) -> None:
        """Ends the sender."""
        self._waiting.put(None)


class Relay:
    """Delivers the audit events of committed modifications from the outbox, at least once, in order.

    The audit service recognises positions it already has, so they are appended exactly once.
    """

    _NAME: Final = "relay.audit"

    def __init__(self, store: Store, stub: audit_pb2_grpc.AuditServiceStub, metadata: Metadata) -> None:
        self._store = store
        self._stub = stub
        self._metadata = metadata
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-relay", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the row in hand."""
        self._stopped.set()
        self._store.wake()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                after = self._store.position(self._NAME)
                for row in self._store.follow(after, lambda: not self._stopped.is_set()):
                    if row.events:
                        self._deliver(row.position, row.events)
                    self._store.set_position(self._NAME, row.position)
            # Whatever stops the relay, a store or an audit service that is away, it goes on where it was.
            except Exception as e:
                log.warning("audit relay interrupted", reason=_reason(e))
                self._stopped.wait(1)

    def _deliver(self, position: int, events: list[bytes]) -> None:
        self._stub.Append(
            audit_pb2.AppendRequest(entries=events, positions=[position] * len(events)),
            metadata=self._metadata(),
            timeout=10,
        )


def _is_invalid(error: Exception) -> bool:
    return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.INVALID_ARGUMENT


def _reason(error: Exception) -> str:
    return f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else repr(error)
