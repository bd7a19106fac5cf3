"""What a service tells of itself at `/readyz`: what it needs, and how far what it follows is ahead of it."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import urllib3

from chengxin.errors import NOT_FOUND
from chengxin.feeds.lag import Lag
from chengxin.feeds.quarantine import QUARANTINE
from chengxin.store.database import FeedHead

# `/readyz` answers within this, whatever hangs: health checks wait four seconds.
_ANSWER_SECONDS: Final = 2.5
# Where a service tells how far its streams are, and what it calls the one with all its changes.
HEAD_ADDRESS: Final = "/feedz"
ALL_CHANGES: Final = "changes"


class Consumer(Protocol):
    """A follower or a relay."""

    @property
    def name(self) -> str: ...
    def lag(self) -> Lag: ...


class FollowedFeed(Consumer, Protocol):
    """A feed that is followed."""

    @property
    def connected(self) -> bool: ...


class Readiness:
    """`needs` are asked at the same time, each within a deadline; one that has not answered by then is not there.

    Being behind makes no service unready: what it has it serves, and taking it away would help nobody. It is told, with
    whether the bound is kept.
    """

    def __init__(
        self,
        needs: Mapping[str, Callable[[], object]],
        consumers: Sequence[Consumer] = (),
        limit: float = 60.0,
        heads: Mapping[str, Callable[[int], FeedHead]] | None = None,
    ) -> None:
        """`heads` answer those who follow this service, by the name of the stream."""
        self._needs = {name: _Need(name, probe) for name, probe in needs.items()}
        self._consumers = consumers
        self._limit = limit
        self._heads = dict(heads or {})

    def __call__(self) -> dict[str, bool]:
        """What the service needs, and whether it has it."""
        asked = {name: need.ask() for name, need in self._needs.items()}
        # One deadline for all: of two that hang, the second is not waited for after the first.
        deadline = time.monotonic() + _ANSWER_SECONDS
        return {name: answer(deadline) for name, answer in asked.items()}

    def lag(self) -> dict[str, Any]:
        """Each consumer's lag, the bound, and whether all keep it; empty where nothing is followed."""
        if not self._consumers:
            return {}
        found = {consumer.name: consumer.lag() for consumer in self._consumers}
        kept = not any(lag.exceeds(self._limit) for lag in found.values())
        return {
            "within_limit": kept,
            "limit_seconds": self._limit,
            "consumers": {name: lag.to_dict() for name, lag in found.items()},
        }

    def head(self, stream: str, after: int) -> FeedHead:
        """How far a stream of this service is, seen from a position. Raises NOT_FOUND, FEED_POSITION_UNKNOWN."""
        if stream not in self._heads:
            raise NOT_FOUND(what=stream)
        return self._heads[stream](after)


def head_of(address: str, stream: str) -> Callable[[int], FeedHead]:
    """Asks the service at host:port how far a stream of it is."""
    http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=1, read=5))

    def ask(position: int) -> FeedHead:
        answer = http.request(
            "GET", f"http://{address}{HEAD_ADDRESS}", fields={"stream": stream, "after": str(position)}
        )
        if answer.status != 200:
            raise LookupError(f"{address} answers {answer.status}")
        return FeedHead(**answer.json())

    return ask


def is_ready(state: Mapping[str, Any]) -> bool:
    """Whether a service has all that it needs. How far it is behind, and that it has set something aside, is told, and
    makes it no less ready: it keeps nobody from what is not concerned."""
    return all(has for name, has in state.items() if name not in ("lag", QUARANTINE))


class _Need:
    """One thing that is needed. While its probe hangs, nobody starts another one."""

    def __init__(self, name: str, probe: Callable[[], object]) -> None:
        self._name = name
        self._probe = probe
        self._lock = threading.Lock()
        self._going: _Answer | None = None

    def ask(self) -> Callable[[float], bool]:
        """Begins to ask; the answer, by a deadline of the monotonic clock."""
        with self._lock:
            going = self._going
            if going is None or going.done.is_set():
                going = self._going = _Answer()
                threading.Thread(
                    target=going.find, args=(self._probe,), name=f"ready-{self._name}", daemon=True
                ).start()
        return going.wait


class _Answer:
    def __init__(self) -> None:
        self.done = threading.Event()
        self._works = False

    def find(self, probe: Callable[[], object]) -> None:
        try:
            found = probe()
            self._works = found is not False
        # A probe answers yes or no; why not is in the log of whoever needed it.
        except Exception:
            self._works = False
        self.done.set()

    def wait(self, deadline: float) -> bool:
        return self.done.wait(max(0.0, deadline - time.monotonic())) and self._works
