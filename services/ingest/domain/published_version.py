"""A version of a record as other services read it: its identifier items stay sealed (decision 16)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RecordSubject:
    """The subject of a record: its pseudonym, and what open information says of it."""

    ref: str
    kind: str
    name: str
    scheme: str
    # Empty for a natural person.
    uscc: str


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One version of a record."""

    record_id: str
    version: int
    entry_code: str
    entry_version: int
    provider: str
    provider_name: str
    subject: RecordSubject
    items: Mapping[str, str]
    revoked: bool
    objection_no: str
    reason: str
    recorded_at: datetime

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "PublishedVersion":
        """Reads a stored version."""
        subject = row["subject"]
        return cls(
            row["_id"],
            row["version"],
            row["entry_code"],
            row["entry_version"],
            row["provider"],
            row["provider_name"],
            RecordSubject(subject["ref"], subject["kind"], subject["name"], subject["scheme"], subject["uscc"]),
            row["items"],
            bool(row.get("revoked")),
            row.get("objection_no") or "",
            row.get("reason") or "",
            row["recorded_at"],
        )
