"""A service does not answer: a reader is told in time; but a service that only takes long is waited for."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chengxin.errors import UPSTREAM_UNAVAILABLE, Problem
from gateway.edge import upstream
from gateway.edge.upstream import Upstream

# Within which a reader is answered (decision 23).
PROMISED = 5


@pytest.fixture
def frozen() -> Iterator[Upstream]:
    """A stopped process: its machine accepts connections for it, and no program reads from them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        service = Upstream(f"127.0.0.1:{listening.getsockname()[1]}")
        yield service
        service.close()


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [("GET", "/v1/public/subjects?q=x", None), ("POST", "/v1/shared/queries", b'{"subject": {}}')],
)
def test_readers_of_a_process_that_stands_still_are_told_in_time(
    frozen: Upstream, method: str, target: str, body: bytes | None
) -> None:
    """Such requests were once held for two minutes."""
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(frozen.send, method, target, {}, body) for _ in range(20)]
        for one in asked:
            refused = one.exception(timeout=PROMISED)
            assert isinstance(refused, Problem)
            assert refused.type is UPSTREAM_UNAVAILABLE
            assert refused.retry_after


def test_a_reader_on_a_kept_connection_waits_no_longer(frozen: Upstream) -> None:
    """A kept connection may turn out to be closed, and then the request is repeated; this one is open."""
    host, _, port = frozen._host.rpartition(":")
    frozen._idle.append(upstream._Line((host, int(port))))
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(frozen.send, "GET", "/v1/me/records", {}, None).exception(timeout=PROMISED)
    assert isinstance(refused, Problem)
    assert refused.type is UPSTREAM_UNAVAILABLE


class Busy(BaseHTTPRequestHandler):
    """Answers `/slow` after two health checks."""

    asked = 0
    often = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/healthz":
            Busy.asked += 1
            if Busy.asked >= 2:
                self.often.set()
        else:
            self.often.wait(30)
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_room_that_lives_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "_QUIET_SECONDS", 0.1)
    monkeypatch.setattr(upstream, "_AGAIN_SECONDS", 0.1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = Upstream(f"127.0.0.1:{server.server_port}")
    try:
        answer = service.send("GET", "/slow", {}, None)
        assert json.loads(answer.whole()) == {"path": "/slow"}
        assert Busy.asked >= 2
    finally:
        service.close()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("method", "target", "read"),
    [
        ("GET", "/v1/me/records", True),
        ("POST", "/v1/statutory/queries?language=en", True),
        ("POST", "/v1/submissions", False),
        ("DELETE", "/v1/me/consents/1", False),
    ],
)
def test_what_may_have_been_carried_out_is_waited_for(method: str, target: str, read: bool) -> None:
    assert upstream._is_read(method, target) is read
