"""Fake services behind the gateway in its tests, over real sockets: gRPC."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from tests.support import free_port


class GrpcUpstream:
    """All five services in one server that speaks raw bytes, and an audit log that can be taken away."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        # Consents by code: their grantee, and why they give nothing; and what was asked of them.
        self.consents: dict[str, tuple[str, str]] = {}
        self.resolved: list[tuple[str, str]] = []
        self.audit_is_up = True
        # Events wait for this before they are on record.
        self.audit_waits = threading.Event()
        self.audit_waits.set()
        self.cancelled = threading.Event()
        # `SubmitSlowly` answers after this.
        self.answers_slowly = threading.Event()
        self.taken = 0
        self.address = f"127.0.0.1:{free_port()}"
        self._threads = ThreadPoolExecutor(64)
        self.server = grpc.server(self._threads)
        self.server.add_generic_rpc_handlers((_Methods(self),))
        healthy = health.HealthServicer()
        healthy.set("chengxin.disclosure.v1.DisclosureService", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, self.server)
        self.server.add_insecure_port(self.address)
        self.server.start()

    def acts(self, act: str, outcome: str = "ok") -> list[dict[str, Any]]:
        """Events on record."""
        return [e for e in self.events if e["act"] == act and e["outcome"] == outcome]

    def close(self) -> None:
        self.server.stop(0).wait()


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, service: GrpcUpstream) -> None:
        self._upstream = service

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        name = details.method.rpartition("/")[2]
        return {
            "Append": grpc.unary_unary_rpc_method_handler(self._append),
            "Query": grpc.unary_unary_rpc_method_handler(self._query),
            "ResolveConsent": grpc.unary_unary_rpc_method_handler(self._resolve),
            "GetTask": grpc.unary_unary_rpc_method_handler(self._refuse),
            "ListTasks": grpc.unary_unary_rpc_method_handler(self._wait),
            "WatchQuietly": grpc.unary_stream_rpc_method_handler(self._watch_quietly),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
            "SubmitSlowly": grpc.stream_unary_rpc_method_handler(self._submit_slowly),
            "Submit": grpc.stream_unary_rpc_method_handler(self._submit),
            # Not in the gateway's protos: a service newer than it.
            "Converse": grpc.stream_stream_rpc_method_handler(self._converse),
        }.get(name)

    def _append(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        if not self._upstream.audit_is_up:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the log is away")
        self._upstream.audit_waits.wait(20)
        message = audit_pb2.AppendRequest.FromString(request)
        self._upstream.events.extend(json.loads(e) for e in message.entries)
        return audit_pb2.AppendResponse(appended=len(message.entries)).SerializeToString()

    def _query(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", b"\x00\xff")))
        metadata = {k: v for k, v in context.invocation_metadata() if isinstance(v, str)}
        return json.dumps({"sha256": hashlib.sha256(request).hexdigest(), "metadata": metadata}).encode()

    def _resolve(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = disclosure_pb2.ResolveConsentRequest.FromString(request)
        self._upstream.resolved.append((asked.code, asked.grantee))
        grantee, refusal = self._upstream.consents.get(asked.code, ("", "CONSENT_CODE_UNKNOWN"))
        if refusal or grantee != asked.grantee:
            code = refusal or "CONSENT_OTHER_GRANTEE"
            self._abort(context, grpc.StatusCode.PERMISSION_DENIED, code, "不可用", http_status="403")
        answer = disclosure_pb2.ResolveConsentResponse(consent_id=f"consent_{asked.code}", purpose="loan_application")
        return answer.SerializeToString()

    def _refuse(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        return self._abort(context, grpc.StatusCode.NOT_FOUND, "TASK_UNKNOWN", "没有这项任务", no="7")

    def _abort(
        self, context: grpc.ServicerContext, status: grpc.StatusCode, code: str, message: str, **metadata: str
    ) -> bytes:
        detail = any_pb2.Any()
        detail.Pack(error_details_pb2.ErrorInfo(reason=code, domain="chengxin", metadata=metadata))
        told = status_pb2.Status(code=status.value[0], message=message, details=[detail])
        context.abort_with_status(rpc_status.to_status(told))
        raise AssertionError

    def _wait(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Works until the caller no longer waits."""
        done = threading.Event()
        context.add_callback(done.set)
        done.wait(20)
        self._upstream.cancelled.set()
        return b""

    def _watch(self, request: bytes, context: grpc.ServicerContext) -> Any:
        context.send_initial_metadata((("x-first", "1"),))
        context.add_callback(self._upstream.cancelled.set)
        count = int(request or b"0")
        n = 0
        while n < count or (count == 0 and context.is_active()):
            self._upstream.taken = n
            yield bytes(64_000) if count == 0 else f"{n}".encode()
            n += 1
        context.set_trailing_metadata((("x-last", str(n)),))

    def _watch_quietly(self, request: bytes, context: grpc.ServicerContext) -> Any:
        """Has no news, as long as the caller waits."""
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(60)
        yield from ()

    def _submit(self, requests: Any, context: grpc.ServicerContext) -> bytes:
        sizes = []
        for request in requests:
            if request == b"refuse me":
                return self._refuse(request, context)
            sizes.append(len(request))
        return json.dumps({"messages": len(sizes), "bytes": sum(sizes)}).encode()

    def _submit_slowly(self, requests: Any, context: grpc.ServicerContext) -> bytes:
        list(requests)
        self._upstream.answers_slowly.wait(60)
        return b"slowly"

    def _converse(self, requests: Any, context: grpc.ServicerContext) -> Any:
        for request in requests:
            yield b"heard " + request
