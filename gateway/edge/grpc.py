"""The gRPC edge: it forwards any method of `chengxin.<service>.v1` as raw bytes, in all four streaming kinds.

It does not use asyncio: with grpc.aio, a service's refusal of a stream that the caller was still sending reached the
caller as INTERNAL in two of five calls (grpcio 1.85: a write that fails overwrites the status that is about to arrive).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import grpc
import structlog
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from prometheus_client import Counter

from chengxin.auth.admission import bearer_token
from chengxin.auth.request_context import REQUEST_ID_HEADER, TRACEPARENT_HEADER, pick_language
from chengxin.auth.tls import certificate_thumbprint
from chengxin.bounds import bound
from chengxin.concurrency.fixed_threads import fixed_threads
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.errors import INTERNAL, UPSTREAM_UNAVAILABLE, Problem
from chengxin.grpc.rpc import OPTIONS, as_problem, make_channel, metadata_texts
from chengxin.values.ids import new_id

# These imports load the descriptors: reflection serves them, and the edge reads the methods' kinds.
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2
from gateway.domain.edge_refusals import BODY_BROKEN_OFF, EDGE_BUSY
from gateway.edge.admission import EdgeAdmission
from gateway.edge.call_times import CallTimes, TimedCall
from gateway.edge.concurrency_limits import REFUSALS, EdgeShares, ForwardingPermits, Permit
from gateway.edge.front import address_behind
from gateway.edge.grpc_open_calls import HEALTH_CALLS, OPEN_CALLS, HealthWatch, OpenCalls
from gateway.edge.open_streams import OpenStreams
from gateway.edge.origins import Origins
from gateway.edge.rate_limits import RateLimits
from gateway.edge.trace_context import next_hop

if TYPE_CHECKING:
    from chengxin.process.runtime import Background

    Handler = grpc.RpcMethodHandler[Any, Any]

log = structlog.get_logger()

# The deadline of a unary call whose caller set none, and the latest one that a caller may set.
_UNARY_SECONDS: Final = 60.0
_LONGEST_UNARY_SECONDS: Final = 300.0
# What Python says when the system gives no thread.
_NO_THREAD: Final = "can't start new thread"
_THREADS_OF_ADMISSION: Final = 8
_OURS: Final = "/chengxin."
# A connection has a time for its handshake, and an end when nothing is called for five minutes
# or when nobody is there any more.
_CONNECTION_OPTIONS: Final = (
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
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

CALLS: Final = bound(
    __name__,
    "grpc.server",
    "fixed_threads",
    resource="Calls with one request and one answer at the gRPC edge",
    total=304,
    share=200,
    seconds=_LONGEST_UNARY_SECONDS,
    why="60 s when the caller sets no deadline; a sixth of CHENGXIN_CALL_SECONDS until the request is there. Each call "
    "holds a thread. All threads are started at the start, as are those for streams, open calls and refusals, so that "
    "no call meets a system without threads",
    test="tests/gateway/test_grpc_floods.py::test_calls_without_their_message_stop_nobody_else",
)
CALLS_OF_A_SERVICE: Final = bound(
    __name__,
    resource="Calls with one request and one answer at one service",
    total=256,
    share=CALLS.share,
    seconds=_LONGEST_UNARY_SECONDS,
    why="A service that hangs leaves room for the others",
    test="tests/gateway/test_concurrency_limits.py::test_one_room_that_hangs_leaves_slots_to_the_others",
)
STREAMS: Final = bound(
    __name__,
    resource="Streams at the gRPC edge",
    total=96,
    share=16,
    seconds=60.0,
    why="CHENGXIN_CALL_SECONDS, for the next message from the caller and for taking an answer; a sixth of it for the "
    "first message, before which no service knows of the stream. Whoever waits for news may wait for ever",
    test="tests/gateway/test_grpc_floods.py::test_silent_streams_of_one_client_stop_nobody_else",
)
STREAMS_OF_A_SERVICE: Final = bound(
    __name__,
    resource="Streams at one service",
    total=40,
    share=STREAMS.share,
    seconds=STREAMS.seconds,
    why="A service has 64 threads, and is asked by other services, too",
    test="tests/gateway/test_grpc_floods.py::test_silent_streams_of_one_client_stop_nobody_else",
)
# Those who are refused hold a thread, too, for as long as that takes.
THREADS: Final = replace(
    CALLS,
    total=_THREADS_OF_ADMISSION + sum(bound.total for bound in (CALLS, STREAMS, OPEN_CALLS, HEALTH_CALLS, REFUSALS)),
)


@dataclass(frozen=True)
class CallLimits:
    """What bounds calls: the rates, the origins that they are counted by, and the seconds of `CALLS`."""

    rates: RateLimits
    origins: Origins
    seconds: float


def make_edge(
    inner: str,
    own: str,
    addresses: Mapping[str, str],
    admission: EdgeAdmission,
    limits: CallLimits,
    tls: grpc.ServerCredentials | None = None,
) -> tuple[grpc.Server, "list[Background]"]:
    """Returns the server in front of the services at `addresses`, and what runs beside it.

    It listens on two Unix sockets (`unix:` and a path): on `inner` behind the front, with TLS if there is any, and on
    `own` for this process. Raises `RuntimeError` when they cannot be bound, or when the system does not give enough
    threads.
    """
    channels = {service: make_channel(address) for service, address in addresses.items()}
    live_calls = OpenStreams(admission.verifier)
    times = CallTimes(limits.seconds / 6, limits.seconds)
    of_open_calls = CallTimes(limits.seconds / 6, limits.seconds, float(OPEN_CALLS.seconds))
    # Those of one service: what stands before the names of all of ours.
    open_calls = OpenCalls(
        *(
            EdgeShares(Shares(HEALTH_CALLS)),
            EdgeShares(Shares(OPEN_CALLS)),
            limits.rates,
            limits.origins,
            of_open_calls,
            _OURS,
        )
    )
    server = grpc.server(
        fixed_threads(THREADS, "edge"),
        interceptors=[open_calls],
        options=[*OPTIONS, *_CONNECTION_OPTIONS],
        maximum_concurrent_rpcs=THREADS.total,
    )
    forwarder = _Forwarder(channels, admission, limits.origins, live_calls, times)
    server.add_generic_rpc_handlers((forwarder,))
    # Watching without a thread has no bound; ours holds a place and a thread.
    health_servicer = health.HealthServicer(experimental_non_blocking=False)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection([*_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    if tls is None:
        server.add_insecure_port(inner)
    else:
        server.add_secure_port(inner, tls)
    server.add_insecure_port(own)
    stubs = {service: health_pb2_grpc.HealthStub(channels[name]) for service, name in _NAMES.items()}
    return server, [HealthWatch(health_servicer, stubs, live_calls), times, of_open_calls]


class _Forwarder(grpc.GenericRpcHandler):
    """Forwards each call to the service of its method, in the method's own kind."""

    def __init__(
        self,
        channels: Mapping[str, grpc.Channel],
        admission: EdgeAdmission,
        origins: Origins,
        live_calls: OpenStreams,
        times: CallTimes,
    ) -> None:
        self._channels = channels
        self._admission = admission
        self._origins = origins
        self._live_calls = live_calls
        self._times = times
        self._calls = ForwardingPermits(Shares(CALLS), {name: Shares(CALLS_OF_A_SERVICE) for name in channels})
        self._streams = ForwardingPermits(Shares(STREAMS), {name: Shares(STREAMS_OF_A_SERVICE) for name in channels})
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
        service = next((name for name in self._channels if method.startswith(f"/chengxin.{name}.v1.")), None)
        if service is None:
            return None
        channel = self._channels[service]
        # A method that only the service knows counts as a stream both ways: one message on the wire is a stream of one.
        kind = _streaming_kind(method) or (True, True)
        permit = partial((self._streams if any(kind) else self._calls).take, service)
        # To gRPC every method takes a stream: so our code runs, and may refuse, before the first message is there.
        match kind:
            case (False, False):
                send = _ask_once(channel.unary_unary(method), _UNARY_SECONDS)
            case (True, False):
                send = _ask_once(channel.stream_unary(method), None)
            case (False, True):
                send = _ask_for_stream(channel.unary_stream(method))
            case _:
                send = _ask_for_stream(channel.stream_stream(method))
        if kind[1]:
            return grpc.stream_stream_rpc_method_handler(partial(self._forward, method, permit, send, kind[0]))
        return grpc.stream_unary_rpc_method_handler(partial(self._forward_once, method, permit, send, kind[0]))

    def _forward(
        self,
        method: str,
        permit: Callable[[Claimant], Permit],
        send: "Send",
        sends_stream: bool,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        """Forwards one call to a method with a stream of answers.

        It takes a message when the one before it is on its way.
        """
        edge_call = _EdgeCall(method, context, self._origins)
        try:
            metadata, claimant = edge_call.admit(self._admission)
            with permit(claimant), self._times.of(context, requests) as call:
                upstream = send(_await_request(call, sends_stream), metadata, context)
                with self._live_calls.lasting(edge_call.token, upstream):
                    yield from call.sending(upstream)
            context.set_trailing_metadata(upstream.trailing_metadata() or ())
            edge_call.count("OK")
        except Exception as e:
            edge_call.fail(e)

    def _forward_once(
        self,
        method: str,
        permit: Callable[[Claimant], Permit],
        send: "Send",
        sends_stream: bool,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> bytes:
        """Forwards one call to a method with one answer, which goes out together with the status."""
        edge_call = _EdgeCall(method, context, self._origins)
        answer = b""
        try:
            metadata, claimant = edge_call.admit(self._admission)
            with ExitStack() as held:
                held.enter_context(permit(claimant))
                call = held.enter_context(self._times.of(context, requests))
                upstream = send(_await_request(call, sends_stream), metadata, context)
                with self._live_calls.lasting(edge_call.token, upstream):
                    answer = upstream.result()
                # Services send no initial metadata, and sending it separately costs an event of its own on the way.
                if initial := upstream.initial_metadata():
                    context.send_initial_metadata(initial)
                context.set_trailing_metadata(upstream.trailing_metadata() or ())
                # The caller takes the answer without a thread of ours, but has a time, and keeps its place until then.
                call.await_taking()
                until_taken = held.pop_all()
                if not context.add_callback(until_taken.close):
                    until_taken.close()
            edge_call.count("OK")
        except Exception as e:
            edge_call.fail(e)
        return answer


Send = Callable[[Any, Any, grpc.ServicerContext], Any]


def _await_request(call: TimedCall, sends_stream: bool) -> Any:
    """Returns the message of a call, or all of them, once the first one is there. Raises BODY_BROKEN_OFF."""
    first = next(call, None)
    if sends_stream:
        return call if first is None else chain((first,), call)
    if first is None:
        raise BODY_BROKEN_OFF()
    return first


def _ask_once(method: Any, seconds: float | None) -> Send:
    """Returns a function that sends a request to a method with one answer; `seconds` are its time by default."""

    def send(request: Any, metadata: Any, context: grpc.ServicerContext) -> Any:
        upstream = method.future(request, metadata=metadata, timeout=_remaining_seconds(context, seconds))
        _cancel_with_caller(context, upstream)
        return upstream

    return send


def _ask_for_stream(method: Any) -> Send:
    """Returns a function that sends a request to a method with a stream of answers."""

    def send(request: Any, metadata: Any, context: grpc.ServicerContext) -> Any:
        upstream = method(request, metadata=metadata, timeout=_remaining_seconds(context, None))
        _cancel_with_caller(context, upstream)
        # This goes out at once, so that a watcher knows that it is connected before the first message.
        context.send_initial_metadata(upstream.initial_metadata() or ())
        return upstream

    return send


class _EdgeCall:
    """One call at the edge."""

    def __init__(self, method: str, context: grpc.ServicerContext, origins: Origins) -> None:
        # Method names that no proto has would create new metric series without end.
        self._label = method if _streaming_kind(method) is not None else "unknown"
        self._context = context
        self._metadata = metadata_texts(context)
        self._origin = origins.of_call(address_behind(context.peer()), self._metadata)
        self.request_id = new_id("req")
        self.token = ""
        self.language = pick_language(self._metadata.get("accept-language", ""))

    def admit(self, admission: EdgeAdmission) -> tuple[tuple[tuple[str, str], ...], Claimant]:
        """Returns the only metadata that the edge forwards, and who the caller is. Raises what `admission` raises."""
        authorization = self._metadata.get("authorization", "")
        thumbprint = _read_caller_thumbprint(self._context)
        claimant = admission.admit(authorization, thumbprint, self._origin, "grpc", self.request_id)
        self.token = bearer_token(authorization)
        metadata = (
            ("authorization", authorization),
            ("accept-language", self.language),
            (REQUEST_ID_HEADER, self.request_id),
            (TRACEPARENT_HEADER, next_hop(self._metadata.get(TRACEPARENT_HEADER, ""))),
        )
        return metadata, claimant

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
        elif isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
            # A stream of requests takes a thread of grpc's own.
            problem = EDGE_BUSY(retry_after=1)
        else:
            problem = as_problem(error)
        if problem is None:
            log.exception("unexpected error at the edge", request_id=self.request_id, error=repr(error))
            problem = INTERNAL()
        self.count(problem.type.grpc_code.name)
        self._context.abort_with_status(rpc_status.to_status(problem.to_rpc(self.language, self.request_id)))


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
    if remaining is None or remaining > 1e7:
        return default
    return remaining if default is None else min(remaining, _LONGEST_UNARY_SECONDS)


def _cancel_with_caller(context: grpc.ServicerContext, upstream: Any) -> None:
    """Cancels the upstream call when the caller hangs up, also when the caller already did."""
    if not context.add_callback(upstream.cancel):
        upstream.cancel()
