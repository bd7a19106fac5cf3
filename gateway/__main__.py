"""The gateway's process: both edges, tokens, identity. `bootstrap FILE` writes accounts, `--policy` prints rules."""

import json
import resource
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chengxin.bounds import own
from chengxin.process.runtime import Background, Service, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import grpc

    from chengxin.audit.trail import AuditTrail, Relay
    from chengxin.feeds.quarantine import Quarantine
    from chengxin.process.settings import Settings
    from chengxin.store.field_encryption import KeyRing
    from chengxin.values.ids import SubjectKey
    from gateway.context import GatewayContext
    from gateway.edge.front import Front
    from gateway.edge.grpc_probe import GrpcProbe
    from gateway.edge.http import EdgePlaces, HttpEdge
    from gateway.edge.origins import Origins
    from gateway.edge.upstream import Upstream
    from gateway.store.accounts import Accounts
    from gateway.store.signing_keys import OwnToken, SigningKeys
    from gateway.usecases.oidc_relying_party import IdentityProvider
    from gateway.usecases.readiness import SuiteReadiness

# The name of granian's Unix socket.
_HTTP = "http"
# What is open beside callers' connections: those to services and stores, bodies on disk, libraries.
_OTHER_FILES = 1_000

own(
    __name__,
    "TemporaryDirectory",
    resource="Directories of the sockets behind the front",
    total=1,
    why="Made once",
)


def compose(private: Path) -> Service:
    """Wires the gateway. In the directory `private` are the Unix sockets of the edges, behind their fronts."""
    from chengxin.audit.trail import AuditTrail, Relay
    from chengxin.auth.revocation import RevocationReloader
    from chengxin.feeds.quarantine import Quarantine
    from chengxin.grpc.rpc import make_channel
    from chengxin.process.bootstrap import upkeep_of
    from chengxin.process.settings import Settings
    from chengxin.values.clock import SystemClock
    from chengxin_api.audit.v1 import audit_pb2_grpc
    from gateway.edge.grpc_connections import FrontedServer
    from gateway.edge.grpc_probe import GrpcProbe
    from gateway.edge.metrics import MetricsListener
    from gateway.edge.upstream import Upstream
    from gateway.store.signing_keys import OwnToken, SigningKeys
    from gateway.usecases.revocation import RELOAD_SECONDS

    _raise_open_files()
    settings, clock = Settings(), SystemClock()
    accounts = _accounts(settings)
    keys = SigningKeys(accounts, settings.issuer, settings.audience, clock)
    keys.load()
    own = OwnToken.of_gateway(keys)
    stub = audit_pb2_grpc.AuditServiceStub(make_channel(settings.audit_grpc))
    ctx = _context(settings, accounts, keys, AuditTrail("gateway", stub, own.metadata, clock), own)
    quarantine = Quarantine(accounts.store, clock)
    relay = Relay(accounts.store, stub, own.metadata, quarantine)
    probe = GrpcProbe(private / "grpc-own")
    readiness = _readiness(settings, ctx, relay, quarantine, probe)
    upstreams = {service: Upstream(address) for service, address in _http_addresses(settings).items()}
    http_inner, grpc_inner = private / _HTTP, private / "grpc"
    edge, grpc_server, beside_grpc = _edges(settings, ctx, readiness, quarantine, upstreams, probe, grpc_inner)

    def close() -> None:
        readiness.close()
        for upstream in upstreams.values():
            upstream.close()
        accounts.store.close()

    reloading = RevocationReloader(ctx.revocations, RELOAD_SECONDS)
    upkeep = upkeep_of(accounts.store, clock, quarantine, relay)
    background: list[Background] = [keys, reloading, *beside_grpc, relay, *upkeep]
    front = _front(settings, http_inner)
    fronted = FrontedServer(grpc_server, _grpc_front(settings, grpc_inner))
    metrics = MetricsListener(settings.metrics_listen)
    return Service(front.before(edge), fronted, [*background, metrics, front], close)


