"""One call at the gRPC edge: who makes it, what of it goes on to the service, and how it ends."""

from typing import Any, Final

import grpc
import structlog
from grpc_status import rpc_status
from prometheus_client import Counter

from chengxin.auth.admission import bearer_token
from chengxin.auth.request_context import REQUEST_ID_HEADER, TRACEPARENT_HEADER, pick_language
from chengxin.auth.tls import certificate_thumbprint
from chengxin.concurrency.shares import Claimant
from chengxin.errors import INTERNAL, UPSTREAM_UNAVAILABLE, Problem
from chengxin.grpc.rpc import as_problem, metadata_texts
from chengxin.values.ids import new_id
from gateway.domain.edge_refusals import EDGE_BUSY
from gateway.edge.admission import EdgeAdmission
from gateway.edge.front import address_behind
from gateway.edge.grpc_methods import streaming_kind
from gateway.edge.origins import Origins
from gateway.edge.trace_context import next_hop

log = structlog.get_logger()

# What Python says when the system gives no thread.
_NO_THREAD: Final = "can't start new thread"
# The key of the error details in a service's trailing metadata.
_DETAILS_KEY: Final = "grpc-status-details-bin"

_ended_calls = Counter("chengxin_edge_grpc_calls", "Calls that ended at the gRPC edge", ["method", "code"])


class EdgeCall:
    """One call at the edge."""

    def __init__(self, method: str, context: grpc.ServicerContext, origins: Origins) -> None:
        # Method names that no proto has would create new metric series without end.
        self._label = method if streaming_kind(method) is not None else "unknown"
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
