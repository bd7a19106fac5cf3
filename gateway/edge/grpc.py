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
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chengxin.bounds import bound
from chengxin.concurrency.fixed_threads import fixed_threads
from chengxin.concurrency.shares import Claimant, Shares
from chengxin.grpc.rpc import OPTIONS, make_channel
from gateway.domain.edge_refusals import BODY_BROKEN_OFF
from gateway.edge.admission import EdgeAdmission
from gateway.edge.call_times import CallTimes, TimedCall
from gateway.edge.concurrency_limits import REFUSALS, EdgeShares, ForwardingPermits, Permit
from gateway.edge.grpc_call import EdgeCall
from gateway.edge.grpc_methods import (
    LONGEST_UNARY_SECONDS,
    SERVICE_NAMES,
    Send,
    sender,
    streaming_kind,
)
from gateway.edge.grpc_open_calls import HEALTH_CALLS, OPEN_CALLS, HealthWatch, OpenCalls
from gateway.edge.open_streams import OpenStreams
from gateway.edge.origins import Origins
from gateway.edge.rate_limits import RateLimits

if TYPE_CHECKING:
    from chengxin.process.runtime import Background

    Handler = grpc.RpcMethodHandler[Any, Any]

log = structlog.get_logger()

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
CALLS: Final = bound(
    __name__,
    "grpc.server",
    "fixed_threads",
    resource="Calls with one request and one answer at the gRPC edge",
    total=304,
    share=200,
    seconds=LONGEST_UNARY_SECONDS,
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
    seconds=LONGEST_UNARY_SECONDS,
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
    reflection.enable_server_reflection([*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    if tls is None:
        server.add_insecure_port(inner)
    else:
        server.add_secure_port(inner, tls)
    server.add_insecure_port(own)
    stubs = {service: health_pb2_grpc.HealthStub(channels[name]) for service, name in SERVICE_NAMES.items()}
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
            if handler is not None and streaming_kind(method) is not None:
                self._handlers[method] = handler
        return handler

    def _make_handler(self, method: str) -> "Handler | None":
        service = next((name for name in self._channels if method.startswith(f"/chengxin.{name}.v1.")), None)
        if service is None:
            return None
        # A method that only the service knows counts as a stream both ways: one message on the wire is a stream of one.
        kind = streaming_kind(method) or (True, True)
        permit = partial((self._streams if any(kind) else self._calls).take, service)
        send = sender(self._channels[service], method, kind)
        # To gRPC every method takes a stream: so our code runs, and may refuse, before the first message is there.
        if kind[1]:
            return grpc.stream_stream_rpc_method_handler(partial(self._forward, method, permit, send, kind[0]))
        return grpc.stream_unary_rpc_method_handler(partial(self._forward_once, method, permit, send, kind[0]))

    def _forward(
        self,
        method: str,
        permit: Callable[[Claimant], Permit],
        send: Send,
        sends_stream: bool,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        """Forwards one call to a method with a stream of answers.

        It takes a message when the one before it is on its way.
        """
        edge_call = EdgeCall(method, context, self._origins)
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
        send: Send,
        sends_stream: bool,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> bytes:
        """Forwards one call to a method with one answer, which goes out together with the status."""
        edge_call = EdgeCall(method, context, self._origins)
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


def _await_request(call: TimedCall, sends_stream: bool) -> Any:
    """Returns the message of a call, or all of them, once the first one is there. Raises BODY_BROKEN_OFF."""
    first = next(call, None)
    if sends_stream:
        return call if first is None else chain((first,), call)
    if first is None:
        raise BODY_BROKEN_OFF()
    return first
