"""The audit trail as services use it: events, the durable append of queries, the relay of modifications."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final

import grpc
import structlog

from chengxin.audit.event import REFUSED_OUTCOME, AuditEvent, refusal
from chengxin.audit.public_reads import PublicReads
from chengxin.audit.unanswered import UnansweredQueries
from chengxin.auth.principal import Principal
from chengxin.bounds import own
from chengxin.concurrency.coalescing import Coalescer, Unanswered
from chengxin.errors import AUDIT_UNAVAILABLE, Problem
from chengxin.feeds.lag import MEASURED_EVERY_SECONDS, Lag, LagMeter
from chengxin.feeds.quarantine import Quarantine
from chengxin.feeds.splitting import Label
from chengxin.store import on_record
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.deadlines import patience
from chengxin.values.acts import Act
from chengxin.values.clock import Clock, rfc3339
from chengxin.values.document import RawDocument
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc

log = structlog.get_logger()

_APPEND_SECONDS: Final = 3.0
# The least time for an append by a caller that has waited for the store already.
_LEAST_SECONDS: Final = 0.5
_GROUP: Final = 500
# How long the first event of a group waits for others. A call costs the suite 1.8 ms of processor time, one event more
# in it 50 µs.
_COMPANY_SECONDS: Final = 0.003
# How the audit service names an event of a call that it does not take.
_ENTRY: Final = re.compile(r"entries\[([0-9]{1,9})\]")

Metadata = Callable[[], tuple[tuple[str, str], ...]]

own(
    __name__,
    "Coalescer",
    resource="Groups of audit events under way",
    total=1,
    why="Those who wait are the callers that the faces let in",
)
own(
    __name__,
    "Thread",
    resource="Threads of the relay",
    total=1,
    why="Started once",
)


class Fate(Enum):
    """What became of an event that was sent."""

    ON_RECORD = "on record"
    # The call broke off.
    UNKNOWN = "unknown"
    # What the log does not take, it does not take later either.
    NOT_TAKEN = "not taken"


class AuditTrail:
    """Builds this service's events and makes those of queries and refusals durable before it returns."""

    def __init__(
        self,
        service: str,
        stub: audit_pb2_grpc.AuditServiceStub,
        metadata: Metadata,
        clock: Clock,
        public_reads: PublicReads | None = None,
    ) -> None:
        """Without `public_reads`, each act of a caller without proof has an event of its own: a sign-in, for example."""
        self._service = service
        self._stub = stub
        self._metadata = metadata
        self._clock = clock
        # One group is sent at a time, while the next one gathers. Two at the same time would halve the groups.
        self._together = Coalescer(self._append, _GROUP, _COMPANY_SECONDS)
        self._unanswered = UnansweredQueries(clock)
        self._public_reads = public_reads

    def event(self, act: Act, actor: Principal, **what: Any) -> AuditEvent:
        """An event of this service, now. Keywords are fields of `AuditEvent`."""
        return AuditEvent(self._service, act, actor, rfc3339(self._clock.now()), **what)

    def record(self, event: AuditEvent) -> AuditEvent:
        """Waits until the event is durable in the audit service. Raises AUDIT_UNAVAILABLE: answer nothing then.

        Returns the event that stands for the act, which is another one where reads of the public are counted. The event
        may be on record all the same, when the call broke off. Then another event says that nobody got an answer; it
        travels with the next one of this service.
        """
        if self._public_reads is not None and not event.actor.claimant.proven:
            event = self._public_reads.record(event, self._make_durable)
        else:
            self._make_durable(event)
        on_record.enter(1)
        return event

    def _make_durable(self, event: AuditEvent) -> None:
        try:
            seconds = min(_APPEND_SECONDS, max(_LEAST_SECONDS, patience()))
            fate = self._together.ask(event.encode(), seconds)
        except Unanswered:
            fate = Fate.UNKNOWN
        except TimeoutError:
            # It waited for its group, and was not sent.
            raise AUDIT_UNAVAILABLE(retry_after=1) from None
        if fate is Fate.UNKNOWN:
            self._unanswered.add(event)
        if fate is not Fate.ON_RECORD:
            raise AUDIT_UNAVAILABLE(retry_after=1)

    def refused(self, act: Act, actor: Principal, problem: Problem, asked: Sequence[object] = ()) -> None:
        """Puts a refusal on record, with the words by which the caller named what it asked for.

        Raises AUDIT_UNAVAILABLE in its place when that cannot be done.
        """
        self.record(self.event(act, actor, outcome=REFUSED_OUTCOME, details=refusal(problem, asked)))

    def _append(self, group: Sequence[bytes], seconds: float) -> list[Fate]:
        """What became of each event of a group."""
        late = self._unanswered.take()
        fates = self._send([*late, *group], seconds)
        self._unanswered.put_back([one for one, fate in zip(late, fates, strict=False) if fate is Fate.UNKNOWN])
        return fates[len(late) :]

    def _send(self, events: Sequence[bytes], seconds: float) -> list[Fate]:
        try:
            self._stub.Append(audit_pb2.AppendRequest(entries=events), metadata=self._metadata(), timeout=seconds)
        # After any error the callers that wait are refused.
        except Exception as e:
            if _is_invalid(e) and len(events) > 1:
                # One event that the log does not take must not fail those that only travel with it.
                end = time.monotonic() + seconds
                return [self._send([one], end - time.monotonic())[0] for one in events]
            log.warning("audit append failed", events=len(events), reason=_reason(e))
            return [Fate.NOT_TAKEN if _is_invalid(e) else Fate.UNKNOWN] * len(events)
        return [Fate.ON_RECORD] * len(events)


