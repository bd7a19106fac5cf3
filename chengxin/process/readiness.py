"""What a service reports at `/readyz`: whether it has what it needs, and how far it is behind what it follows."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import urllib3

from chengxin.bounds import own
from chengxin.errors import NOT_FOUND
from chengxin.feeds.lag import Lag
from chengxin.feeds.quarantine import QUARANTINE
from chengxin.store.database import FeedHead

# `/readyz` answers within this time even when a probe hangs, because health checks wait four seconds.
_ANSWER_SECONDS: Final = 2.5
# Where a service reports how far its streams are, and its name of the stream with all its changes.
HEAD_ADDRESS: Final = "/feedz"
# The need that no audit event is set aside: until it is delivered, something that was done is not on record (Art. 31).
ON_RECORD: Final = "on_record"
ALL_CHANGES: Final = "changes"

own(
    __name__,
    "PoolManager",
    resource="Pools of connections that ask for the head of a feed",
    total=1,
    why="One for each feed that the service follows",
)
own(
    __name__,
    "Thread",
    resource="Threads that probe what a service needs",
    total=1,
    why="One for each need; none starts while the one before it hangs",
)


class Consumer(Protocol):
    """A follower or a relay."""

    @property
    def name(self) -> str: ...
    def lag(self) -> Lag: ...


class FollowedFeed(Consumer, Protocol):
    """The follower of a feed, and whether it is connected."""

    @property
    def connected(self) -> bool: ...


class Readiness:
    """Asks whether a service has what it needs, and how far it is behind.

    All `needs` are asked at the same time, within one deadline; a need that has not answered by then counts as missing.

    A service that is behind stays ready: it serves what it has, and to take it out of work would help no client. It
    reports the lag, and whether the lag is within the limit.
    """

    def __init__(
        self,
        needs: Mapping[str, Callable[[], object]],
        consumers: Sequence[Consumer] = (),
        limit: float = 60.0,
        heads: Mapping[str, Callable[[int], FeedHead]] | None = None,
        remarks: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """`limit` is in seconds; `heads` answer the followers of this service, by the name of the stream; `remarks` say
        in words what is wrong, by topic, and ask nobody."""
        self.remarks = remarks
        self._needs = {name: _Need(name, probe) for name, probe in needs.items()}
        self._consumers = consumers
        self._limit = limit
        self._heads = dict(heads or {})

    def __call__(self) -> dict[str, bool]:
        """Whether the service has each thing that it needs, by name."""
        answers = {name: need.ask() for name, need in self._needs.items()}
        # All share one deadline: of two that hang, the second gets no further time after the first.
        deadline = time.monotonic() + _ANSWER_SECONDS
        return {name: answer(deadline) for name, answer in answers.items()}

    def lag(self) -> dict[str, Any]:
        """Each consumer's lag, the limit, and whether all are within it; empty when the service follows nothing."""
        if not self._consumers:
            return {}
        lags = {consumer.name: consumer.lag() for consumer in self._consumers}
        within_limit = not any(lag.exceeds(self._limit) for lag in lags.values())
        return {
            "within_limit": within_limit,
            "limit_seconds": self._limit,
            "consumers": {name: lag.to_dict() for name, lag in lags.items()},
        }

    def head(self, stream: str, after: int) -> FeedHead:
        """How far a stream of this service is, seen from a position. Raises NOT_FOUND, FEED_POSITION_UNKNOWN."""
        if stream not in self._heads:
            raise NOT_FOUND(what=stream)
        return self._heads[stream](after)


def head_of(address: str, stream: str) -> Callable[[int], FeedHead]:
    """A function that asks the service at host:port how far one of its streams is. It raises LookupError."""
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
    """Whether a service has all that it needs.

    A lag, and rows that are set aside, are reported and leave the service ready: clients still get all that they do not
    concern. An audit event that is set aside (`ON_RECORD`) does not.
    """
    return all(has for name, has in state.items() if name not in ("lag", QUARANTINE))


class _Need:
    """One thing that the service needs. While its probe hangs, no other probe starts."""

    def __init__(self, name: str, probe: Callable[[], object]) -> None:
        self._name = name
        self._probe = probe
        self._lock = threading.Lock()
        self._running: _Answer | None = None

    def ask(self) -> Callable[[float], bool]:
        """Starts the probe; returns the function that waits for its answer until a deadline of the monotonic clock."""
        with self._lock:
            answer = self._running
            if answer is None or answer.done.is_set():
                answer = _Answer()
                thread = threading.Thread(
                    target=answer.run, args=(self._probe,), name=f"ready-{self._name}", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    # The system gives no thread now: what cannot be asked counts as missing, and is asked again.
                    return lambda _deadline: False
                self._running = answer
        return answer.wait


class _Answer:
    def __init__(self) -> None:
        self.done = threading.Event()
        self._works = False

    def run(self, probe: Callable[[], object]) -> None:
        try:
            result = probe()
            self._works = result is not False
        # A probe answers yes or no; the code that needs the thing logs why it fails.
        except Exception:
            self._works = False
        self.done.set()

    def wait(self, deadline: float) -> bool:
        return self.done.wait(max(0.0, deadline - time.monotonic())) and self._works
