"""Decides what becomes of delivered records: first versions, later versions, unchanged or rejected records."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chengxin.values.document import RawDocument
from services.ingest.domain.submission import OutcomeKind, RecordOutcome
from services.ingest.domain.validator import Violation
from services.ingest.domain.violation_messages import message_of


@dataclass(frozen=True)
class ValidatedRecord:
    """A delivered record after validation: the document that it can become, or its violations.

    `earlier_ids` are the ids under which the record may be on record from before; usually none.
    """

    row: int
    document: RawDocument | None
    violations: Sequence[Violation] = ()
    earlier_ids: Sequence[str] = ()

    def as_known(self, earlier: Collection[str]) -> "ValidatedRecord":
        """Returns the record under its earlier id if one is among those on record."""
        found = next((earlier_id for earlier_id in self.earlier_ids if earlier_id in earlier), None)
        if self.document is None or found is None:
            return self
        return replace(self, document=self.document | {"_id": found})


@dataclass(frozen=True)
class ExistingVersion:
    """The version that is on record under an id."""

    version: int
    tag: str
    revoked: bool = False


@dataclass
class BatchChanges:
    """The changes of a batch: outcomes in order of delivery, and the documents of new and superseded versions."""

    outcomes: list[RecordOutcome] = field(default_factory=list)
    # The new records by id, the new current versions of existing records by id, and the new versions that a later
    # record of the same batch supersedes.
    created: dict[str, RawDocument] = field(default_factory=dict)
    replaced: dict[str, RawDocument] = field(default_factory=dict)
    superseded: list[RawDocument] = field(default_factory=list)
    # All new versions, in order of delivery.
    versions: list[RawDocument] = field(default_factory=list)


def decide(
    checked: Sequence[ValidatedRecord], known: dict[str, ExistingVersion], mark: Mapping[str, Any], at: datetime
) -> BatchChanges:
    """Decides about a batch in order of delivery, given the versions on record; every new version includes `mark`."""
    changes = BatchChanges()
    versions = dict(known)
    for record in checked:
        if record.document is None:
            changes.outcomes.append(RecordOutcome(record.row, OutcomeKind.REJECTED, violations=record.violations))
            continue
        record_id = record.document["_id"]
        existing = versions.get(record_id)
        if existing is not None and existing.revoked:
            changes.outcomes.append(RecordOutcome(record.row, OutcomeKind.REJECTED, violations=(_REVOKED,)))
        elif existing is not None and existing.tag == record.document["tag"]:
            changes.outcomes.append(RecordOutcome(record.row, OutcomeKind.UNCHANGED, record_id, existing.version))
        else:
            version = existing.version + 1 if existing else 1
            document = record.document | {"version": version, "row": record.row, "recorded_at": at, **mark}
            if existing:
                document["reason"] = RESUBMISSION
            _add_version(changes, document, known)
            versions[record_id] = ExistingVersion(version, document["tag"])
            outcome = OutcomeKind.AMENDED if existing else OutcomeKind.ACCEPTED
            changes.outcomes.append(RecordOutcome(record.row, outcome, record_id, version))
    return changes


RESUBMISSION = "resubmission"
_REVOKED = Violation("", "record.revoked", *message_of("record.revoked"))


def _add_version(changes: BatchChanges, document: RawDocument, known: dict[str, ExistingVersion]) -> None:
    current = changes.replaced if document["_id"] in known else changes.created
    if (earlier := current.get(document["_id"])) is not None:
        changes.superseded.append(earlier)
    current[document["_id"]] = document
    changes.versions.append(document)


def next_version(document: RawDocument, at: datetime, **what: Any) -> RawDocument:
    """Returns the next version of a stored record, with the fields in `what` that are not empty."""
    return {k: v for k, v in document.items() if k not in _ORIGIN_FIELDS} | {
        "version": document["version"] + 1,
        "recorded_at": at,
        **{k: v for k, v in what.items() if v},
    }


def lateness(document: RawDocument) -> int | None:
    """Returns the working days by which the change to this version was late (Art. 11); None when undetermined."""
    return None if document.get("late_undetermined") else document.get("late_working_days") or 0


# Fields that state the origin of one version; the next version does not inherit them.
_ORIGIN_FIELDS = frozenset(
    {
        "batch",
        "row",
        "reason",
        "objection_no",
        "document_number",
        "effective_date",
        "changed_by",
        "recorded_at",
        "late_working_days",
        "late_undetermined",
        "receipt",
        "signed_by",
    }
)
