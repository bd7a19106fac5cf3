"""The wiring that every composition root repeats: verifying callers, the service's own tokens, the audit trail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc

from chengxin.audit.trail import AuditTrail, Relay
from chengxin.auth.access_tokens import TokenSource, Verifier, fetch_jwks, load_private_key
from chengxin.auth.policy import Admission
from chengxin.auth.revocation import Revocations, fetch_revocations
from chengxin.feeds.follower import Follower
from chengxin.feeds.quarantine import QUARANTINE, FeedParts, Quarantine, QuarantineRetrier
from chengxin.grpc.rpc import make_channel
from chengxin.process.operations import Operations
from chengxin.process.readiness import ALL_CHANGES, FollowedFeed, Readiness, head_of
from chengxin.process.settings import Settings
from chengxin.store.database import FeedHead, OutboxRow, Store, UnitOfWork
from chengxin.values.clock import Clock, SystemClock
from chengxin_api.audit.v1 import audit_pb2_grpc

# A receiver's window is not made larger than 64 KiB: changes that a follower has not taken yet stay with their source.
# With megabytes of window, ingest prepared a whole delivery for those who follow while it was still taking it in.
_SMALL_WINDOWS: Final = (("grpc.http2.bdp_probe", 0),)


@dataclass
class WiredService:
    """What a service stands on once it is wired."""

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
    def retrying(self) -> QuarantineRetrier:
        """What tries again what was set aside."""
        return QuarantineRetrier(self.quarantine)

    @property
    def operations(self) -> Operations:
        """What officers see and do of the service's operation."""
        return Operations(self.audit, self.quarantine)

    @property
    def admission(self) -> Admission:
        """What lets callers in to the service's faces."""
        return Admission(self.verifier, self.audit, self.store.silence)

    def channel(self, service: str) -> grpc.Channel:
        """A channel to another service."""
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
        """A follower of another service's feed: `watch` is the stub's method, `request(after)` its message, `parts` how
        its changes come apart, `stream` what the source calls what it tells there."""
        asked = self._asked(watch, request)
        return Follower(source, self.store, asked, apply, parts, self.quarantine, head=self.head_of(source, stream))

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
        """A follower of a part of a feed, of which others follow the rest: what all set aside is kept under `key`, this
        one's position under `place`; every transaction begins with `confirm`, and the lag is told by whoever knows all."""
        asked, own = self._asked(watch, request), self.quarantine
        return Follower(name, self.store, asked, apply, parts, own, key=key, place=place, confirm=confirm)

    def head_of(self, source: str, stream: str = ALL_CHANGES) -> Callable[[int], FeedHead]:
        """Asks another service how far its feed is, seen from a position."""
        return head_of(str(getattr(self.settings, f"{source}_http")), stream)

    def _asked(self, watch: Any, request: Callable[[int], Any]) -> Callable[[int], Any]:
        return lambda after: watch(request(after), metadata=self.tokens.metadata())

    def ready(
        self,
        feeds: Sequence[FollowedFeed] = (),
        streams: Mapping[str, Callable[[OutboxRow], object]] | None = None,
        more: Mapping[str, Callable[[], object]] | None = None,
    ) -> Readiness:
        """What the service needs: its store, a token of its own, its feeds, and `more`; whether it has set anything aside; how far it
        is behind; and how far those are who follow it, by stream with the rows that its followers are told."""
        wanted = {ALL_CHANGES: lambda row: row.changes, **(streams or {})}
        return Readiness(
            {
                "store": self.store.ping,
                "token": self.tokens.token,
                **{f.name: partial(getattr, f, "connected") for f in feeds},
                QUARANTINE: self.quarantine.is_empty,
                **(more or {}),
            },
            [self.relay, *feeds],
            self.settings.lag_limit_seconds,
            {name: partial(self.store.head, stream=name, wanted=rows) for name, rows in wanted.items()},
        )

    def close(self) -> None:
        """Ends what was opened here."""
        self.store.close()


def own_tokens(name: str, settings: Settings) -> TokenSource:
    """The tokens of service `name` itself."""
    return TokenSource(
        f"{settings.gateway_url}/oauth/token",
        f"{settings.issuer}/oauth/token",
        name,
        load_private_key(settings.key_file),
        settings.trust,
        scope="service",
    )


def verifying(settings: Settings, revocations: Revocations) -> Verifier:
    """What verifies callers by the gateway's keys."""
    jwks = fetch_jwks(f"{settings.gateway_url}/.well-known/jwks.json", settings.trust)
    return Verifier(settings.issuer, settings.audience, jwks, revocations, demo=settings.demo)


def assemble(name: str, settings: Settings) -> WiredService:
    """Wires service `name` from its settings."""
    clock = SystemClock()
    store = Store(settings.mongo_uri.get_secret_value(), name, clock)
    tokens = own_tokens(name, settings)
    stub = audit_pb2_grpc.AuditServiceStub(make_channel(settings.audit_grpc))
    revocations = Revocations(fetch_revocations(settings.gateway_url, tokens, settings.trust))
    quarantine = Quarantine(store, clock)
    return WiredService(
        name=name,
        settings=settings,
        clock=clock,
        store=store,
        verifier=verifying(settings, revocations),
        tokens=tokens,
        audit=AuditTrail(name, stub, tokens.metadata, clock),
        relay=Relay(store, stub, tokens.metadata, quarantine),
        quarantine=quarantine,
    )
