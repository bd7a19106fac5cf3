"""A submission as its provider and the organs read it (Art. 12, 30)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.ingest.domain.receipt import receipt_of
from services.ingest.domain.submission import Receipt, submission_key


@dataclass(frozen=True)
class FileForm:
    """The form of a delivered file."""

    # In order, as (label, item code).
    columns: Sequence[tuple[str, str]] = ()
    # csv, xlsx or jsonl.
    kind: str = ""
    # The encoding of its text, by Python's name.
    encoding: str = ""
    # The sheets that have content and were not read.
    unread: Sequence[str] = ()


@dataclass(frozen=True)
class SubmissionView:
    """How far a submission is, and its receipt once it is closed."""

    provider: str
    submission_id: str
    entry_code: str
    entry_version: int
    batches_committed: int
    # The number of records by outcome, and their `total`.
    counts: Mapping[str, int]
    # The number of records that was announced; 0 when none was.
    record_count: int
    file_name: str
    file_sha256: str
    # Empty when no file was delivered.
    form: FileForm
    created_at: datetime
    receipt: Receipt | None

    @property
    def key(self) -> str:
        """The key under which it is stored."""
        return submission_key(self.provider, self.submission_id)

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> "SubmissionView":
        """Reads a stored submission."""
        return cls(
            provider=row["provider"],
            submission_id=row["submission_id"],
            entry_code=row["entry_code"],
            entry_version=row["entry_version"],
            batches_committed=row["batches_committed"],
            counts=row["counts"],
            record_count=row.get("record_count") or 0,
            file_name=row.get("file_name") or "",
            file_sha256=row.get("file_sha256") or "",
            form=FileForm(
                columns=[(label, code) for label, code in row.get("columns") or ()],
                kind=row.get("file_kind") or "",
                encoding=row.get("file_encoding") or "",
                unread=row.get("sheets_not_read") or (),
            ),
            created_at=row["created_at"],
            receipt=receipt_of(row),
        )
