"""The job `demo`: loads the demonstration records through the gateway, once, if `CHENGXIN_DEMO` is `true`."""

import json
import os
import subprocess
import sys

from chengxin_cli.suite.home import Home, write_private


def main() -> None:
    """Runs outside of the services' network, like every client."""
    if os.environ.get("CHENGXIN_DEMO") != "true":
        print("no demonstration world (CHENGXIN_DEMO is not true)")
        return
    home = Home.default()
    # For `chengxin tour` in this container.
    suite = {"http": "http://gateway:8080", "grpc": "gateway:9090", "demo": True}
    write_private(home.suite, json.dumps(suite).encode())
    if not (home.path / "demo" / "loaded").exists():
        subprocess.run([sys.executable, "-m", "demo", "load", str(home.path)], check=True)


if __name__ == "__main__":
    main()
