"""Exits 0 when the process of this container is ready.

It is the image's health check, and small because it starts every 10 s.
"""

import os
import socket
import time
from typing import Final

# For the whole answer. A process says whether it is ready within a shorter time, whatever it waits for itself; the
# image's HEALTHCHECK waits longer, for this program has to start (`tests/compose/test_deadlines.py`).
ANSWER_SECONDS: Final = 4.0


def ready(port: int) -> bool:
    """Whether `/readyz` answers 200 in time."""
    deadline = time.monotonic() + ANSWER_SECONDS
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


if __name__ == "__main__":
    raise SystemExit(0 if ready(int(os.environ["CHENGXIN_HTTP_LISTEN"].rpartition(":")[2])) else 1)
