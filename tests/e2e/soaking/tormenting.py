"""Kills and stops processes of a soaked city at drawn moments."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from typing import Final

import psutil

from tests.city import City
from tests.e2e.soaking.worker import Worker
from tests.support import freeze, serving, until


class Tormentor(Worker):
    """Kills or stops a process at drawn moments."""

    def __init__(self, seed: str, stop: threading.Event, city: City) -> None:
        super().__init__("tormentor", seed, stop)
        self.city = city
        self.did: Counter[str] = Counter()
        # What was done, and when.
        self.log: list[tuple[float, str]] = []

    pause = 10.0

    def act(self) -> None:
        """Kills or stops one process."""
        victim, how = self.chance.choice(TORMENTS)
        before = self.city.pids().get(victim, 0)
        if not before:
            return
        self.log.append((time.monotonic(), f"{how} {victim} {before}"))
        # The watch of the stores may have ended it.
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            worker = serving(before)
            if how == "kill":
                os.kill(self.chance.choice((before, worker)), signal.SIGKILL)
            else:
                freeze(worker)
                self._wait_for(how, victim, before, worker)
            self.did[f"{how} {victim}"] += 1

    def _wait_for(self, how: str, victim: str, before: int, worker: int) -> None:
        """Resumes it after a while, or leaves it to the suite, which restarts a store."""
        try:
            if how == "stop for good":
                until(lambda: self.city.pids().get(victim) not in (0, before, None), f"{victim} was started again", 120)
            else:
                self.stop.wait(self.chance.uniform(0.5, 12))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
        self.log.append((time.monotonic(), f"goes on: {victim}"))


TORMENTS: Final = (
    *(("disclosure", "kill"), ("disclosure", "stop"), ("disclosure", "stop")),
    *(("disclosure-store", "kill"), ("disclosure-store", "stop"), ("disclosure-store", "stop for good")),
    *(("ingest", "kill"), ("ingest-store", "kill"), ("ingest-store", "stop")),
)
