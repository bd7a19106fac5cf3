"""The wiring that every composition root repeats: the callers' verifier, the service's own tokens, the audit trail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc

from chengxin.audit.public_reads import PublicReads
from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.access_tokens import TokenSource, Verifier, fetch_jwks, load_private_key
from chengxin.auth.admission import Admission
from chengxin.auth.revocation import Revocations, fetch_revocations
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.feeds.follower import Follower
from chengxin.feeds.quarantine import QUARANTINE, Quarantine, QuarantineRetrier
from chengxin.feeds.splitting import FeedParts
from chengxin.grpc.rpc import make_channel
from chengxin.process.operations import Operations
from chengxin.process.readiness import ALL_CHANGES, ON_RECORD, FollowedFeed, Readiness, head_of
from chengxin.process.settings import Settings
from chengxin.store.database import FeedHead, OutboxRow, Store, UnitOfWork
from chengxin.store.outbox_trimmer import OutboxTrimmer
from chengxin.values.clock import Clock, SystemClock
from chengxin_api.audit.v1 import audit_pb2_grpc

# A receiver's window stays at 64 KiB, so that changes which a follower has not taken yet stay with their source.
# With windows of megabytes, ingest prepared a whole delivery for its followers while it was still taking it in.
_SMALL_WINDOWS: Final = (("grpc.http2.bdp_probe", 0),)


@dataclass
class WiredService:
    """What the wiring gives every service."""

    name: str
    settings: Settings
    clock: Clock
    store: Store
    verifier: Verifier
    tokens: TokenSource
    audit: AuditTrail
    relay: Relay
    quarantine: Quarantine

    @property
    def upkeep(self) -> list[PeriodicTask]:
        """The background work on what every service keeps: it tries again what is set aside, and trims the outbox."""
        return upkeep_of(self.store, self.clock, self.quarantine, self.relay)

    @property
    def operations(self) -> Operations:
        """The context of the use cases in `chengxin.process.operations`."""
        return Operations(self.audit, self.quarantine)

    @property
    def admission(self) -> Admission:
        """The check of every caller at the service's faces."""
        return Admission(self.verifier, self.audit, self.store.silence)

    def channel(self, service: str) -> grpc.Channel:
        """A gRPC channel to another service."""
        return make_channel(self.settings.peer(service), more=_SMALL_WINDOWS)

    def follow(
        self,
        source: str,
        watch: Any,
        request: Callable[[int], Any],
        apply: Callable[[UnitOfWork, Any], None],
        parts: FeedParts,
        stream: str = ALL_CHANGES,
    ) -> Follower:
        """A follower of another service's feed.

        `watch` is the stub's method, `request(after)` makes its message, `parts` takes changes apart, and `stream` is
        the source's name of what it sends there.
        """
        open_stream = self._bind_watch(watch, request)
        return Follower(
            source, self.store, open_stream, apply, parts, self.quarantine, head=self.head_of(source, stream)
        )

    def follow_part(
        self,
        name: str,
        watch: Any,
        request: Callable[[int], Any],
        apply: Callable[[UnitOfWork, Any], None],
        parts: FeedParts,
        key: str,
        place: str,
        confirm: Callable[[UnitOfWork], None],
    ) -> Follower:
        """A follower of one part of a feed; other followers take the other parts.

        What any of them sets aside is kept under `key`, the position of this one under `place`. Every transaction
        begins with `confirm`. The follower reports no lag: that takes the positions of all parts.
        """
        open_stream, own = self._bind_watch(watch, request), self.quarantine
        return Follower(name, self.store, open_stream, apply, parts, own, key=key, place=place, confirm=confirm)

    def head_of(self, source: str, stream: str = ALL_CHANGES) -> Callable[[int], FeedHead]:
        """A function that asks another service how far its feed is, seen from a position."""
        return head_of(str(getattr(self.settings, f"{source}_http")), stream)

    def _bind_watch(self, watch: Any, request: Callable[[int], Any]) -> Callable[[int], Any]:
        return lambda after: watch(request(after), metadata=self.tokens.metadata())

    def ready(
        self,
        feeds: Sequence[FollowedFeed] = (),
        streams: Mapping[str, Callable[[OutboxRow], object]] | None = None,
        more: Mapping[str, Callable[[], object]] | None = None,
    ) -> Readiness:
        """What the service reports of itself.

        It needs its store, a token of its own, its feeds, and `more`. It also reports whether anything is set aside
        (an audit event that is makes it unready), how far it is behind, and to its followers how far each stream is: that of all changes, and each of `streams`,
        by its name with the function that picks the rows that its followers get.
        """
        pickers = {ALL_CHANGES: lambda row: row.changes, **(streams or {})}
        return Readiness(
            {
                "store": self.store.ping,
                "token": self.tokens.token,
                **{feed.name: partial(getattr, feed, "connected") for feed in feeds},
                QUARANTINE: self.quarantine.is_empty,
                ON_RECORD: self.relay.nothing_set_aside,
                **(more or {}),
            },
            [self.relay, *feeds],
            self.settings.lag_limit_seconds,
            {name: partial(self.store.head, stream=name, wanted=picks) for name, picks in pickers.items()},
        )

    def close(self) -> None:
        """Closes the store."""
        self.store.close()


def upkeep_of(store: Store, clock: Clock, quarantine: Quarantine, relay: Relay) -> list[PeriodicTask]:
    """The background work on what a store with an outbox keeps. Whoever runs a relay runs this, too."""
    trimmer = OutboxTrimmer(store, clock, lambda: store.position(relay.name))
    return [QuarantineRetrier(quarantine), trimmer]


def make_token_source(name: str, settings: Settings) -> TokenSource:
    """The source of service `name`'s own access tokens."""
    return TokenSource(
        f"{settings.gateway_url}/oauth/token",
        f"{settings.issuer}/oauth/token",
        name,
        load_private_key(settings.key_file),
        settings.trust,
        scope="service",
    )


def make_verifier(settings: Settings, revocations: Revocations) -> Verifier:
    """The verifier of callers' tokens, by the gateway's keys."""
    jwks = fetch_jwks(f"{settings.gateway_url}/.well-known/jwks.json", settings.trust)
    return Verifier(settings.issuer, settings.audience, jwks, revocations, demo=settings.demo)


def assemble(name: str, settings: Settings) -> WiredService:
    """Wires service `name` from its settings."""
    clock = SystemClock()
    store = Store(settings.mongo_uri.get_secret_value(), name, clock)
    tokens = make_token_source(name, settings)
    stub = audit_pb2_grpc.AuditServiceStub(make_channel(settings.audit_grpc))
    revocations = Revocations(fetch_revocations(settings.gateway_url, tokens, settings.trust))
    quarantine = Quarantine(store, clock)
    return WiredService(
        name=name,
        settings=settings,
        clock=clock,
        store=store,
        verifier=make_verifier(settings, revocations),
        tokens=tokens,
        audit=AuditTrail(name, stub, tokens.metadata, clock, PublicReads()),
        relay=Relay(store, stub, tokens.metadata, quarantine),
        quarantine=quarantine,
    )
