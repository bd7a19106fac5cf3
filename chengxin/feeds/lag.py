"""How far a consumer of a feed is behind its source, in changes and in seconds (decision 23)."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from chengxin.concurrency.periodic_task import PeriodicTask
from chengxin.store.database import FeedHead

log = structlog.get_logger()

# The pause between two questions to a source.
MEASURED_EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Lag:
    """How far a consumer is behind its source.

    `changes` counts the changes that the consumer has not applied; `seconds` is the age of the oldest of them. Both are
    None before the source has answered. `unknown_seconds` is how long the source has not answered.
    """

    changes: int | None
    seconds: float | None
    unknown_seconds: float = 0.0

    def exceeds(self, limit: float) -> bool:
        """Whether the consumer is more than `limit` seconds behind, or may be."""
        return (self.seconds or 0.0) > limit or self.unknown_seconds > limit

    def to_dict(self) -> dict[str, Any]:
        """The lag as `/readyz` shows it, with `unknown_seconds` only while the source does not answer."""
        shown: dict[str, Any] = {"changes": self.changes, "seconds": self.seconds and round(self.seconds, 1)}
        if self.unknown_seconds:
            shown["unknown_seconds"] = round(self.unknown_seconds, 1)
        return shown


class LagMeter:
    """Asks a consumer's source for its head at intervals, in the background: the consumer may hang or lose its stream.

    `position()` returns the consumer's position, None before the consumer knows it; `head(position)` asks the source.
    `lag` does not wait for an answer: between two answers, and while the source does not answer, the oldest change that
    is not applied grows older.
    """

    def __init__(
        self,
        name: str,
        position: Callable[[], int | None],
        head: Callable[[int], FeedHead],
        every: float = MEASURED_EVERY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._position = position
        self._head = head
        self._now = now
        self._answer: FeedHead | None = None
        # When the source last answered; before its first answer, when this meter was made.
        self._answered_at = now()
        self._is_failing = False
        self._task = PeriodicTask(f"lag-{name}", self.measure, every)
        _CHANGES.labels(name).set_function(lambda: _gauge_value(self.lag().changes))
        _SECONDS.labels(name).set_function(lambda: _gauge_value(self.lag().seconds))
        _UNKNOWN.labels(name).set_function(lambda: self.lag().unknown_seconds)

    def start(self) -> None:
        """Starts to measure in the background."""
        self._task.start()

    def stop(self) -> None:
        """Stops measuring, and does not wait for a source that hangs; the last answer stays."""
        self._task.stop()

    def measure(self) -> None:
        """Asks the source once."""
        position = self._position()
        if position is None:
            return
        try:
            answer = self._head(position)
        # After any error the lag is not known, which `lag` tells. The log reports the first error in a row.
        except Exception as e:
            if not self._is_failing:
                log.info("lag not known", of=self._name, reason=repr(e)[:200])
            self._is_failing = True
            return
        self._answer, self._answered_at, self._is_failing = answer, self._now(), False

    def lag(self) -> Lag:
        """The lag as far as it is known now."""
        answer, since = self._answer, self._now() - self._answered_at
        unknown = since if self._is_failing or answer is None else 0.0
        position = self._position()
        if answer is None or position is None:
            return Lag(None, None, unknown)
        changes = max(0, answer.position - position)
        if not changes:
            return Lag(0, 0.0, unknown)
        # This is an upper bound if the consumer went on meanwhile; the next answer corrects it.
        return Lag(changes, answer.oldest_seconds + since, unknown)


def _gauge_value(value: float | None) -> float:
    return math.nan if value is None else value


_CHANGES = Gauge("chengxin_lag_changes", "Changes of the source that the consumer has not applied", ["consumer"])
_SECONDS = Gauge("chengxin_lag_seconds", "Age of the oldest change that the consumer has not applied", ["consumer"])
_UNKNOWN = Gauge("chengxin_lag_unknown_seconds", "For how long the source has not said how far it is", ["consumer"])
