"""The gateway's metrics, at an address of their own: at the public one everybody would read how busy the city is."""

import socket
import threading
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from chengxin.bounds import own

_CLOSE_SECONDS: Final = 5.0

own(
    __name__,
    "Thread",
    resource="Thread and connection of the address for metrics",
    total=1,
    why="One scrape at a time; a client that sends nothing is left after five seconds",
)


class _Scrape(WSGIRequestHandler):
    # For the request, and between two on one connection.
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""


class _IPv6Server(WSGIServer):
    address_family = socket.AF_INET6


class MetricsListener:
    """Answers Prometheus on `listen` (host:port), which only operators reach; empty: nowhere."""

    def __init__(self, listen: str) -> None:
        self._listen = listen
        self._server: WSGIServer | None = None
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Starts to listen. Raises `OSError` when the address cannot be bound."""
        if not self._listen:
            return
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        kind = _IPv6Server if ":" in host else WSGIServer
        self._server = make_server(host, int(port), make_wsgi_app(), kind, _Scrape)
        self._thread.start()

    def stop(self) -> None:
        """Answers nobody any more."""
        if self._server is not None:
            self._server.shutdown()
            self._thread.join(_CLOSE_SECONDS)
            self._server.server_close()

    def _run(self) -> None:
        assert self._server is not None
        self._server.serve_forever()
