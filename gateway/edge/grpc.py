"""The gRPC edge: any method of `chengxin.<service>.v1` as raw bytes to its service, in all four streaming kinds.

Not on asyncio: with grpc.aio a service's refusal of a stream that is still being sent reached the caller as INTERNAL in two
of five calls (grpcio 1.85: a write that fails overwrites the status that is about to arrive).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from prometheus_client import Counter

from chengxin.auth.access_tokens import Verifier
from chengxin.auth.request_context import REQUEST_ID_HEADER, TRACEPARENT_HEADER, pick_language
from chengxin.auth.tls import certificate_thumbprint
from chengxin.errors import INTERNAL, UNAUTHENTICATED, UPSTREAM_UNAVAILABLE, Problem
from chengxin.feeds.quarantine import reason_of
from chengxin.grpc.rpc import OPTIONS, as_problem, make_channel
from chengxin.values.ids import new_id

# Imported for their descriptors: reflection serves them, and the edge reads the methods' kinds.
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from gateway.edge.open_streams import LiveCalls
from gateway.edge.rate_limits import RateLimits, address_of
from gateway.edge.trace_context import next_hop

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

log = structlog.get_logger()

# Calls at the same time, each in a thread that is started when it is needed; beyond these the edge refuses at once, since
# a call could wait as long as the streams before it last.
_CALLS: Final = 384
# For a unary call whose caller set no deadline.
_UNARY_SECONDS: Final = 60.0
_HEALTH_SECONDS: Final = 2.0
# What a service says of an error, in its trailing metadata.
_DETAILS: Final = "grpc-status-details-bin"

_NAMES: Final = {
    service.full_name: name
    for name, module in {
        "catalog": catalog_pb2,
        "ingest": ingest_pb2,
        "disclosure": disclosure_pb2,
        "objection": objection_pb2,
        "audit": audit_pb2,
    }.items()
    for service in module.DESCRIPTOR.services_by_name.values()
}

_calls = Counter("chengxin_edge_grpc_calls", "Calls that ended at the gRPC edge", ["method", "code"])


@dataclass(frozen=True)
class CallAdmission:
    """What every call passes: its token is verified, its caller limited, and a token that is not good put on record."""

    verifier: Verifier
    limits: RateLimits
    refused: Callable[[Problem, str, str], None]


def make_edge(
    listen: str, addresses: Mapping[str, str], door: CallAdmission, tls: grpc.ServerCredentials | None = None
) -> tuple[grpc.Server, "HealthWatch"]:
    """The server on `listen` (host:port) in front of the services at `addresses`, and what keeps its health answers true.

    Raises `RuntimeError` when the address cannot be bound.
    """
    channels = {service: make_channel(address) for service, address in addresses.items()}
    threads = ThreadPoolExecutor(_CALLS, thread_name_prefix="edge")
    live = LiveCalls(door.verifier)
    server = grpc.server(threads, options=OPTIONS, maximum_concurrent_rpcs=_CALLS)
    server.add_generic_rpc_handlers((_Forwarder(channels, door, live),))
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection([*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    if tls is None:
        server.add_insecure_port(listen)
    else:
        server.add_secure_port(listen, tls)
    return server, HealthWatch(healthy, channels, live)


class _Forwarder(grpc.GenericRpcHandler):
    """Finds the service of a method, and forwards the call in the method's own kind."""

    def __init__(self, channels: Mapping[str, grpc.Channel], door: CallAdmission, live: LiveCalls) -> None:
        self._channels = channels
        self._door = door
        self._live = live
        self._known: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        method = handler_call_details.method
        found = self._known.get(method)
        if found is None:
            found = self._make(method)
            # Only what the protos have is kept: others may ask for any number of names.
            if found is not None and _kind(method) is not None:
                self._known[method] = found
        return found

    def _make(self, method: str) -> "Handler | None":
        channel = next(
            (c for service, c in self._channels.items() if method.startswith(f"/chengxin.{service}.v1.")), None
        )
        if channel is None:
            return None
        # A method that only the service knows is taken as a stream both ways: on the wire one message is a stream of one.
        match _kind(method) or (True, True):
            case (False, False):
                single = self._single(method, channel.unary_unary(method), _UNARY_SECONDS)
                return grpc.unary_unary_rpc_method_handler(single)
            case (True, False):
                return grpc.stream_unary_rpc_method_handler(self._single(method, channel.stream_unary(method), None))
            case (False, True):
                return grpc.unary_stream_rpc_method_handler(self._stream(method, channel.unary_stream(method)))
            case _:
                return grpc.stream_stream_rpc_method_handler(self._stream(method, channel.stream_stream(method)))

    def _single(self, method: str, send: Any, seconds: float | None) -> Callable[[Any, grpc.ServicerContext], bytes]:
        """Forwards calls that are answered with one message."""

        def call(request: Any, context: grpc.ServicerContext) -> bytes:
            asked = _EdgeCall(method, context)
            answer = b""
            try:
                metadata = asked.admitted(self._door)
                upstream = send.future(request, metadata=metadata, timeout=_remaining(context, seconds))
                _end_together(context, upstream)
                if seconds is None:
                    with self._live.lasting(asked.token, upstream):
                        answer = upstream.result()
                else:
                    answer = upstream.result()
                # Services tell nothing there, and what is sent by itself is an event of its own on the way.
                if initial := upstream.initial_metadata():
                    context.send_initial_metadata(initial)
                context.set_trailing_metadata(upstream.trailing_metadata() or ())
                asked.ended("OK")
            except Exception as e:
                asked.fail(e)
            return answer

        return call

    def _stream(self, method: str, send: Any) -> Callable[[Any, grpc.ServicerContext], Iterator[bytes]]:
        """Forwards calls that are answered with a stream; a message is taken when the one before it is on its way."""

        def call(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            asked = _EdgeCall(method, context)
            try:
                metadata = asked.admitted(self._door)
                upstream = send(request, metadata=metadata, timeout=_remaining(context, None))
                _end_together(context, upstream)
                # At once, so that a watcher knows that it is connected before there is anything to tell.
                context.send_initial_metadata(upstream.initial_metadata() or ())
                with self._live.lasting(asked.token, upstream):
                    yield from upstream
                context.set_trailing_metadata(upstream.trailing_metadata() or ())
                asked.ended("OK")
            except Exception as e:
                asked.fail(e)

        return call


class _EdgeCall:
    """One call at the edge."""

    def __init__(self, method: str, context: grpc.ServicerContext) -> None:
        # Names that no proto has would make ever new series.
        self._label = method if _kind(method) is not None else "unknown"
        self._context = context
        self._given = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        self.request_id = new_id("req")
        self.token = ""
        self.language = pick_language(self._given.get("accept-language", ""))

    def admitted(self, door: "CallAdmission") -> tuple[tuple[str, str], ...]:
        """The metadata to forward; nothing else that the caller sent passes. Raises UNAUTHENTICATED, RATE_LIMITED."""
        authorization = self._given.get("authorization", "")
        try:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise UNAUTHENTICATED(reason="authorization: Bearer <token> is missing")
            caller = door.verifier.verify(token)
            if caller.certificate and caller.certificate != _shown(self._context):
                raise UNAUTHENTICATED(reason="the token is bound to another certificate than the one shown")
        except Problem as problem:
            door.limits.by_proof(address_of(self._context.peer()))
            door.refused(problem, "grpc", self.request_id)
            raise
        door.limits.by_client(caller.client_id, caller.sub)
        self.token = token
        return (
            ("authorization", authorization),
            ("accept-language", self.language),
            (REQUEST_ID_HEADER, self.request_id),
            (TRACEPARENT_HEADER, next_hop(self._given.get(TRACEPARENT_HEADER, ""))),
        )

    def ended(self, code: str) -> None:
        """Counts the call."""
        _calls.labels(self._label, code).inc()

    def fail(self, error: Exception) -> None:
        """Ends the call with the service's own answer, or with a problem of the edge; nothing when nobody waits for it."""
        if not self._context.is_active():
            return self.ended("CANCELLED")
        if isinstance(error, grpc.Call):
            trailing = tuple(error.trailing_metadata() or ())
            if error.code() is not grpc.StatusCode.UNAVAILABLE or any(key == _DETAILS for key, _ in trailing):
                self.ended(error.code().name)
                self._context.set_trailing_metadata(trailing)
                self._context.abort(error.code(), error.details() or "")
            problem: Problem | None = UPSTREAM_UNAVAILABLE(retry_after=1)
        else:
            problem = as_problem(error)
        if problem is None:
            log.exception("unexpected error at the edge", request_id=self.request_id, error=repr(error))
            problem = INTERNAL()
        self.ended(problem.type.grpc_code.name)
        self._context.abort_with_status(rpc_status.to_status(problem.to_rpc(self.language, self.request_id)))


class HealthWatch:
    """Keeps the edge's health answers true: a service is serving while its service says so.

    Also ends, in the same rhythm, the calls whose token was revoked.
    """

    def __init__(self, healthy: health.HealthServicer, channels: Mapping[str, grpc.Channel], live: LiveCalls) -> None:
        self._healthy = healthy
        self._live = live
        self._stubs = {service: health_pb2_grpc.HealthStub(channels[name]) for service, name in _NAMES.items()}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """From now on nothing is serving."""
        self._stopped.set()
        self._healthy.enter_graceful_shutdown()

    def _run(self) -> None:
        # The edge itself serves: without one service it still answers for the others.
        self._healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        while not self._stopped.is_set():
            # What goes wrong with one is told and keeps no other from being looked at: streams whose token is revoked
            # end whatever the services say.
            for service, stub in self._stubs.items():
                self._tried(service, partial(self._look, service, stub))
            self._tried("live calls", self._live.end_revoked)
            self._stopped.wait(_HEALTH_SECONDS)

    def _look(self, service: str, stub: Any) -> None:
        self._healthy.set(service, _health(service, stub))

    def _tried(self, what: str, look: Callable[[], object]) -> None:
        try:
            look()
        except Exception as e:
            log.error("not looked at", what=what, **reason_of(e))


def _health(service: str, stub: Any) -> Any:
    try:
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_HEALTH_SECONDS).status
    except grpc.RpcError:
        return health_pb2.HealthCheckResponse.NOT_SERVING


def _shown(context: grpc.ServicerContext) -> str:
    """The thumbprint of the certificate that the caller showed; empty when none was asked for."""
    found: Any = context.auth_context().get("x509_pem_cert")
    return certificate_thumbprint(found[0]) if found else ""


def _kind(method: str) -> tuple[bool, bool] | None:
    """Whether requests and answers of a method are streams; None when the protos do not have it."""
    service, _, name = method.removeprefix("/").rpartition("/")
    try:
        described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return None
    return described.client_streaming, described.server_streaming


def _remaining(context: grpc.ServicerContext, default: float | None) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline grpc tells none, or a time beyond any process's life.
    return default if remaining is None or remaining > 1e7 else remaining


def _end_together(context: grpc.ServicerContext, upstream: Any) -> None:
    """A caller who hangs up is not worked for any more, not even when she did so before this."""
    if not context.add_callback(upstream.cancel):
        upstream.cancel()
