"""The embedded store of one service: `python -m chengxin_cli.suite.store_process --port PORT --directory DIRECTORY`.

`secantusd-py` would do, but two of its threads hold on to a snapshot of what they read last: the main thread, which
opens the data, for ever, and the thread that prunes expired documents, for a minute at a time. The engine keeps every
version of every document that is written after such a snapshot: a store grew to five to twelve times its data, its
writes became slower the longer it ran, and once such versions filled the cache it stood still (decision 19).
"""

import argparse
import logging
import threading
from pathlib import Path
from typing import Any, Final

from chengxin.process import stop_signals

_DEFAULT_CACHE: Final = "256M"


class StoreServer:
    """A store on 127.0.0.1, durable on every commit, of which no idle thread holds on to an outdated snapshot.

    It keeps no operations log, which a replica set has: no process reads it, and every document would be written twice.
    """

    def __init__(self, port: int, directory: Path, cache: str, authenticates: bool) -> None:
        # Not at the top: what it imports starts a thread, and signals are blocked before (`stop_signals.on_stop`).
        from secantus.server import SecantusDBServer

        self._server: Any = SecantusDBServer(
            "127.0.0.1",
            port,
            str(directory),
            replica_set_name=None,
            require_auth=authenticates,
            enable_test_commands=False,
            cache_size=cache,
            sync_on_commit=True,
        )
        storage = self._server.storage
        prune = storage.prune_ttl_all_collections

        def prune_and_release() -> Any:
            try:
                return prune()
            finally:
                storage.release_thread_snapshot()

        storage.prune_ttl_all_collections = prune_and_release

    def serve(self, stop: threading.Event) -> None:
        """Serves until `stop` is set."""
        self._server.start()
        self._server.storage.release_thread_snapshot()
        stop.wait()
        self._server.stop()


def main() -> None:
    """Runs a store until a signal stops it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--cache", default=_DEFAULT_CACHE, help="bytes of memory, such as 256M")
    parser.add_argument("--auth", action="store_true", help="only accounts may connect")
    options = parser.parse_args()
    # Before the store is opened, so that it is closed in good order also when it is stopped meanwhile.
    stop = threading.Event()
    stop_signals.on_stop(stop.set)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    StoreServer(options.port, options.directory, options.cache, options.auth).serve(stop)


if __name__ == "__main__":
    main()
