"""Whether the whole suite can serve: the gateway's own needs, and what each room says of itself."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import urllib3

from chengxin.errors import Problem
from chengxin.rpc import as_problem

# Asked by anybody as often as they like; the rooms are asked at most this often.
_FRESH_SECONDS: Final = 0.2


class Readiness:
    """Asks the rooms at `addresses` (name to host:port) for their `/readyz`, all at once."""

    def __init__(self, own: Callable[[], dict[str, bool]], addresses: Mapping[str, str]) -> None:
        self._own = own
        self._addresses = dict(addresses)
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1, read=4), maxsize=4)
        self._askers = ThreadPoolExecutor(len(self._addresses) or 1, thread_name_prefix="readiness")
        self._turn = threading.Lock()
        self._found: dict[str, dict[str, bool]] = {}
        self._at = float("-inf")

    def __call__(self) -> dict[str, dict[str, bool]]:
        """Per room: what it needs, and whether it has it. A room that does not answer is not `reachable`."""
        with self._turn:
            if time.monotonic() - self._at > _FRESH_SECONDS:
                asked = {name: self._askers.submit(self._ask, address) for name, address in self._addresses.items()}
                self._found = {"gateway": self._own()} | {name: answer.result() for name, answer in asked.items()}
                self._at = time.monotonic()
            return self._found

    def close(self) -> None:
        """Ends the askers."""
        self._askers.shutdown(wait=False, cancel_futures=True)

    def _ask(self, address: str) -> dict[str, bool]:
        try:
            answer = self._http.request("GET", f"http://{address}/readyz")
            said = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return {"reachable": False}
        if not isinstance(said, dict) or answer.status not in (200, 503):
            return {"reachable": True, "ready": False}
        return {"reachable": True} | {str(name): bool(value) for name, value in said.items()}


def works(probe: Callable[[], object]) -> bool:
    """Whether a probe succeeds."""
    try:
        probe()
    except Exception as e:
        if isinstance(e, Problem) or as_problem(e) is not None:
            return False
        raise
    return True
