"""The record that an objection challenges, and its correction at ingest."""

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
class Correction:
    """The amendment or revocation at ingest that names the case."""

    record_version: int
    revoked: bool
    seen_at: datetime
