"""The watch of the embedded stores: one that does not answer, or reports an internal error, is started again."""

import json
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
from chengxin_cli.suite.home import Home

# Between two questions, and how long an answer may take. A store that does not answer is noticed in twice both at most.
_EVERY_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 4.0
_CLOSING_SECONDS: Final = 0.5
_MISSED: Final = 2
# Since it was started a store may be reading its journal: it is not held against it that it does not answer.
_STARTING_SECONDS: Final = 30.0
# Before the next restart of the same store when the last one did not help; doubled each time.
_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 600.0
# A longer time between two rounds than it takes: the machine was suspended, or has stood still.
_STOOD_STILL_SECONDS: Final = 10.0


class StoreAnswer(Enum):
    """What a store says to the watch."""

    WORKS = "answers"
    # Nothing, though its process takes connections.
    SILENT = "does not answer"
    # That it can do nothing until it is started again.
    BROKEN = "reports an internal error"
    # Its process is not there; the supervisor starts it again.
    AWAY = "is not running"


class Asking(Protocol):
    """What asks stores."""

    def __call__(self, process: str) -> StoreAnswer: ...
    def close(self) -> None: ...


class StoreAsker:
    """Asks each store for a document, on a connection of its own."""

    def __init__(self, home: Home, seconds: float = _ANSWER_SECONDS) -> None:
        uris: dict[str, str] = json.loads((home.path / "keys" / "store-uris.json").read_text())
        patience = round(seconds * 1000)
        self._clients: dict[str, pymongo.MongoClient[dict[str, Any]]] = {
            name: pymongo.MongoClient(uri, timeoutMS=patience, connectTimeoutMS=patience, retryReads=False)
            for name, uri in uris.items()
        }

    @property
    def processes(self) -> list[str]:
        """Whose stores there are."""
        return list(self._clients)

    def __call__(self, process: str) -> StoreAnswer:
        """Whether the store of a process works."""
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
class _Known:
    missed: int = 0
    # Until when it may take its time, having been started.
    excused_until: float = 0.0
    restarts: int = 0
    next_restart: float = 0.0
    pid: int = 0


@dataclass
class StoreWatch:
    """Decides which stores are to be started again; `round` is called often and asks when it is time to.

    After two answers missed in a row a store is started again, and not held to an answer while it starts. When that did not
    help, the next restart waits, longer each time: a store that needs long to recover is not killed for ever. When the
    machine stood still between two rounds, nothing is held against anybody.
    """

    ask: Asking
    processes: list[str]
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _known: dict[str, _Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = {name: _Known() for name in self.processes}
        self._pool = ThreadPoolExecutor(max(1, len(self.processes)), thread_name_prefix="store-watch")
        self._next = self.now() + _EVERY_SECONDS
        self._seen_at = self.now(), self.wall()

    def round(self, pids: Callable[[], Mapping[str, int]]) -> dict[str, StoreAnswer]:
        """Whose stores are to be started again, and what they said; `pids` are those of the stores now, by process.

        Nothing when it is not yet time to ask again.
        """
        if self._stood_still():
            for known in self._known.values():
                known.missed = 0
            self._next = self.now() + _EVERY_SECONDS
            return {}
        if self.now() < self._next:
            return {}
        self._notice_starts(pids())
        answers = dict(zip(self.processes, self._pool.map(self.ask, self.processes), strict=True))
        self._next = self.now() + _EVERY_SECONDS
        self._seen_at = self.now(), self.wall()
        return {name: answer for name, answer in answers.items() if self._must_restart(self._known[name], answer)}

    def close(self) -> None:
        """Ends asking."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.ask.close()

    def _stood_still(self) -> bool:
        """Whether the machine was suspended since the last look: by either clock, for one of them may stand still too."""
        before, self._seen_at = self._seen_at, (self.now(), self.wall())
        return max(now - then for now, then in zip(self._seen_at, before, strict=True)) > _STOOD_STILL_SECONDS

    def _notice_starts(self, pids: Mapping[str, int]) -> None:
        for name, known in self._known.items():
            pid = pids.get(name, 0)
            if not pid or pid == known.pid:
                continue
            # The first ones have served the suite already: it was ready before it was watched.
            if known.pid:
                known.missed, known.excused_until = 0, self.now() + _STARTING_SECONDS
            known.pid = pid

    def _must_restart(self, known: _Known, answer: StoreAnswer) -> bool:
        if answer is StoreAnswer.WORKS:
            known.missed, known.excused_until = 0, 0.0
            if self.now() > known.next_restart:
                known.restarts = 0
            return False
        if answer is StoreAnswer.AWAY:
            known.missed = 0
            return False
        if answer is StoreAnswer.SILENT:
            if self.now() < known.excused_until:
                return False
            known.missed += 1
            if known.missed < _MISSED:
                return False
        if self.now() < known.next_restart:
            return False
        known.missed = 0
        known.next_restart = self.now() + min(_FIRST_PAUSE * 2**known.restarts, _LONGEST_PAUSE)
        known.restarts += 1
        return True
