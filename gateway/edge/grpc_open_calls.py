"""What is open to all at the gRPC edge: health and reflection, with places and times of their own."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from chengxin.auth.request_context import pick_language
from chengxin.bounds import bound
from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.concurrency.shares import Claimant
from chengxin.errors import Problem
from chengxin.failures import reason_of
from chengxin.grpc.rpc import metadata_texts, reading
from chengxin.values.ids import new_id
from gateway.edge.call_times import CallTimes
from gateway.edge.concurrency_limits import EdgeShares
from gateway.edge.front import address_behind
from gateway.edge.open_streams import OpenStreams
from gateway.edge.origins import Origins
from gateway.edge.rate_limits import RateLimits

log = structlog.get_logger()

_HEALTH_SECONDS: Final = 2.0
_CHECK: Final = "/grpc.health.v1.Health/Check"

HEALTH_CALLS: Final = bound(
    __name__,
    resource="Health checks at the gRPC edge",
    total=16,
    share=4,
    strangers=12,
    seconds=10.0,
    why="They answer while all other calls are taken; the gateway's own readiness asks here",
    test="tests/gateway/test_grpc_floods.py::test_health_answers_while_everything_else_is_taken",
)
OPEN_CALLS: Final = bound(
    __name__,
    resource="Reflection and watched health at the gRPC edge",
    total=24,
    share=6,
    seconds=60.0,
    why="Without a token. After the time the call ends, and a client opens another one",
    test="tests/gateway/test_grpc_floods.py::test_reflection_without_a_word_holds_a_share_for_a_while",
)


class OpenCalls(grpc.ServerInterceptor):
    """Bounds the handlers of others, which know neither places nor times; our own forwarder bounds itself."""

    def __init__(
        self, checks: EdgeShares, others: EdgeShares, limits: RateLimits, origins: Origins, times: CallTimes, own: str
    ) -> None:
        """`own` is the prefix of the methods that are let through; `times` are those of open calls."""
        self._checks = checks
        self._others = others
        self._limits = limits
        self._origins = origins
        self._times = times
        self._own = own
        # By method: only those that have a handler.
        self._bounded: dict[str, Any] = {}

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Returns the bounded handler of a method, None when there is none."""
        if details.method.startswith(self._own):
            return continuation(details)
        bounded = self._bounded.get(details.method)
        if bounded is None and (handler := continuation(details)) is not None:
            if details.method == _CHECK:
                answer = partial(self._answer, handler, self._checks, self._limits.by_health)
            else:
                answer = partial(self._answer, handler, self._others, self._limits.by_address)
            # As a stream both ways, our code runs before the first message is there.
            bounded = self._bounded[details.method] = grpc.stream_stream_rpc_method_handler(
                answer, response_serializer=handler.response_serializer
            )
        return bounded

    def _answer(
        self,
        handler: Any,
        places: EdgeShares,
        count: Callable[[str], None],
        requests: Iterator[Any],
        context: grpc.ServicerContext,
    ) -> Iterator[Any]:
        metadata = metadata_texts(context)
        # The readiness of this process asks past the front.
        address = address_behind(context.peer())
        is_own = not address
        origin = self._origins.of_call(address, metadata)
        read = reading(handler)
        try:
            if not is_own:
                count(origin)
            held = places.take(Claimant(origin, proven=is_own))
            with held, self._times.of(context, requests) as call:
                if handler.request_streaming:
                    yield from call.sending(handler.stream_stream(read(call), context))
                elif (data := next(call, None)) is not None:
                    if handler.response_streaming:
                        yield from handler.unary_stream(read(data), context)
                    else:
                        yield handler.unary_unary(read(data), context)
        except Problem as problem:
            language = pick_language(metadata.get("accept-language", ""))
            context.abort_with_status(rpc_status.to_status(problem.to_rpc(language, new_id("req"))))


class HealthWatch:
    """Updates the edge's health answers: a gRPC service is serving while the service behind it reports so.

    At the same interval it ends the calls whose tokens were revoked.
    """

    def __init__(
        self,
        healthy: health.HealthServicer,
        stubs: Mapping[str, health_pb2_grpc.HealthStub],
        live: OpenStreams,
        seconds: float = _HEALTH_SECONDS,
    ) -> None:
        """`stubs` ask the services, by the full name of the gRPC service."""
        self._healthy = healthy
        self._live = live
        self._stubs = stubs
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

    def _run_check(self, what: str, check: Any) -> None:
        try:
            check()
        except Exception as e:
            log.error("not looked at", what=what, **reason_of(e))


def _health(service: str, stub: Any) -> Any:
    try:
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_HEALTH_SECONDS).status
    except grpc.RpcError:
        return health_pb2.HealthCheckResponse.NOT_SERVING
