"""Ingest's copy of the catalog, from the catalog's feed: entry versions with their validators, and the calendar."""

import threading
from collections.abc import Hashable
from datetime import date
from operator import attrgetter
from typing import Any, Final

from cachetools import LRUCache, cachedmethod
from google.protobuf.json_format import MessageToDict
from pymongo.client_session import ClientSession

from chengxin.bounds import own
from chengxin.store.database import UnitOfWork
from chengxin.values.workdays import CalendarYear, WorkCalendar
from services.ingest.domain.catalog_entry import DeliveryEntry, entry_to_dict, read_entry
from services.ingest.domain.quality import RULE_SET
from services.ingest.domain.submission import DELIVERY_ENTRY_NOT_IN_FORCE, DELIVERY_ENTRY_UNKNOWN
from services.ingest.domain.validator import Validator
from services.ingest.store.ingest_store import IngestStore

# The most items and permitted values of entries that are held parsed, and as many compiled, at some 300 bytes each. One
# entry may have a hundred of them or a hundred thousand.
_CACHED_VALUES: Final = 200_000

own(
    __name__,
    "LRUCache",
    "LRUCache",
    resource="Entries and validators in memory, by the number of their values",
    total=_CACHED_VALUES,
    why="The least recently used is forgotten",
)


def _size_of(entry: DeliveryEntry) -> int:
    return sum(1 + len(item.code_list) for item in entry.items)


def _size_of_validator(validator: Validator) -> int:
    return _size_of(validator.entry)


def _stored_version(_replica: object, stored: dict[str, Any]) -> Hashable:
    # Nothing else of a published version ever changes. `published_at` distinguishes it from one of a restored catalog.
    return stored["code"], stored["version"], stored.get("effective_to", ""), stored.get("published_at", "")


def _version(_replica: object, entry: DeliveryEntry) -> Hashable:
    return entry.code, entry.version, entry.published_at


class CatalogReplica:
    """The entries, validators and working days."""

    def __init__(self, store: IngestStore) -> None:
        self._store = store
        self._validators: LRUCache[Hashable, Validator] = LRUCache(_CACHED_VALUES, _size_of_validator)
        self._entries: LRUCache[Hashable, DeliveryEntry] = LRUCache(_CACHED_VALUES, _size_of)
        self._lock = threading.Lock()

    def apply(self, unit: UnitOfWork, change: Any) -> None:
        """Keeps one change of the catalog (`chengxin.catalog.v1.Change`)."""
        match change.WhichOneof("change"):
            case "entry":
                entry = read_entry(MessageToDict(change.entry, preserving_proto_field_name=True))
                _check_usable(entry)
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
                # An invalid date fails here, not where the calendar is read later.
                CalendarYear.of(year.year, year.announced, year.days_off, year.days_worked)
                self._store.put_calendar_year(year.year, days, unit.session)
            case "organisation_region":
                self._store.regions.take(change.organisation_region, unit)

    def in_force(self, code: str, today: str, session: ClientSession | None = None) -> DeliveryEntry | None:
        """Returns the version of an entry in force on a Shanghai date; None when there is none."""
        return next((e for e in self.versions(code, session) if e.in_force(today)), None)

    def heads(self) -> list[DeliveryEntry]:
        """Returns every version of every entry, by code and version, without items."""
        return sorted(map(read_entry, self._store.entry_heads()), key=lambda e: (e.code, e.version))

    def to_deliver(self, code: str, version: int, today: str) -> DeliveryEntry:
        """Returns the version to deliver to: the one in force today, which is also the only one that may be named.

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
        """Returns one version of an entry. Raises DELIVERY_ENTRY_UNKNOWN."""
        entry = next((e for e in self.versions(code) if e.version == version), None)
        if entry is None:
            raise DELIVERY_ENTRY_UNKNOWN(entry=code)
        return entry

    @cachedmethod(attrgetter("_validators"), key=_version, lock=attrgetter("_lock"))
    def validator(self, entry: DeliveryEntry) -> Validator:
        """Returns the rules of an entry version, compiled once."""
        return Validator(entry)

    def calendar(self) -> WorkCalendar:
        """Returns the working days of all years in the store."""
        return WorkCalendar(
            CalendarYear.of(row["_id"], row["announced"], row["days_off"], row["days_worked"])
            for row in self._store.calendar_years()
        )

    def versions(self, code: str, session: ClientSession | None = None) -> list[DeliveryEntry]:
        """Returns every published version of an entry, newest first."""
        return [self._parse(entry) for entry in self._store.entry_versions(code, session)]

    @cachedmethod(attrgetter("_entries"), key=_stored_version, lock=attrgetter("_lock"))
    def _parse(self, stored: dict[str, Any]) -> DeliveryEntry:
        return read_entry(stored)


def _check_usable(entry: DeliveryEntry) -> None:
    """Raises the error that a use of the entry would raise.

    The change is then set aside alone; deliveries to other entries and the count of their quality go on."""
    Validator(entry)
    for day in (entry.effective_from, entry.effective_to or entry.effective_from):
        date.fromisoformat(day)
