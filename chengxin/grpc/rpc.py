"""gRPC plumbing: servers that know the caller and answer with rich errors, channels that reconnect quickly."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from pymongo.errors import OperationFailure

from chengxin.auth.admission import Admission
from chengxin.auth.principal import Principal, Role
from chengxin.auth.request_context import (
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    RequestContext,
    pick_language,
    request_id_of,
    serving,
)
from chengxin.auth.tls import Trust
from chengxin.bounds import Bound, bound
from chengxin.concurrency.fixed_threads import fixed_threads
from chengxin.concurrency.shares import Shares
from chengxin.errors import INPUT_INVALID, INTERNAL, STORE_UNAVAILABLE, FieldError, Problem, exhausted
from chengxin.store.database import STORE_BROKEN, is_passing

log = structlog.get_logger()

MAX_MESSAGE: Final = 16 * 1024 * 1024
OPTIONS: Final = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]
_OPEN_TO_ALL: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/")

CALLS: Final = bound(
    __name__,
    "grpc.server",
    "fixed_threads",
    resource="Calls of a service's gRPC face",
    total=64,
    share="the gateway's permits for one caller; of streams see below",
    seconds="until the call's deadline",
    why="Only the gateway and the services reach it. Its threads are all there from the start",
    test="tests/catalog/test_streams.py::test_a_face_without_threads_does_not_begin_to_serve",
)
# A stream holds a thread as long as it lasts.
STREAMS: Final = bound(
    __name__,
    resource="Streams of a service's gRPC face",
    total=48,
    share=12,
    strangers=16,
    seconds="as long as the caller",
    why="A quarter of the threads is for calls. The services' own streams are not counted: settings tell their number",
    test="tests/catalog/test_streams.py::test_one_caller_leaves_streams_and_calls_to_the_others",
)

STREAMS_BUSY = exhausted(
    "STREAMS_BUSY",
    429,
    "您同时打开的数据流过多，请关闭不用的数据流，或稍后重试",
    "You, or all callers together, have too many streams open; close those that you do not need, or try again shortly",
)
_RETRY_SECONDS: Final = 5


def make_server(
    listen: str,
    admission: Admission,
    services: Sequence[tuple[Callable[[Any, grpc.Server], None], Any, str]],
    calls: Bound = CALLS,
    streams: Bound = STREAMS,
) -> grpc.Server:
    """A server for `(add_to_server, servicer, full name)`, with health and reflection, listening on `host:port`.

    Raises `RuntimeError` when the address cannot be bound, or the system has not enough threads.
    """
    caller = _Caller(admission, Shares(streams))
    server = grpc.server(fixed_threads(calls, "rpc"), interceptors=[caller], options=OPTIONS)
    healthy = health.HealthServicer()
    names = [name for _, _, name in services]
    for add, servicer, name in services:
        add(servicer, server)
        healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    server.add_insecure_port(listen)
    return server


def make_channel(address: str, trust: Trust | None = None, more: Sequence[tuple[str, int]] = ()) -> grpc.Channel:
    """A channel to `host:port` that tries again within a second of a lost connection; over TLS with `trust`.

    `more` are further arguments of the channel (`grpc.…`).
    """
    options = [
        *OPTIONS,
        *more,
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Another container under the same name is found half a minute earlier than by default.
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.enable_retries", 0),
    ]
    if trust is not None:
        return grpc.secure_channel(address, trust.channel_credentials(), options=options)
    return grpc.insecure_channel(address, options=options)


class _Caller(grpc.ServerInterceptor):
    """Verifies the caller, makes the request current, turns errors into google.rpc.Status."""

    def __init__(self, admission: Admission, streams: Shares) -> None:
        self._admission = admission
        self._streams = streams
        # By method. A service has some twenty, and does not change them while it serves.
        self._guarded: dict[str, Any] = {}

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        guarded = self._guarded.get(details.method)
        if guarded is None:
            handler = continuation(details)
            if handler is None or details.method.startswith(_OPEN_TO_ALL):
                return handler
            guarded = self._guarded[details.method] = self._guard(handler)
        return guarded

    def _guard(self, handler: Any) -> Any:
        wrap = self._stream if handler.response_streaming else self._unary
        admitted = self._one_stream if handler.request_streaming or handler.response_streaming else self._admitted
        kinds = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        # The bytes are read by us, and after the caller is admitted.
        return kinds[handler.request_streaming, handler.response_streaming](
            wrap(behaviour, admitted, reading(handler)), response_serializer=handler.response_serializer
        )

    def _unary(self, behaviour: Any, admitted: Any, read: Any) -> Any:
        def call(request: Any, context: grpc.ServicerContext) -> Any:
            metadata = metadata_texts(context)
            with serving(_request(metadata)) as anonymous:
                try:
                    with admitted(anonymous, metadata, behaviour):
                        return behaviour(read(request), context)
                except Exception as e:
                    self._abort(context, e, anonymous)

        return call

    def _stream(self, behaviour: Any, admitted: Any, read: Any) -> Any:
        def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            metadata = metadata_texts(context)
            with serving(_request(metadata)) as anonymous:
                try:
                    with admitted(anonymous, metadata, behaviour):
                        # Sent at once, so that a follower knows that it is connected before there is a change.
                        context.send_initial_metadata(())
                        yield from behaviour(read(request), context)
                except Exception as e:
                    self._abort(context, e, anonymous)

        return call

    def _abort(self, context: grpc.ServicerContext, error: Exception, request: RequestContext) -> None:
        if not context.is_active():
            return
        if is_passing(error):
            self._admission.suspect_silence()
        problem = as_problem(error)
        if problem is None:
            # This is grpc's own abort, not an error of the service.
            if type(error) is Exception:
                raise error
            log.exception("unexpected error", request_id=request.request_id, error=repr(error)[:200])
            problem = INTERNAL()
        context.abort_with_status(rpc_status.to_status(problem.to_rpc(request.language, request.request_id)))

    @contextmanager
    def _admitted(self, request: RequestContext, metadata: dict[str, str], behaviour: Any) -> Iterator[Principal]:
        caller = self._admission.verify(metadata.get("authorization", ""))
        with serving(replace(request, principal=caller)):
            self._admission.check(caller, behaviour)
            yield caller

    @contextmanager
    def _one_stream(self, request: RequestContext, metadata: dict[str, str], behaviour: Any) -> Iterator[None]:
        with self._admitted(request, metadata, behaviour) as caller:
            if Role.SERVICE in caller.roles:
                yield
                return
            held = self._streams.take(caller.claimant)
            if held is None:
                raise STREAMS_BUSY(retry_after=_RETRY_SECONDS)
            with held:
                yield


def reading(handler: Any) -> Callable[[Any], Any]:
    """A function that reads what a method is sent: the bytes of its message, or an iterator of them.

    It raises INPUT_INVALID where grpc itself answers INTERNAL, without a word of what is wrong, and logs a traceback.
    """

    def read(data: bytes) -> Any:
        try:
            return handler.request_deserializer(data)
        except DecodeError as e:
            told = "不是该方法的请求消息，请按 proto 编码 / not the message that this method takes; encode it as the proto says"
            raise INPUT_INVALID(fields=[FieldError("", "protobuf", f"{told}: {e}")]) from None

    return partial(map, read) if handler.request_streaming else read


def metadata_texts(context: grpc.ServicerContext) -> dict[str, str]:
    """The metadata of a call that are texts; what is given more than once is joined by commas, as in HTTP."""
    found: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _request(metadata: dict[str, str]) -> RequestContext:
    return RequestContext(
        request_id_of(metadata.get(REQUEST_ID_HEADER, "")),
        pick_language(metadata.get("accept-language", "")),
        traceparent=metadata.get(TRACEPARENT_HEADER, ""),
    )


def as_problem(error: Exception) -> Problem | None:
    """The problem that a face answers for an exception of a use case; None when it was not foreseen."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OperationFailure) and error.code == STORE_BROKEN:
        return STORE_UNAVAILABLE(retry_after=5)
    if is_passing(error):
        return STORE_UNAVAILABLE(retry_after=1)
    if isinstance(error, grpc.RpcError):
        return Problem.from_rpc(error)
    return None
