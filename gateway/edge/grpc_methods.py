"""The methods of the services behind the gRPC edge: what the protos say of them, and how each kind is asked."""

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool

# These imports load the descriptors: reflection serves them, and the edge reads the methods' kinds.
from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.catalog.v1 import catalog_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_api.ingest.v1 import ingest_pb2
from chengxin_api.objection.v1 import objection_pb2

# The deadline of a unary call whose caller set none, and the latest one that a caller may set.
_UNARY_SECONDS: Final = 60.0
LONGEST_UNARY_SECONDS: Final = 300.0

SERVICE_NAMES: Final = {
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

Send = Callable[[Any, Any, grpc.ServicerContext], Any]


def streaming_kind(method: str) -> tuple[bool, bool] | None:
    """Returns whether requests and answers of a method are streams; None when the protos do not have it."""
    service, _, name = method.removeprefix("/").rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return None
    return descriptor.client_streaming, descriptor.server_streaming


def sender(channel: grpc.Channel, method: str, kind: tuple[bool, bool]) -> Send:
    """Returns a function that sends a request to a method of this kind."""
    match kind:
        case (False, False):
            return _ask_once(channel.unary_unary(method), _UNARY_SECONDS)
        case (True, False):
            return _ask_once(channel.stream_unary(method), None)
        case (False, True):
            return _ask_for_stream(channel.unary_stream(method))
        case _:
            return _ask_for_stream(channel.stream_stream(method))


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


def _remaining_seconds(context: grpc.ServicerContext, default: float | None) -> float | None:
    remaining = context.time_remaining()
    # Without a deadline grpc returns None, or a time beyond any process's life.
    if remaining is None or remaining > 1e7:
        return default
    return remaining if default is None else min(remaining, LONGEST_UNARY_SECONDS)


def _cancel_with_caller(context: grpc.ServicerContext, upstream: Any) -> None:
    """Cancels the upstream call when the caller hangs up, also when the caller already did."""
    if not context.add_callback(upstream.cancel):
        upstream.cancel()
