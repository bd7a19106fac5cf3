"""The gRPC edge: it forwards any method of `chengxin.<service>.v1` as raw bytes, in all four streaming kinds.

It does not use asyncio: with grpc.aio, a service's refusal of a stream that the caller was still sending reached the
caller as INTERNAL in two of five calls (grpcio 1.85: a write that fails overwrites the status that is about to arrive).
"""

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
from chengxin.bounds import bound
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.errors import INTERNAL, UNAUTHENTICATED, UPSTREAM_UNAVAILABLE, Problem
from chengxin.failures import reason_of
from chengxin.grpc.rpc import OPTIONS, as_problem, make_channel
from chengxin.values.ids import new_id

# These imports load the descriptors: reflection serves them, and the edge reads the methods' kinds.
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from gateway.edge.open_streams import OpenStreams
from gateway.edge.rate_limits import RateLimits, address_of
from gateway.edge.trace_context import next_hop

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]

log = structlog.get_logger()

# The number of calls at the same time, each in a thread that starts when it is needed. The edge refuses more calls at
# once, because a call could wait as long as the streams before it last.
_MAX_CALLS: Final = 384
# The deadline of a unary call whose caller set none.
_UNARY_SECONDS: Final = 60.0
_HEALTH_SECONDS: Final = 2.0
# The key of the error details in a service's trailing metadata.
_DETAILS_KEY: Final = "grpc-status-details-bin"

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

_ended_calls = Counter("chengxin_edge_grpc_calls", "Calls that ended at the gRPC edge", ["method", "code"])

bound(
    __name__,
    "grpc.server",
    "ThreadPoolExecutor",
    resource="Calls at the gRPC edge",
    total=_MAX_CALLS,
    share="none yet",
    seconds=_UNARY_SECONDS,
    why="Each holds a thread",
    test="tests/gateway/test_edge_grpc.py::test_many_callers_at_once_each_get_their_own_answer",
)


@dataclass(frozen=True)
class CallAdmission:
    """The checks that every call passes: they verify the token, limit the caller, and put a refused token on record."""

    verifier: Verifier
    limits: RateLimits
    refused: Callable[[Problem, str, str], None]