def _context(
    settings: "Settings", accounts: "Accounts", keys: "SigningKeys", audit: "AuditTrail", own: "OwnToken"
) -> "GatewayContext":
    """Returns what the use cases are given."""
    from chengxin.auth.revocation import Revocations
    from chengxin.concurrency.shares import Shares
    from chengxin.grpc.rpc import make_channel
    from chengxin.values.clock import SystemClock
    from chengxin_api.catalog.v1 import catalog_pb2_grpc
    from chengxin_api.disclosure.v1 import disclosure_pb2_grpc
    from gateway.clients.catalog import make_directory
    from gateway.clients.disclosure import make_consent_resolver
    from gateway.context import GatewayContext
    from gateway.store.passwords import HASHES, Passwords
    from gateway.usecases.revocation import STALE_SECONDS

    clock = SystemClock()
    revocations = Revocations(lambda: accounts.administration.revocations(clock.now()), stale=STALE_SECONDS)
    revocations.refresh()
    disclosure = disclosure_pb2_grpc.DisclosureServiceStub(make_channel(settings.disclosure_grpc))
    consents = make_consent_resolver(disclosure, own.metadata)
    directory = make_directory(catalog_pb2_grpc.CatalogServiceStub(make_channel(settings.catalog_grpc)), own.metadata)
    subject_key = _subject_key(settings)
    return GatewayContext(
        settings.issuer,
        accounts,
        keys,
        audit,
        clock,
        subject_key,
        Passwords(Shares(HASHES)),
        revocations,
        consents,
        directory,
    )


def _readiness(
    settings: "Settings", ctx: "GatewayContext", relay: "Relay", quarantine: "Quarantine", probe: "GrpcProbe"
) -> "SuiteReadiness":
    """Returns the check of whether the gateway and the services behind it can serve."""
    from chengxin.feeds.quarantine import QUARANTINE
    from chengxin.process.readiness import ON_RECORD, Readiness
    from gateway.usecases.readiness import SuiteReadiness

    needs: dict[str, Callable[[], object]] = {
        "store": ctx.store.ping,
        "signing_key": lambda: bool(ctx.keys.jwks()["keys"]),
        "grpc_edge": probe,
        QUARANTINE: quarantine.is_empty,
        ON_RECORD: relay.nothing_set_aside,
    }
    own = Readiness(needs, [relay], settings.lag_limit_seconds)
    return SuiteReadiness(own, _http_addresses(settings))


def _edges(
    settings: "Settings",
    ctx: "GatewayContext",
    readiness: "SuiteReadiness",
    quarantine: "Quarantine",
    upstreams: "Mapping[str, Upstream]",
    probe: "GrpcProbe",
    inner: Path,
) -> "tuple[HttpEdge, grpc.Server, list[Background]]":
    """Returns the HTTP edge, and the gRPC edge at the Unix socket `inner` with what runs beside it.

    Both admit and limit callers the same way.
    """
    from chengxin.auth.access_tokens import Verifier
    from chengxin.concurrency.shares import Shares
    from chengxin.process.operations import Operations
    from gateway.edge.admission import EdgeAdmission
    from gateway.edge.concurrency_limits import REFUSALS, EdgeShares
    from gateway.edge.grpc import CallLimits, make_edge
    from gateway.edge.http import HttpEdge
    from gateway.edge.rate_limits import HEALTH_RATE, Limiter, RateLimits
    from gateway.http.gateway import make_own_app
    from gateway.http.openapi_merge import Description
    from gateway.store.signing_keys import OwnToken
    from gateway.usecases.verify_identity import DemoRegister

    verifier = Verifier(settings.issuer, settings.audience, ctx.keys.jwks, ctx.revocations, 0, settings.demo)
    app = make_own_app(
        ctx,
        DemoRegister(ctx.accounts, ctx.subject_key) if settings.demo else None,
        readiness,
        Description(settings.issuer, _http_addresses(settings)),
        verifier,
        _provider(settings),
        operations=Operations(ctx.audit, quarantine),
        grpc_edge_serves=probe,
    )
    rates = (settings.client_rate, settings.address_rate, settings.proof_rate, HEALTH_RATE)
    limits = RateLimits(*(Limiter(rate, 2 * rate) for rate in rates))
    anonymous = OwnToken.of_anonymous(ctx.keys).token
    admission = EdgeAdmission(verifier, limits, EdgeShares(Shares(REFUSALS)), ctx.refused_at_edge)
    edge = HttpEdge(app, upstreams, admission, anonymous, _places(settings), settings.issuer)
    peers = {service: settings.peer(service) for service in upstreams}
    of_calls = CallLimits(limits, _origins(settings), settings.call_seconds)
    tls = _credentials(settings)
    return edge, *make_edge(f"unix:{inner}", probe.address, peers, admission, of_calls, tls)


