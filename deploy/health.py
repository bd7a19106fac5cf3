"""Exits 0 when the process of this container is ready.

It is the image's health check, and small because it starts every 10 s.
"""

import os
import socket


def ready(port: int) -> bool:
    """Whether `/readyz` answers 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), 4) as connection:
            connection.settimeout(4)
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


if __name__ == "__main__":
    raise SystemExit(0 if ready(int(os.environ["CHENGXIN_HTTP_LISTEN"].rpartition(":")[2])) else 1)
