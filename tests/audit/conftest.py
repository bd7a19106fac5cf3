"""An audit service as it runs: both faces on a real store, real tokens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.test import TestResponse

from chengxin.audit.event import AuditEvent
from chengxin.auth.admission import Admission
from chengxin.auth.principal import Principal, Role
from chengxin.grpc.rpc import make_channel, make_server
from chengxin.store.database import Store
from chengxin.values.canonical_json import canonical
from chengxin.values.clock import FixedClock, rfc3339
from chengxin.values.ids import new_id
from chengxin_api.audit.v1 import audit_pb2, audit_pb2_grpc
from services.audit.__main__ import faces
from services.audit.context import AuditContext, make_context
from services.audit.domain.event import LoggedEntry
from services.audit.log.checkpoint_signer import CheckpointSigner
from services.audit.store.log import AuditStore
from services.audit.store.search_index import SEGMENT_ENTRIES
from tests.faces import borrowed
from tests.support import Issuer, free_port, until

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
# Checkpoints often enough that no test waits for one.
INTERVAL = 0.05


def an_event(act: str = "record.queried.own", service: str = "disclosure", **what: Any) -> bytes:
    """An event as a service encodes it."""
    actor = what.pop("actor", Principal("s_" + "a" * 26, frozenset({Role.SUBJECT})))
    # The log takes any details; which an act has, those who make its events know.
    details = what.pop("details", {})
    event = msgspec.json.decode(AuditEvent(service, act, actor, what.pop("at", rfc3339(NOW)), **what).encode())
    return canonical(event | ({"details": details} if details else {}))


@dataclass
class RunningAudit:
    """A running audit service, with what its tests need to know of it."""

    ctx: AuditContext
    issuer: Issuer
    app: Any
    stub: audit_pb2_grpc.AuditServiceStub
    address: str
    uri: str
    close: Callable[[], None] = field(repr=False, default=lambda: None)

    def append(
        self, entries: Sequence[bytes], positions: Sequence[int] = (), caller: str = "disclosure", role: str = "service"
    ) -> audit_pb2.AppendResponse:
        """Appends events as a service does."""
        request = audit_pb2.AppendRequest(entries=entries, positions=positions)
        return self.stub.Append(request, metadata=self.metadata(role, sub=caller), timeout=20)

    def metadata(self, *roles: str, **claims: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.issuer.token(*roles, **claims)}"),)

    def get(self, path: str, *roles: str, **claims: Any) -> TestResponse:
        """A GET by a caller with these roles; without roles, by a caller without a token."""
        headers = {"Accept-Language": claims.pop("language", "zh-CN")}
        if roles:
            headers |= self.issuer.bearer(*roles, **claims)
        return self.app.test_client().get(path, headers=headers)

    def supervisor(self, path: str) -> Any:
        """What a supervisor reads."""
        answer = self.get(path, "supervisor", sub="officer:supervisor")
        assert answer.status_code == 200, answer.text
        return answer.json

    def published(self, size: int) -> None:
        """Returns once a checkpoint covers `size` entries."""
        until(lambda: self.size() >= size, f"a checkpoint of {size} entries")

    def entries(self) -> list[LoggedEntry]:
        """Everything that is durable, as it is stored."""
        size = self.ctx.appender.size()
        self.ctx.integrator.wait(size)
        return self.ctx.reader.entries(0, size)

    def size(self) -> int:
        """The size of the latest checkpoint."""
        answer = self.get("/tlog/checkpoint")
        return int(answer.text.split("\n")[1]) if answer.status_code == 200 else -1


Run = Callable[..., RunningAudit]


@pytest.fixture(scope="session")
def log_key() -> Ed25519PrivateKey:
    """The key of the log."""
    return Ed25519PrivateKey.generate()


@pytest.fixture
def run(issuer: Issuer, log_key: Ed25519PrivateKey) -> Iterator[Run]:
    """Starts an audit service on a store's URI; `close` stops it as SIGTERM would."""
    opened: list[RunningAudit] = []

    def start(uri: str, segment_entries: int = SEGMENT_ENTRIES) -> RunningAudit:
        clock = FixedClock(NOW)
        store = Store(uri, "audit", clock)
        ctx = make_context(AuditStore(store), CheckpointSigner.of(log_key), clock, INTERVAL, segment_entries)
        ctx.store.create_indexes()
        admission = Admission(issuer.verifier, ctx.audit, store.silence)
        borrowing = borrowed(faces, ctx, admission, ctx.ready)
        app, servicers = borrowing.__enter__()
        address = f"127.0.0.1:{free_port()}"
        server = make_server(address, admission, servicers)
        server.start()
        ctx.start()
        channel = make_channel(address)
        closed = []

        def close() -> None:
            if closed:
                return
            closed.append(True)
            channel.close()
            server.stop(None).wait()
            ctx.stop()
            store.close()
            borrowing.__exit__(None, None, None)

        running = RunningAudit(ctx, issuer, app, audit_pb2_grpc.AuditServiceStub(channel), address, uri, close)
        opened.append(running)
        return running

    yield start
    for running in opened:
        running.close()


@pytest.fixture
def audit(stores: Callable[[str], str], run: Run) -> RunningAudit:
    """A new audit service on a database of its own."""
    return run(stores(new_id("audit")))