def make_edge(
    listen: str, addresses: Mapping[str, str], door: CallAdmission, tls: grpc.ServerCredentials | None = None
) -> tuple[grpc.Server, "HealthWatch"]:
    """Returns the server on `listen` (host:port) in front of the services at `addresses`, and its health watch.

    Raises `RuntimeError` when the address cannot be bound.
    """
    channels = {service: make_channel(address) for service, address in addresses.items()}
    threads = ThreadPoolExecutor(_MAX_CALLS, thread_name_prefix="edge")
    live_calls = OpenStreams(door.verifier)
    server = grpc.server(threads, options=OPTIONS, maximum_concurrent_rpcs=_MAX_CALLS)
    server.add_generic_rpc_handlers((_Forwarder(channels, door, live_calls),))
    health_servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection([*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    if tls is None:
        server.add_insecure_port(listen)
    else:
        server.add_secure_port(listen, tls)
    return server, HealthWatch(health_servicer, channels, live_calls)


class _Forwarder(grpc.GenericRpcHandler):
    """Forwards each call to the service of its method, in the method's own kind."""

    def __init__(self, channels: Mapping[str, grpc.Channel], admission: CallAdmission, live_calls: OpenStreams) -> None:
        self._channels = channels
        self._admission = admission
        self._live_calls = live_calls
        self._handlers: dict[str, Handler] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            handler = self._make_handler(method)
            # Only the handlers of methods in the protos are kept: a client may send any number of other names.
            if handler is not None and _streaming_kind(method) is not None:
                self._handlers[method] = handler
        return handler

    def _make_handler(self, method: str) -> "Handler | None":
        channel = next(
            (c for service, c in self._channels.items() if method.startswith(f"/chengxin.{service}.v1.")), None
        )
        if channel is None:
            return None
        # A method that only the service knows counts as a stream both ways: one message on the wire is a stream of one.
        match _streaming_kind(method) or (True, True):
            case (False, False):
                forward = self._make_single_forwarder(method, channel.unary_unary(method), _UNARY_SECONDS)
                return grpc.unary_unary_rpc_method_handler(forward)
            case (True, False):
                return grpc.stream_unary_rpc_method_handler(
                    self._make_single_forwarder(method, channel.stream_unary(method), None)
                )
            case (False, True):
                return grpc.unary_stream_rpc_method_handler(
                    self._make_stream_forwarder(method, channel.unary_stream(method))
                )
            case _:
                return grpc.stream_stream_rpc_method_handler(
                    self._make_stream_forwarder(method, channel.stream_stream(method))
                )

    def _make_single_forwarder(
        self, method: str, send: Any, seconds: float | None
    ) -> Callable[[Any, grpc.ServicerContext], bytes]:
        """Returns a function that forwards calls with one answer message."""

        def forward(request: Any, context: grpc.ServicerContext) -> bytes:
            edge_call = _EdgeCall(method, context)
            answer = b""
            try:
                metadata = edge_call.admit(self._admission)
                upstream = send.future(request, metadata=metadata, timeout=_remaining_seconds(context, seconds))
                _cancel_with_caller(context, upstream)
                if seconds is None:
                    with self._live_calls.lasting(edge_call.token, upstream):
                        answer = upstream.result()
                else:
                    answer = upstream.result()
                # Services send no initial metadata, and sending it separately costs an event of its own on the way.
                if initial := upstream.initial_metadata():
                    context.send_initial_metadata(initial)
                context.set_trailing_metadata(upstream.trailing_metadata() or ())
                edge_call.count("OK")
            except Exception as e:
                edge_call.fail(e)
            return answer

        return forward

    def _make_stream_forwarder(self, method: str, send: Any) -> Callable[[Any, grpc.ServicerContext], Iterator[bytes]]:
        """Returns a function that forwards calls with a stream of answers.

        It takes a message when the one before it is on its way.
        """

        def forward(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            edge_call = _EdgeCall(method, context)
            try:
                metadata = edge_call.admit(self._admission)
                upstream = send(request, metadata=metadata, timeout=_remaining_seconds(context, None))
                _cancel_with_caller(context, upstream)
                # This goes out at once, so that a watcher knows that it is connected before the first message.
                context.send_initial_metadata(upstream.initial_metadata() or ())
                with self._live_calls.lasting(edge_call.token, upstream):
                    yield from upstream
                context.set_trailing_metadata(upstream.trailing_metadata() or ())
                edge_call.count("OK")
            except Exception as e:
                edge_call.fail(e)

        return forward


class _EdgeCall:
    """One call at the edge."""

    def __init__(self, method: str, context: grpc.ServicerContext) -> None:
        # Method names that no proto has would create new metric series without end.
        self._label = method if _streaming_kind(method) is not None else "unknown"
        self._context = context
        self._metadata = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        self.request_id = new_id("req")
        self.token = ""
        self.language = pick_language(self._metadata.get("accept-language", ""))

    def admit(self, admission: "CallAdmission") -> tuple[tuple[str, str], ...]:
        """Returns the only metadata that the edge forwards. Raises UNAUTHENTICATED, RATE_LIMITED."""
        authorization = self._metadata.get("authorization", "")
        try:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise UNAUTHENTICATED(reason="authorization: Bearer <token> is missing")
            caller = admission.verifier.verify(token)
            if caller.certificate and caller.certificate != _read_caller_thumbprint(self._context):
                raise UNAUTHENTICATED(reason="the token is bound to another certificate than the one shown")
        except Problem as problem:
            admission.limits.by_proof(address_of(self._context.peer()))
            admission.refused(problem, "grpc", self.request_id)
            raise
        admission.limits.by_client(caller.client_id, caller.sub)
        self.token = token
        return (
            ("authorization", authorization),
            ("accept-language", self.language),
            (REQUEST_ID_HEADER, self.request_id),
            (TRACEPARENT_HEADER, next_hop(self._metadata.get(TRACEPARENT_HEADER, ""))),
        )

    def count(self, code: str) -> None:
        _ended_calls.labels(self._label, code).inc()

    def fail(self, error: Exception) -> None:
        """Ends the call with the service's own error or with a problem of the edge.

        It only counts the call when the caller is gone.
        """
        if not self._context.is_active():
            return self.count("CANCELLED")
        if isinstance(error, grpc.Call):
            trailing = tuple(error.trailing_metadata() or ())
            if error.code() is not grpc.StatusCode.UNAVAILABLE or any(key == _DETAILS_KEY for key, _ in trailing):
                self.count(error.code().name)
                self._context.set_trailing_metadata(trailing)
                self._context.abort(error.code(), error.details() or "")
            problem: Problem | None = UPSTREAM_UNAVAILABLE(retry_after=1)
        else:
            problem = as_problem(error)
        if problem is None:
            log.exception("unexpected error at the edge", request_id=self.request_id, error=repr(error))
            problem = INTERNAL()
        self.count(problem.type.grpc_code.name)
        self._context.abort_with_status(rpc_status.to_status(problem.to_rpc(self.language, self.request_id)))


class HealthWatch:
    """Updates the edge's health answers: a gRPC service is serving while the service behind it reports so.

    At the same interval it ends the calls whose tokens were revoked.
    """

    def __init__(
        self,
        healthy: health.HealthServicer,
        channels: Mapping[str, grpc.Channel],
        live: OpenStreams,
        seconds: float = _HEALTH_SECONDS,
    ) -> None:
        self._healthy = healthy
        self._live = live
        self._stubs = {service: health_pb2_grpc.HealthStub(channels[name]) for service, name in _NAMES.items()}
        self._task = PeriodicTask("health", self._check_all, seconds)

    def start(self) -> None:
        """Starts the watch in the background."""
        # The edge itself serves: when one service is missing, it still answers for the others.
        self._healthy.set("", health_pb2.HealthCheckResponse.SERVING)
        self._task.start()

    def stop(self) -> None:
        """Ends the watch; from now on the edge reports no service as serving."""
        self._healthy.enter_graceful_shutdown()
        self._task.stop()

    def _check_all(self) -> None:
        # When a check fails, its error is logged and the other checks go on: a stream whose token is revoked ends
        # whatever the services report.
        for service, stub in self._stubs.items():
            if self._task.stopping:
                return
            self._run_check(service, partial(self._update_health, service, stub))
        self._run_check("live calls", self._live.end_revoked)

    def _update_health(self, service: str, stub: Any) -> None:
        self._healthy.set(service, _health(service, stub))

    def _run_check(self, what: str, check: Callable[[], object]) -> None:
        try:
            check()
        except Exception as e:
            log.error("not looked at", what=what, **reason_of(e))


def _health(service: str, stub: Any) -> Any:
    try:
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_HEALTH_SECONDS).status
    except grpc.RpcError:
        return health_pb2.HealthCheckResponse.NOT_SERVING


def _read_caller_thumbprint(context: grpc.ServicerContext) -> str:
    """Returns the thumbprint of the caller's certificate; empty when the edge asks for none."""
    certificates: Any = context.auth_context().get("x509_pem_cert")
    return certificate_thumbprint(certificates[0]) if certificates else ""


def _streaming_kind(method: str) -> tuple[bool, bool] | None:
    """Returns whether requests and answers of a method are streams; None when the protos do not have it."""
    service, _, name = method.removeprefix("/").rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return None
    return descriptor.client_streaming, descriptor.server_streaming


def _remaining_seconds(context: grpc.ServicerContext, default: float | None) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline grpc returns None, or a time beyond any process's life.
    return default if remaining is None or remaining > 1e7 else remaining


def _cancel_with_caller(context: grpc.ServicerContext, upstream: Any) -> None:
    """Cancels the upstream call when the caller hangs up, also when the caller already did."""
    if not context.add_callback(upstream.cancel):
        upstream.cancel()