class Relay:
    """Delivers the audit events of committed modifications from the outbox, at least once, in order.

    The audit service recognises positions it already has, so they are appended exactly once. An event that it does not
    take (INVALID_ARGUMENT) is set aside (chengxin.feeds.quarantine); after any other error the relay tries again.
    """

    _NAME: Final = "relay.audit"

    def __init__(
        self,
        store: Store,
        stub: audit_pb2_grpc.AuditServiceStub,
        metadata: Metadata,
        quarantine: Quarantine | None = None,
        measured_every: float = MEASURED_EVERY_SECONDS,
    ) -> None:
        """Connects a service's outbox with the audit service; `start` begins to deliver.

        `measured_every` is the pause, in seconds, between two measurements of the lag.
        """
        self._store = store
        self._stub = stub
        self._metadata = metadata
        self._quarantine = quarantine or Quarantine(store)
        self._quarantine.handle(self._NAME, self._again)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-relay", daemon=True)
        self._position: int | None = None
        self._meter = LagMeter(
            self._NAME,
            lambda: self._position,
            lambda after: store.head(after, self._NAME, lambda row: row.events),
            measured_every,
        )

    @property
    def name(self) -> str:
        """The name in readiness and metrics."""
        return self._NAME

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()
        self._meter.start()

    def nothing_set_aside(self) -> bool:
        """Whether the log has taken each event that was delivered. Raises `PyMongoError`."""
        return not self._quarantine.rows(limit=1, feed=self._NAME)

    def lag(self) -> Lag:
        """How far the audit log is behind what is committed."""
        return self._meter.lag()

    def stop(self) -> None:
        """Ends after the row in hand."""
        self._stopped.set()
        self._meter.stop()
        self._store.wake()

    def ended(self, seconds: float) -> bool:
        """Waits at most `seconds` for the row in hand. Returns whether the relay has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        # No `PeriodicTask`: one pass follows the outbox until the process ends, and a pause follows only an error.
        # `stop` ends the pass by waking the store that it waits for.
        while not self._stopped.is_set():
            try:
                after = self._position = self._store.position(self._NAME)
                for row in self._store.follow(after, lambda: not self._stopped.is_set()):
                    if row.events:
                        self._deliver(row.position, row.events)
                    self._store.set_position(self._NAME, row.position)
                    self._position = row.position
            # After any error, such as a store or an audit service that is away, the relay goes on where it was.
            except Exception as e:
                log.warning("audit relay interrupted", reason=_reason(e))
                self._stopped.wait(1)

    def _deliver(self, position: int, events: list[bytes]) -> None:
        remaining = dict(enumerate(events))
        while remaining:
            try:
                return self._append(position, list(remaining.values()))
            except grpc.RpcError as e:
                if not _is_invalid(e):
                    raise
                # The log takes all events of a call or none, and says which ones it does not take.
                for number in _refused(e, list(remaining)):
                    self._set_aside(position, number, remaining.pop(number), Problem.from_rpc(e))

    def _set_aside(self, position: int, number: int, event: bytes, error: Exception) -> None:
        label = Label(f"{position}.{number}")
        self._store.transact(lambda unit: self._quarantine.put(self._NAME, label, event, error, unit, position))

    def _again(self, row: RawDocument) -> Callable[[UnitOfWork], None]:
        # By a position that it has had, the log recognises what it has, and appends what it has not.
        self._append(row["position"], [bytes(row["message"])])
        return lambda unit: None

    def _append(self, position: int, events: list[bytes]) -> None:
        self._stub.Append(
            audit_pb2.AppendRequest(entries=events, positions=[position] * len(events)),
            metadata=self._metadata(),
            timeout=10,
        )


def _is_invalid(error: Exception) -> bool:
    return isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.INVALID_ARGUMENT


def _refused(error: grpc.RpcError, numbers: list[int]) -> list[int]:
    """The events that the log does not take, by the entries that its error names; all, when it names none."""
    told = {int(found[1]) for f in Problem.from_rpc(error).fields if (found := _ENTRY.match(f.field))}
    return [numbers[n] for n in sorted(told) if n < len(numbers)] or numbers


def _reason(error: Exception) -> str:
    return f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else repr(error)
