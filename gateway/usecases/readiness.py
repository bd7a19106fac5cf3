"""Whether the whole suite can serve: the gateway's own needs, and what each service reports of itself and its lag."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import urllib3

from chengxin.bounds import own
from chengxin.concurrency.fixed_threads import fixed_threads
from chengxin.process import readiness

# Anyone may ask for the readiness at any rate; the services are asked at most once in this time.
_FRESH_SECONDS: Final = 0.2

_ASKERS: Final = own(
    __name__,
    "PoolManager",
    "fixed_threads",
    resource="Threads and connections that ask the services for their readiness",
    total=5,
    why="One for each service; a caller takes the answer to the one before it",
)


class SuiteReadiness:
    """Asks the services at `addresses` (name to host:port) for their `/readyz`, all at once."""

    def __init__(self, own: readiness.Readiness, addresses: Mapping[str, str]) -> None:
        self._own = own
        self._addresses = dict(addresses)
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1, read=3), maxsize=4)
        self._askers = fixed_threads(_ASKERS, "readiness")
        self._turn = threading.Lock()
        self._found: dict[str, dict[str, Any]] = {}
        self._at = float("-inf")

    def __call__(self) -> dict[str, dict[str, Any]]:
        """Returns the needs of each service, whether they are met, and its `lag`.

        A service that does not answer is not `reachable`.
        """
        began = time.monotonic()
        with self._turn:
            # A caller that waited while another one asked takes the answer to that.
            if self._at < began - _FRESH_SECONDS:
                asked = {name: self._askers.submit(self._ask, address) for name, address in self._addresses.items()}
                own = {**self._own(), "lag": self._own.lag()}
                self._found = {"gateway": own} | {name: answer.result() for name, answer in asked.items()}
                self._at = time.monotonic()
            return self._found

    def close(self) -> None:
        """Ends the threads that ask."""
        self._askers.shutdown(wait=False, cancel_futures=True)

    def _ask(self, address: str) -> dict[str, Any]:
        try:
            answer = self._http.request("GET", f"http://{address}/readyz")
            said = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return {"reachable": False}
        if not isinstance(said, dict) or answer.status not in (200, 503):
            return {"reachable": True, "ready": False}
        told = {name: said.pop(name) for name in _TOLD_AS_IS if name in said}
        return {"reachable": True} | {str(name): bool(value) for name, value in said.items()} | told


# What a service says beside whether it has what it needs: how far it is behind, and which rows of the log were altered.
_TOLD_AS_IS: Final = ("lag", "altered")
