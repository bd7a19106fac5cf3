"""Whether the whole suite can serve: the gateway's own needs, and what each service reports of itself and its lag."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import urllib3

from chengxin.bounds import own
from chengxin.concurrency.fixed_threads import fixed_threads
from chengxin.process import readiness

# Anyone may ask for the readiness at any rate; the services are asked at most once in this time.
_FRESH_SECONDS: Final = 0.2
# `/readyz` answers within this time whatever hangs: longer than a service's own deadline, and shorter than the four
# seconds for which health checks wait. A service that has not answered by then is not reachable.
ANSWER_SECONDS: Final = 3.2

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
        # What each service was asked last. While it has not answered, it is not asked again.
        self._asked: dict[str, Future[dict[str, Any]]] = {}
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
                deadline = began + ANSWER_SECONDS
                for name, address in self._addresses.items():
                    self._ask_unless_asked(name, address)
                found = {"gateway": {**self._own(), "lag": self._own.lag()}}
                self._found = found | {name: self._answer_of(name, deadline) for name in self._addresses}
                self._at = time.monotonic()
            return self._found

    def close(self) -> None:
        """Ends the threads that ask."""
        self._askers.shutdown(wait=False, cancel_futures=True)

    def _ask_unless_asked(self, name: str, address: str) -> None:
        if name in self._asked and not self._asked[name].done():
            return
        self._asked.pop(name, None)
        # The system may give no thread now.
        with suppress(RuntimeError):
            self._asked[name] = self._askers.submit(self._ask, address)

    def _answer_of(self, name: str, deadline: float) -> dict[str, Any]:
        asked = self._asked.get(name)
        if asked is None:
            return {"reachable": False}
        try:
            return asked.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            return {"reachable": False}

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
