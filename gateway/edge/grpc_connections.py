"""The connections to the gRPC edge: what one address may hold, and the server together with the front before it.

gRPC accepts whatever comes, and keeps a connection without a call for five minutes as long as it answers pings. Enough
of them take every descriptor of the process, and then neither edge accepts anybody.
"""

import math
import threading
from typing import Final

import grpc

from chengxin.bounds import bound
from gateway.edge.front import Front, Times

# Once a client has sent something, gRPC alone ends its connection: a call may last for ever. What is sent to a client
# waits here no shorter than a call gives it for taking an answer.
GRPC_TIMES: Final = Times(first_byte=10.0, idle=math.inf, stalled=60.0)

CONNECTIONS: Final = bound(
    __name__,
    resource="Connections to the gRPC edge",
    total=1024,
    share=256,
    seconds=300.0,
    why="Without a call; 10 s for the handshake, 70 s when nobody is there any more, 60 s while the client takes nothing "
    "of what is sent to it. A client needs one for all its calls. A trusted proxy has no share",
    test="tests/gateway/test_grpc_connections.py::test_idle_connections_of_one_address_stop_nobody_else",
)


class FrontedServer:
    """A gRPC server and its front, which stays until the last calls have ended."""

    def __init__(self, server: grpc.Server, front: Front) -> None:
        self._server = server
        self._front = front

    def start(self) -> None:
        """Starts both. Raises `OSError` when the front's address cannot be bound."""
        self._server.start()
        self._front.start()

    def stop(self, grace: float) -> threading.Event:
        """Stops both; returns what is set when all calls have ended, `grace` seconds from now at the latest."""
        ended = self._server.stop(grace)
        ended.wait(grace + 1)
        self._front.stop()
        return ended