def _places(settings: "Settings") -> "EdgePlaces":
    """Returns what requests hold at the HTTP edge."""
    from chengxin.concurrency.shares import Shares
    from gateway.edge.bodies import Bodies, uploads_bound
    from gateway.edge.concurrency_limits import BODIES, HEALTH, OWN, EdgeShares, permits
    from gateway.edge.http import EdgePlaces

    bodies = Bodies(Shares(BODIES), Shares(uploads_bound(settings.upload_bytes)), settings.body_seconds)
    return EdgePlaces(bodies, permits(), EdgeShares(Shares(OWN)), EdgeShares(Shares(HEALTH)))


def _origins(settings: "Settings") -> "Origins":
    """Returns what finds the origins of requests."""
    from gateway.edge.origins import Origins

    return Origins(settings.trusted_proxies)


def _http_addresses(settings: "Settings") -> dict[str, str]:
    """Returns the HTTP address of each service."""
    from gateway.edge.routes import SERVICES

    return {service: str(getattr(settings, f"{service}_http")) for service in SERVICES}


def bootstrap(file: Path) -> None:
    """Writes the accounts of a file into the store. Only the store is needed."""
    from pydantic import ValidationError

    from chengxin.concurrency.shares import Shares
    from chengxin.process.settings import Settings
    from chengxin.values.clock import SystemClock
    from gateway.store.passwords import HASHES, Passwords
    from gateway.usecases.bootstrap import AccountsFile, load

    try:
        known = AccountsFile.model_validate_json(file.read_bytes())
    except ValidationError as e:
        # The values are secrets and personal data, so they are not printed.
        found = [f"{'.'.join(str(part) for part in x['loc'])}: {x['msg']}" for x in e.errors(include_input=False)]
        sys.exit("\n".join([f"{file.name} cannot be used:", *found]))
    settings = Settings()
    if known.citizens and not settings.demo:
        sys.exit("citizens are only for the demonstration world (CHENGXIN_DEMO=true)")
    accounts = _accounts(settings)
    load(known, accounts, _subject_key(settings), Passwords(Shares(HASHES)), SystemClock())
    accounts.store.close()


def policy() -> list[dict[str, Any]]:
    """Returns the rules of the gateway's own addresses. The services report those of the addresses that it forwards."""
    from chengxin.auth.policy_table import placeholder, policy_table
    from chengxin.process.operations import Operations
    from gateway.context import GatewayContext
    from gateway.http.gateway import make_own_app
    from gateway.usecases.oidc_relying_party import IdentityProvider
    from gateway.usecases.verify_identity import IdentityVerifier

    app = make_own_app(
        placeholder(GatewayContext),
        placeholder(IdentityVerifier),  # type: ignore[type-abstract]
        dict,
        lambda own: own,
        provider=placeholder(IdentityProvider),
        operations=placeholder(Operations),
        grpc_edge_serves=bool,
    )
    return policy_table("gateway", app, [])


def _accounts(settings: "Settings") -> "Accounts":
    """Connects to the store and prepares it, as soon as it answers."""
    from pymongo.errors import ConnectionFailure
    from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

    from chengxin.store.database import Store
    from chengxin.values.clock import SystemClock
    from gateway.store.accounts import Accounts

    store = Store(settings.mongo_uri.get_secret_value(), "gateway", SystemClock())
    accounts = Accounts(store, _key_ring(settings))
    patiently = retry(
        retry=retry_if_exception_type(ConnectionFailure), wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True
    )
    store.prepare(patiently(accounts.create_indexes))
    return accounts


