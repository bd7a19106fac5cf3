"""What ends its disclosure becomes an archived record (Art. 18): kept, seen by its subject only, and on record."""

import threading
from typing import Final

import structlog

from chengxin.errors import ROLE_NOT_ALLOWED, Problem
from chengxin.mongo import Unit
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.disclosure.announcing import Announcement
from services.disclosure.rewriting import Rewriting
from services.disclosure.room import OWN, Disclosure

log = structlog.get_logger()

_AT_ONCE: Final = 100


def only_itself(room: Disclosure, caller: Principal, *_: object, **__: object) -> Problem | None:
    """Only disclosure, for what it does on its own."""
    return None if caller.sub == OWN.sub else ROLE_NOT_ALLOWED(roles=caller.sub, required=OWN.sub)


@rule("record.archived", roles={Role.SERVICE}, articles=("18",), when=(only_itself,))
def archive(room: Disclosure, caller: Principal) -> int:
    """Archives some records whose disclosure period is over; how many. Queries do not wait for it: they look at the
    day."""
    today = room.clock.today().isoformat()
    due = room.store.due(today, _AT_ONCE)
    if not due:
        return 0

    def work(unit: Unit) -> int:
        change = Rewriting(room.store, room.keys, unit, today)
        change.load(due)
        done = [record_id for record_id in due if change.archive(record_id)]
        if done:
            announced = Announcement(unit, today)
            for record_id in done:
                announced.end(change, record_id)
            change.save()
            announced.publish()
            refs = sorted({change.locations[record_id].ref for record_id in done})
            unit.record(
                room.audit.event(
                    "record.archived", caller, subject_refs=refs, records=done, details={"on": today}
                ).encode()
            )
        return len(done)

    return room.store.transact(work)


class Archiver:
    """Archives what is due, every so often."""

    def __init__(self, room: Disclosure, seconds: float = 60) -> None:
        self._room = room
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archiver", daemon=True)

    def start(self) -> None:
        """Begins in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after what is in hand."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                while not self._stopped.is_set() and archive(self._room, OWN):
                    pass
            # What is late is not disclosed anyway; the next round archives it.
            except Exception as e:
                log.warning("archiving failed", reason=repr(e))
