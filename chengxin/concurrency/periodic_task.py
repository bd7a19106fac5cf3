"""Background work that is done again and again until the process ends."""

import threading
import time
from collections.abc import Callable

import structlog

from chengxin.bounds import own
from chengxin.failures import reason_of

log = structlog.get_logger()

own(
    __name__,
    "Thread",
    resource="Threads of a periodic task",
    total=1,
    why="One for each task",
)


class PeriodicTask:
    """Runs a function in a thread of its own: at once, and again after each pause, until it is stopped.

    A round that fails is reported and the next one is tried after the same pause: a store or a service that is away now
    is there later. A long round looks at `stopping` between its pieces. `wake` begins the next round at once.
    """

    def __init__(self, name: str, round_: Callable[[], object], seconds: float, *, first_after: float = 0.0) -> None:
        """Sets the name (of the thread, and in the log), one round of the work, and the pause in seconds.

        The first round begins `first_after` seconds after `start`.
        """
        self.name = name
        self._round = round_
        self._seconds = seconds
        self._first_after = first_after
        self._stopped = threading.Event()
        self._due = threading.Event()
        # Why the last round failed; empty when it did not.
        self._failure: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the current round; `ended` waits for that. A process stops many tasks within one deadline."""
        self._stopped.set()
        self._due.set()

    def ended(self, seconds: float) -> bool:
        """Waits at most `seconds` for the current round. Returns whether the task has ended, or never began."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def wake(self) -> None:
        """Makes the next round begin now, or right after the current one."""
        self._due.set()

    @property
    def stopping(self) -> bool:
        """Whether a round should end soon."""
        return self._stopped.is_set()

    def _run(self) -> None:
        pause = self._first_after
        while not self._stopped.is_set():
            if pause > 0:
                self._due.wait(pause)
            self._due.clear()
            if self._stopped.is_set():
                return
            began = time.monotonic()
            try:
                self._round()
            # No error may end the task, because nothing would begin it again.
            except Exception as e:
                reason = reason_of(e)
                # The same failure again and again would only fill the log.
                (log.debug if reason == self._failure else log.warning)(
                    "background work failed", task=self.name, after_seconds=time.monotonic() - began, **reason
                )
                self._failure = reason
            else:
                if self._failure:
                    log.info("background work goes on", task=self.name)
                self._failure = {}
            pause = self._seconds
