"""Transactions that were cut off, and are ended later."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from pymongo.errors import PyMongoError
from pymongo.mongo_client import MongoClient

from chengxin.bounds import own
from chengxin.store.deadlines import PING_SECONDS, within
from chengxin.values.document import RawDocument

log = structlog.get_logger()

# A store ends a transaction that nobody goes on with after a minute; until then it holds what it has written.
_LEFT_SECONDS: Final = 90.0
_PAUSE_SECONDS: Final = 0.5

own(
    __name__,
    "Thread",
    resource="Threads that end transactions that were cut off",
    total=1,
    why="Started once",
)


class LeftTransactions:
    """Transactions that were cut off: ended at the store as soon as it answers.

    A deadline ends waiting, not the transaction: what it wrote stays locked until the store has had enough of it, the
    outbox counter with it, and with that every write of the service.
    """

    def __init__(self, client: MongoClient[RawDocument]) -> None:
        self._client = client
        self._sessions: dict[bytes, tuple[RawDocument, float]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def end(self, session: Mapping[str, Any]) -> None:
        """Ends the transaction of a session, in the background."""
        with self._changed:
            self._sessions[bytes(session["id"])] = dict(session), time.monotonic() + _LEFT_SECONDS
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="left-transactions", daemon=True)
                try:
                    thread.start()
                except RuntimeError as e:
                    # The system gives no thread now; the next transaction that is cut off tries again.
                    log.warning("no thread to end transactions", reason=str(e))
                else:
                    self._thread = thread

    def close(self) -> None:
        """Ends trying."""
        self._closed.set()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                self._sessions = {key: (s, until) for key, (s, until) in self._sessions.items() if until > now}
                sessions = dict(self._sessions)
                if not sessions or self._closed.is_set():
                    self._thread = None
                    return
            try:
                with within(PING_SECONDS):
                    self._client.admin.command("killSessions", [session for session, _ in sessions.values()])
            # Nor does it answer this: again.
            except PyMongoError as e:
                log.info("transactions not ended yet", count=len(sessions), reason=repr(e)[:200])
                self._closed.wait(_PAUSE_SECONDS)
                continue
            with self._changed:
                for key in sessions:
                    self._sessions.pop(key, None)
