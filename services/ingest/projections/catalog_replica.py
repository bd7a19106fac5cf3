"""The catalog as ingest keeps it, by the catalog's feed: entry versions with their validators, and the calendar."""

import threading
from datetime import date
from typing import Any, Final

from cachetools import LRUCache
from google.protobuf.json_format import MessageToDict

from chengxin.store.database import UnitOfWork
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.ingest.domain.catalog_entry import DeliveryEntry, entry_to_dict, read_entry
from services.ingest.domain.quality import RULE_SET
from services.ingest.domain.submission import DELIVERY_ENTRY_NOT_IN_FORCE, DELIVERY_ENTRY_UNKNOWN
from services.ingest.domain.validator import Validator
from services.ingest.store.submissions import IngestStore

_VALIDATORS: Final = 256


class CatalogReplica:
    """Entries, validators and working days."""

    def __init__(self, store: IngestStore) -> None:
        self._store = store
        self._validators: LRUCache[tuple[str, int], Validator] = LRUCache(_VALIDATORS)
        self._lock = threading.Lock()

    def apply(self, unit: UnitOfWork, change: Any) -> None:
        """Keeps one change of the catalog (`chengxin.catalog.v1.Change`)."""
        match change.WhichOneof("change"):
            case "entry":
                entry = read_entry(MessageToDict(change.entry, preserving_proto_field_name=True))
                _must_be_usable(entry)
                self._store.put_entry(entry_to_dict(entry), unit.session)
            case "rule_set" if change.rule_set.name == RULE_SET:
                rules = change.rule_set
                self._store.quality.put_rules(rules.version, rules.effective_from, dict(rules.values), unit.session)
            case "calendar_year":
                year = change.calendar_year
                days = {
                    "announced": year.announced,
                    "days_off": list(year.days_off),
                    "days_worked": list(year.days_worked),
                }
                # What is no date is told now, not to whoever reads the calendar.
                CalendarYear.of(year.year, year.announced, year.days_off, year.days_worked)
                self._store.put_calendar_year(year.year, days, unit.session)

    def in_force(self, code: str, today: str) -> DeliveryEntry | None:
        """The version of an entry in force on a Shanghai date."""
        return next((e for e in self.versions(code) if e.in_force(today)), None)

    def heads(self) -> list[DeliveryEntry]:
        """Every version of every entry by code and version, without its items."""
        return sorted(map(read_entry, self._store.entry_heads()), key=lambda e: (e.code, e.version))

    def to_deliver(self, code: str, version: int, today: str) -> DeliveryEntry:
        """The version to deliver to: the one in force today, which is also the only one that may be named.

        Raises DELIVERY_ENTRY_UNKNOWN, DELIVERY_ENTRY_NOT_IN_FORCE.
        """
        versions = self.versions(code)
        if not versions:
            raise DELIVERY_ENTRY_UNKNOWN(entry=code)
        current = next((e for e in versions if e.in_force(today)), None)
        if current is None or version not in (0, current.version):
            named = version or versions[0].version
            raise DELIVERY_ENTRY_NOT_IN_FORCE(entry=code, version=named, current=current.version if current else "-")
        return current

    def version(self, code: str, version: int) -> DeliveryEntry:
        """One version of an entry. Raises DELIVERY_ENTRY_UNKNOWN."""
        found = next((e for e in self.versions(code) if e.version == version), None)
        if found is None:
            raise DELIVERY_ENTRY_UNKNOWN(entry=code)
        return found

    def validator(self, entry: DeliveryEntry) -> Validator:
        """The rules of an entry version, compiled once: a published version never changes but for its last day."""
        key = (entry.code, entry.version)
        with self._lock:
            if (found := self._validators.get(key)) is None:
                found = self._validators[key] = Validator(entry)
        return found

    def calendar(self) -> WorkCalendar:
        """The working days of the years there are."""
        return WorkCalendar(
            CalendarYear.of(row["_id"], row["announced"], row["days_off"], row["days_worked"])
            for row in self._store.calendar_years()
        )

    def versions(self, code: str) -> list[DeliveryEntry]:
        """Every published version of an entry, newest first."""
        return [read_entry(entry) for entry in self._store.entry_versions(code)]


def _must_be_usable(entry: DeliveryEntry) -> None:
    """Raises what using the entry would raise: set aside by itself, it keeps nobody from delivering to the others, and the
    quality of those from being counted."""
    Validator(entry)
    for day in (entry.effective_from, entry.effective_to or entry.effective_from):
        date.fromisoformat(day)
