"""What is known of the state of the log's store: the integrator and the inspector write it, all others read it."""

import threading
from collections.abc import Iterable
from typing import Any

from prometheus_client import Gauge

from services.audit.domain.alterations import DERIVED, ORIGINAL, Alteration, LogAltered

# Alterations that are listed; whoever altered more than that has altered everything.
_LISTED = 100


class LogCondition:
    """The alterations that were found, whether derivation stands still because of one, and whether a repair is due."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocking: Alteration | None = None
        self._found: dict[Alteration, None] = {}
        self._inspections = 0
        self._repair_due = False

    @property
    def alterations(self) -> list[Alteration]:
        """What is altered, as far as it is known; at most a hundred."""
        with self._lock:
            blocking = {self._blocking: None} if self._blocking and not self._found else {}
            return [*blocking, *self._found]

    @property
    def sound(self) -> bool:
        """Whether the store agrees with what was appended and signed, as far as is known."""
        return not self.alterations

    @property
    def originals_sound(self) -> bool:
        """Whether everything that cannot be made again was whole in a whole inspection, and nothing was found since."""
        return self._inspections > 0 and all(a.derived for a in self.alterations)

    @property
    def repair_due(self) -> bool:
        """Whether an officer wants everything derived that differs to be made again."""
        return self._repair_due

    @property
    def inspected(self) -> bool:
        """Whether the whole store was inspected since this process began."""
        return self._inspections > 0

    def must_be_searchable(self) -> None:
        """Raises `LogAltered` when a search could miss events."""
        with self._lock:
            altered = self._blocking or next((a for a in self._found if a.hides_events), None)
        if altered:
            raise LogAltered(altered)

    def block(self, alteration: Alteration | None) -> None:
        """Derivation stands still because of this alteration, or goes on."""
        with self._lock:
            self._blocking = alteration

    def add(self, alteration: Alteration) -> None:
        """An inspection under way found this."""
        with self._lock:
            if len(self._found) < _LISTED:
                self._found.setdefault(alteration)
        self._measure()

    def complete(self, found: Iterable[Alteration]) -> None:
        """An inspection of the whole store found this, and nothing else."""
        with self._lock:
            self._found = dict.fromkeys([*found][:_LISTED])
            self._inspections += 1
            self._repair_due = self._repair_due and bool(self._found) and all(a.derived for a in self._found)
        _INSPECTIONS.set(self._inspections)
        self._measure()

    def ask_repair(self) -> None:
        """The next inspections make again what is derived and differs, until they find nothing."""
        with self._lock:
            self._repair_due = bool(self._found or self._blocking)

    def to_dict(self) -> dict[str, Any]:
        """For answers."""
        alterations = self.alterations
        return {
            "sound": not alterations,
            "inspections": self._inspections,
            "repair_due": self._repair_due,
            "alterations": [a.to_dict() for a in alterations],
        }

    def _measure(self) -> None:
        found = [a.collection for a in self.alterations]
        for collection in DERIVED | ORIGINAL:
            _ALTERATIONS.labels(collection).set(found.count(collection))


_ALTERATIONS = Gauge("chengxin_audit_alterations", "Rows of the log's store that are not as written", ["collection"])
_INSPECTIONS = Gauge("chengxin_audit_inspections", "Inspections of the whole store since the process began")
