"""Fake services behind the gateway in its tests, over real sockets: HTTP."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        # What the gateway asks for itself comes at any time.
        self.service.requests += parsed and self.path not in ("/readyz", "/openapi.json")
        return parsed

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
            ("X-Robots-Tag", "all"),
            ("X-Powered-By", "inside"),
            ("X-Request-Id", "chosen-by-the-service"),
            ("Set-Cookie", "a=b"),
            ("Access-Control-Allow-Origin", "*"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("Content-Length", "2"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
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
