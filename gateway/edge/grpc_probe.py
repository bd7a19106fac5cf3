"""Asks the gRPC edge of this process whether it serves, as any caller would: by a call."""

import threading
import time
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chengxin.grpc.rpc import make_channel

_ANSWER_SECONDS: Final = 1.0
# Anyone may ask for health at any rate; the edge is asked at most once in this time.
_FRESH_SECONDS: Final = 1.0


class GrpcProbe:
    """Whether the gRPC edge answers at a Unix socket of its own, where no certificate is asked for.

    That the process lives does not show it: the thread that serves calls can end while all others go on.
    """

    def __init__(self, inner: Path) -> None:
        self.address = f"unix:{inner}"
        self._stub = health_pb2_grpc.HealthStub(make_channel(self.address))
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._serves = False

    def __call__(self) -> bool:
        """Returns whether it answers within a second."""
        with self._lock:
            if time.monotonic() - self._asked_at > _FRESH_SECONDS:
                self._serves = self._ask()
                self._asked_at = time.monotonic()
            return self._serves

    def _ask(self) -> bool:
        try:
            found = self._stub.Check(health_pb2.HealthCheckRequest(), timeout=_ANSWER_SECONDS)
        except grpc.RpcError:
            return False
        return bool(found.status == health_pb2.HealthCheckResponse.SERVING)
