"""Fake services behind the gateway in its tests, over real sockets."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from chengxin_api.audit.v1 import audit_pb2
from chengxin_api.disclosure.v1 import disclosure_pb2
from tests.support import free_port

READY = {"store": True, "token": True}


class HttpUpstream:
    """An HTTP server that answers with the request that it received."""

    def __init__(self) -> None:
        service = self
        self.ready = dict(READY)
        self.connections = 0
        self.requests = 0
        # Of the bodies of POST requests that were answered with what had come.
        self.lengths: list[int] = []
        # Requests to `/v1/public/slow` wait for this.
        self.patience = threading.Event()

        class BoundHandler(UpstreamHandler):
            pass

        BoundHandler.service = service
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), BoundHandler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class UpstreamHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: HttpUpstream

    def setup(self) -> None:
        super().setup()
        self.service.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.service.requests += 1

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/readyz":
            status = 200 if all(self.service.ready.values()) else 503
            return self._json(self.service.ready, status)
        if path == "/openapi.json":
            return self._json(_description(self.server.server_address[1]))
        if path == "/v1/public/feed":
            return self._stream(200)
        if path == "/v1/public/broken":
            return self._break_off()
        if path == "/v1/public/stale":
            return self._close_silently()
        if path == "/v1/public/headers":
            return self._many_headers()
        return self._echo()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET

    def _echo(self) -> None:
        body = self._body()
        if self.command == "POST":
            self.service.lengths.append(len(body))
        self._json(
            {
                "method": self.command,
                "target": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "length": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
        )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, pieces: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n in range(pieces):
            piece = bytes([n % 256]) * 10_000
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _break_off(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.close_connection = True

    def _close_silently(self) -> None:
        """Answers on a fresh connection, hangs up on one that was used before."""
        if getattr(self, "used", False):
            self.close_connection = True
            return
        self.used = True
        self._echo()

    def _many_headers(self) -> None:
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/plain"),
            ("ETag", '"v1"'),
            ("Server", "secret/1.0"),
            ("X-Powered-By", "inside"),
            ("X-Request-Id", "chosen-by-the-service"),
            ("Set-Cookie", "a=b"),
            ("Access-Control-Allow-Origin", "*"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("Content-Length", "2"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")


def _description(port: int) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "paths": {
            f"/v1/service-{port}": {
                "get": {
                    "summary": f"service {port}",
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Entry"}}}}
                    },
                }
            }
        },
        "components": {"schemas": {"Entry": {"type": "object", "title": f"Entry of {port}"}}},
    }


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

    def _converse(self, requests: Any, context: grpc.ServicerContext) -> Any:
        for request in requests:
            yield b"heard " + request