def run() -> None:
    """Serves. granian and gRPC are on Unix sockets, behind their fronts."""
    from chengxin.process.settings import Settings
    from gateway.edge.concurrency_limits import THREADS
    from gateway.edge.front import CONNECTIONS

    Settings()
    with TemporaryDirectory(prefix="chengxin-edge-") as made:
        private = Path(made)
        serve("gateway", f"unix:{private / _HTTP}", partial(compose, private), THREADS, 2 * CONNECTIONS.total)


def _raise_open_files() -> None:
    """Raises the limit of open files to the hard one, and tells when that is too low for all connections."""
    import structlog

    from gateway.edge import front, grpc_connections

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # A connection takes three descriptors: the client's, and both ends of the one behind the front.
    needed = 3 * (front.CONNECTIONS.total + grpc_connections.CONNECTIONS.total) + _OTHER_FILES
    if most < needed:
        log = structlog.get_logger()
        log.warning("the limit of open files is too low for all connections: raise it", limit=most, needed=needed)


def _front(settings: "Settings", inner: Path) -> "Front":
    """Returns the front of the HTTP edge; with TLS where there is a certificate."""
    from chengxin.concurrency.shares import Shares
    from gateway.edge.front import CONNECTIONS, Front, server_context

    certificate, key, clients = settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file
    context = server_context(certificate, key, clients, settings.tls_http_mutual) if certificate and key else None
    return Front(settings.http_listen, inner, context, _origins(settings), Shares(CONNECTIONS))


def _grpc_front(settings: "Settings", inner: Path) -> "Front":
    """Returns the front of the gRPC edge, which passes TLS on: gRPC reads the clients' certificates."""
    from chengxin.concurrency.shares import Shares
    from gateway.edge.front import Front
    from gateway.edge.grpc_connections import CONNECTIONS, GRPC_TIMES

    return Front(settings.grpc_listen, inner, None, _origins(settings), Shares(CONNECTIONS), GRPC_TIMES)


def _credentials(settings: "Settings") -> "grpc.ServerCredentials | None":
    """Returns the gRPC edge's certificate, with the CA of clients' certificates; None without TLS."""
    import grpc

    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    own = [(settings.tls_key_file.read_bytes(), settings.tls_cert_file.read_bytes())]
    clients = settings.tls_client_ca_file
    return grpc.ssl_server_credentials(own, clients.read_bytes() if clients else None, clients is not None)


def _provider(settings: "Settings") -> "IdentityProvider | None":
    """Returns the identity provider of this deployment, if it has one."""
    from gateway.usecases.oidc_relying_party import IdentityProvider, RelyingPartyRegistration

    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id or settings.oidc_client_secret_file is None:
        sys.exit("CHENGXIN_OIDC_ISSUER also takes CHENGXIN_OIDC_CLIENT_ID and CHENGXIN_OIDC_CLIENT_SECRET_FILE")
    secret = settings.oidc_client_secret_file.read_text().strip()
    back = f"{settings.issuer}/v1/identity/oidc/callback"
    return IdentityProvider(
        RelyingPartyRegistration(
            settings.oidc_issuer,
            settings.oidc_client_id,
            secret,
            back,
            settings.oidc_scope,
            settings.oidc_number_claim,
        )
    )


def _key_ring(settings: "Settings") -> "KeyRing":
    from chengxin.store.field_encryption import KeyRing

    if settings.field_keys_file is None:
        sys.exit("CHENGXIN_FIELD_KEYS_FILE is not set")
    return KeyRing.load(settings.field_keys_file)


def _subject_key(settings: "Settings") -> "SubjectKey":
    from chengxin.values.ids import SubjectKey

    if settings.subject_key_file is None:
        sys.exit("CHENGXIN_SUBJECT_KEY_FILE is not set")
    return SubjectKey(settings.subject_key_file.read_bytes())


def main(arguments: list[str]) -> None:
    """Runs the command in the arguments."""
    match arguments:
        case []:
            run()
        case ["--policy"]:
            print(json.dumps(policy(), ensure_ascii=False))
        case ["bootstrap", file]:
            bootstrap(Path(file))
        case _:
            sys.exit("usage: python -m gateway [--policy | bootstrap FILE]")


if __name__ == "__main__":
    main(sys.argv[1:])
