"""The wiring that every composition root repeats: verifying callers, the service's own tokens, the audit trail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from chengxin.audit.v1 import audit_pb2_grpc
from chengxin.audit_client import AuditTrail, Relay
from chengxin.clock import Clock, SystemClock
from chengxin.feed import Follower
from chengxin.mongo import Store, Unit
from chengxin.policy import Admission
from chengxin.revocation import Revocations, fetch_revocations
from chengxin.rpc import make_channel
from chengxin.settings import Settings
from chengxin.tokens import TokenSource, Verifier, fetch_jwks, load_private_key

# A receiver's window is not made larger than 64 KiB: changes that a follower has not taken yet stay with their source.
# With megabytes of window, ingest prepared a whole delivery for those who follow while it was still taking it in.
_SMALL_WINDOWS: Final = (("grpc.http2.bdp_probe", 0),)


@dataclass
class Assembly:
    """What a service stands on once it is wired."""

    name: str
    settings: Settings
    clock: Clock
    store: Store
    verifier: Verifier
    tokens: TokenSource
    audit: AuditTrail
    relay: Relay

    @property
    def admission(self) -> Admission:
        """What lets callers in to the service's faces."""
        return Admission(self.verifier, self.audit)

    def channel(self, service: str) -> grpc.Channel:
        """A channel to another service."""
        return make_channel(self.settings.peer(service), more=_SMALL_WINDOWS)

    def follow(
        self, source: str, watch: Any, request: Callable[[int], Any], apply: Callable[[Unit, Any], None]
    ) -> Follower:
        """A follower of another service's feed: `watch` is the stub's method, `request(after)` its message."""
        return Follower(source, self.store, lambda after: watch(request(after), metadata=self.tokens.metadata()), apply)

    def ready(self, feeds: Sequence[Follower] = ()) -> dict[str, bool]:
        """What the service needs, and whether it has it: its store, a token of its own, its feeds."""
        return {
            "store": _works(self.store.ping),
            "token": _works(self.tokens.token),
            **{f.name: f.connected for f in feeds},
        }

    def close(self) -> None:
        """Ends what was opened here."""
        self.audit.close()
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


def assemble(name: str, settings: Settings) -> Assembly:
    """Wires service `name` from its settings."""
    clock = SystemClock()
    store = Store(settings.mongo_uri.get_secret_value(), name, clock)
    tokens = own_tokens(name, settings)
    stub = audit_pb2_grpc.AuditServiceStub(make_channel(settings.audit_grpc))
    revocations = Revocations(fetch_revocations(settings.gateway_url, tokens, settings.trust))
    return Assembly(
        name=name,
        settings=settings,
        clock=clock,
        store=store,
        verifier=verifying(settings, revocations),
        tokens=tokens,
        audit=AuditTrail(name, stub, tokens.metadata, clock),
        relay=Relay(store, stub, tokens.metadata),
    )


def _works(probe: Callable[[], Any]) -> bool:
    try:
        probe()
    # A probe answers yes or no; why not is in the log of whoever needed it.
    except Exception:
        return False
    return True
