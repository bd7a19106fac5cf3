"""The record that an objection challenges, and what became of it at ingest."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ChallengedRecord:
    """The record that the objection challenges, as it was when the objection was filed."""

    record_id: str
    subject_ref: str
    record_version: int
    entry_code: str
    entry_version: int
    provider_uscc: str
    provider_name: str


@dataclass(frozen=True)
class RecordHead:
    """A record as it is now, and the items that have changed since the version that was asked about."""

    record: ChallengedRecord
    revoked: bool
    changed_items: frozenset[str] = frozenset()

    def differs_in(self, items: Collection[str]) -> bool:
        """Whether the record is no longer as it was in any of these items; without items, in anything."""
        touched = not self.changed_items.isdisjoint(items) if items else bool(self.changed_items)
        return self.revoked or touched


@dataclass(frozen=True)
class LaterVersion:
    """A version that the record got while it was objected to, whether or not it names the case."""

    record_version: int
    revoked: bool
    recorded_at: datetime
    reason: str


@dataclass(frozen=True)
class Correction:
    """The change of the record that the case led to: one that names it, or else what it was concluded on."""

    record_version: int
    revoked: bool
    seen_at: datetime
