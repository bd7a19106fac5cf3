"""How far a consumer of a feed is behind its source, in changes and in seconds (decision 23)."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from chengxin.store.database import FeedHead

log = structlog.get_logger()

_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Lag:
    """How far a consumer is behind: changes of its source that it has not applied, the age of the oldest of them, and for how
    long the source has not said. `changes` and `seconds` are None before it has said anything."""

    changes: int | None
    seconds: float | None
    unknown_seconds: float = 0.0

    def exceeds(self, limit: float) -> bool:
        """Whether it is behind by more than so many seconds, or could be."""
        return (self.seconds or 0.0) > limit or self.unknown_seconds > limit

    def to_dict(self) -> dict[str, Any]:
        """As `/readyz` tells it; `unknown_seconds` only while it is not known."""
        found: dict[str, Any] = {"changes": self.changes, "seconds": self.seconds and round(self.seconds, 1)}
        if self.unknown_seconds:
            found["unknown_seconds"] = round(self.unknown_seconds, 1)
        return found


class LagMeter:
    """Asks the source of a consumer now and then, in the background: the consumer may be stuck, or its stream away.

    `position()` is that of the consumer, None before it knows it; `head(position)` asks the source. What is told needs neither: between two answers,
    and while the source does not answer, the oldest change that is not applied grows older.
    """

    def __init__(
        self,
        name: str,
        position: Callable[[], int | None],
        head: Callable[[int], FeedHead],
        every: float = _EVERY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._position = position
        self._head = head
        self._every = every
        self._now = now
        self._answer: FeedHead | None = None
        # When the source last answered; before its first answer, when asking began.
        self._at = now()
        self._fails = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"lag-{name}", daemon=True)
        _CHANGES.labels(name).set_function(lambda: _figure(self.lag().changes))
        _SECONDS.labels(name).set_function(lambda: _figure(self.lag().seconds))
        _UNKNOWN.labels(name).set_function(lambda: self.lag().unknown_seconds)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; the last that was known stays."""
        self._stopped.set()

    def measure(self) -> None:
        """Asks once."""
        position = self._position()
        if position is None:
            return
        try:
            answer = self._head(position)
        # Whatever it is, the lag is not known for now, and that is told.
        except Exception as e:
            if not self._fails:
                log.info("lag not known", of=self._name, reason=repr(e)[:200])
            self._fails = True
            return
        self._answer, self._at, self._fails = answer, self._now(), False

    def lag(self) -> Lag:
        """As far as is known now."""
        answer, since = self._answer, self._now() - self._at
        unknown = since if self._fails or answer is None else 0.0
        position = self._position()
        if answer is None or position is None:
            return Lag(None, None, unknown)
        changes = max(0, answer.position - position)
        if not changes:
            return Lag(0, 0.0, unknown)
        # When it has gone on meanwhile, no more than that: the next answer tells.
        return Lag(changes, answer.oldest_seconds + since, unknown)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.measure()
            self._stopped.wait(self._every)


def _figure(value: float | None) -> float:
    return math.nan if value is None else value


_CHANGES = Gauge("chengxin_lag_changes", "Changes of the source that the consumer has not applied", ["consumer"])
_SECONDS = Gauge("chengxin_lag_seconds", "Age of the oldest change that the consumer has not applied", ["consumer"])
_UNKNOWN = Gauge("chengxin_lag_unknown_seconds", "For how long the source has not said how far it is", ["consumer"])
