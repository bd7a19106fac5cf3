"""Watches the embedded stores: a store that does not answer, or reports an internal error, is started again."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

import pymongo
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError

from chengxin.store.database import STORE_BROKEN
from chengxin.store.deadlines import within
from chengxin_cli.input_files import read_json
from chengxin_cli.suite.home import Home

# The time between two requests, and how long an answer may take. A store that does not answer is noticed within twice
# their sum.
_EVERY_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 4.0
_CLOSING_SECONDS: Final = 0.5
_MISSED_ANSWERS: Final = 2
# For so long after its start a store may still read its journal: a missed answer does not count then.
_STARTING_SECONDS: Final = 30.0
# The pause before the next restart of the same store when the last one did not help; it doubles each time.
_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 600.0
# When more time passes between two rounds, the machine was suspended or has stood still.
_STOOD_STILL_SECONDS: Final = 10.0


class StoreAnswer(Enum):
    """How a store answers the watch."""

    WORKS = "answers"
    # It does not answer, though its process takes connections.
    SILENT = "does not answer"
    # It reports that it can do nothing until it is started again.
    BROKEN = "reports an internal error"
    # Its process does not run; the supervisor starts it again.
    AWAY = "is not running"


class StoreProbe(Protocol):
    """Asks the store of a process whether it works."""

    def __call__(self, process: str) -> StoreAnswer: ...
    def close(self) -> None: ...


class StoreProber:
    """Asks each store for a document, on a connection of its own."""

    def __init__(self, home: Home, seconds: float = _ANSWER_SECONDS) -> None:
        uris = read_json(home.path / "keys" / "store-uris.json", dict[str, str])
        patience = round(seconds * 1000)
        self._clients: dict[str, pymongo.MongoClient[dict[str, Any]]] = {
            name: pymongo.MongoClient(uri, timeoutMS=patience, connectTimeoutMS=patience, retryReads=False)
            for name, uri in uris.items()
        }

    @property
    def processes(self) -> list[str]:
        """The processes that have a store."""
        return list(self._clients)

    def __call__(self, process: str) -> StoreAnswer:
        """Asks the store of a process whether it works."""
        try:
            self._clients[process][process]["counters"].find_one({"_id": "outbox"})
        except OperationFailure as e:
            if isinstance(e, ExecutionTimeout):
                return StoreAnswer.SILENT
            return StoreAnswer.BROKEN if e.code == STORE_BROKEN else StoreAnswer.WORKS
        except ConnectionFailure as e:
            return StoreAnswer.AWAY if "refused" in str(e) else StoreAnswer.SILENT
        except PyMongoError:
            return StoreAnswer.SILENT
        return StoreAnswer.WORKS

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.values():
            with within(_CLOSING_SECONDS):
                client.close()


@dataclass
class _StoreState:
    missed: int = 0
    # Until then missed answers do not count, because it has just started.
    excused_until: float = 0.0
    restarts: int = 0
    next_restart: float = 0.0
    pid: int = 0


@dataclass
class StoreWatch:
    """Decides which stores are to be started again. The caller calls `round` often; it asks when it is time to.

    After two missed answers in a row a store is started again; while it starts, missed answers do not count. When that
    did not help, the next restart waits, longer each time: a store that recovers slowly is not killed again and again.
    When the machine stood still between two rounds, the answers missed until then do not count.
    """

    ask: StoreProbe
    processes: list[str]
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _states: dict[str, _StoreState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._states = {name: _StoreState() for name in self.processes}
        self._pool = ThreadPoolExecutor(max(1, len(self.processes)), thread_name_prefix="store-watch")
        self._next = self.now() + _EVERY_SECONDS
        self._seen_at = self.now(), self.wall()

    def round(self, pids: Callable[[], Mapping[str, int]]) -> dict[str, StoreAnswer]:
        """The processes whose stores are to be started again, with how these answered; `pids` gives the stores' pids.

        Empty when it is not yet time to ask again.
        """
        if self._stood_still():
            for state in self._states.values():
                state.missed = 0
            self._next = self.now() + _EVERY_SECONDS
            return {}
        if self.now() < self._next:
            return {}
        self._notice_starts(pids())
        answers = dict(zip(self.processes, self._pool.map(self.ask, self.processes), strict=True))
        self._next = self.now() + _EVERY_SECONDS
        self._seen_at = self.now(), self.wall()
        return {name: answer for name, answer in answers.items() if self._must_restart(self._states[name], answer)}

    def close(self) -> None:
        """Stops asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.ask.close()

    def _stood_still(self) -> bool:
        """Whether the machine was suspended since the last round, by either clock: one of them may stand still, too."""
        before, self._seen_at = self._seen_at, (self.now(), self.wall())
        return max(now - then for now, then in zip(self._seen_at, before, strict=True)) > _STOOD_STILL_SECONDS

    def _notice_starts(self, pids: Mapping[str, int]) -> None:
        for name, state in self._states.items():
            pid = pids.get(name, 0)
            if not pid or pid == state.pid:
                continue
            # The first processes have served the suite already: it was ready before the watch began.
            if state.pid:
                state.missed, state.excused_until = 0, self.now() + _STARTING_SECONDS
            state.pid = pid

    def _must_restart(self, state: _StoreState, answer: StoreAnswer) -> bool:
        if answer is StoreAnswer.WORKS:
            state.missed, state.excused_until = 0, 0.0
            if self.now() > state.next_restart:
                state.restarts = 0
            return False
        if answer is StoreAnswer.AWAY:
            state.missed = 0
            return False
        if answer is StoreAnswer.SILENT:
            if self.now() < state.excused_until:
                return False
            state.missed += 1
            if state.missed < _MISSED_ANSWERS:
                return False
        if self.now() < state.next_restart:
            return False
        state.missed = 0
        state.next_restart = self.now() + min(_FIRST_PAUSE * 2**state.restarts, _LONGEST_PAUSE)
        state.restarts += 1
        return True
