"""What becomes of delivered records, given what is on record: first versions, later ones, unchanged, rejected. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chengxin.values.document import RawDocument
from services.ingest.domain.submission import OutcomeKind, RecordOutcome
from services.ingest.domain.validator import Violation
from services.ingest.domain.violations import both


@dataclass(frozen=True)
class ValidatedRecord:
    """A delivered record after validation: the document it would become, or why it does not."""

    row: int
    document: RawDocument | None
    violations: Sequence[Violation] = ()


@dataclass(frozen=True)
class ExistingVersion:
    """What is on record under an id."""

    version: int
    tag: str
    revoked: bool = False


@dataclass
class BatchChanges:
    """What a batch writes: outcomes in order of delivery, and the documents of new and superseded versions."""

    outcomes: list[RecordOutcome] = field(default_factory=list)
    # First versions, current versions of records known before, versions that this same batch supersedes.
    created: dict[str, RawDocument] = field(default_factory=dict)
    replaced: dict[str, RawDocument] = field(default_factory=dict)
    superseded: list[RawDocument] = field(default_factory=list)
    # All of these, in order of delivery.
    versions: list[RawDocument] = field(default_factory=list)


def decide(
    checked: Sequence[ValidatedRecord], known: dict[str, ExistingVersion], mark: Mapping[str, Any], at: datetime
) -> BatchChanges:
    """What becomes of a batch, in order of delivery, given what is on record. `mark` goes into every new version."""
    history = BatchChanges()
    state = dict(known)
    for one in checked:
        if one.document is None:
            history.outcomes.append(RecordOutcome(one.row, OutcomeKind.REJECTED, violations=one.violations))
            continue
        record_id = one.document["_id"]
        before = state.get(record_id)
        if before is not None and before.revoked:
            history.outcomes.append(RecordOutcome(one.row, OutcomeKind.REJECTED, violations=(_REVOKED,)))
        elif before is not None and before.tag == one.document["tag"]:
            history.outcomes.append(RecordOutcome(one.row, OutcomeKind.UNCHANGED, record_id, before.version))
        else:
            version = before.version + 1 if before else 1
            document = one.document | {"version": version, "row": one.row, "recorded_at": at, **mark}
            if before:
                document["reason"] = RESUBMISSION
            _write(history, document, known)
            state[record_id] = ExistingVersion(version, document["tag"])
            outcome = OutcomeKind.AMENDED if before else OutcomeKind.ACCEPTED
            history.outcomes.append(RecordOutcome(one.row, outcome, record_id, version))
    return history


RESUBMISSION = "resubmission"
_REVOKED = Violation("", "record.revoked", *both("record.revoked"))


def _write(history: BatchChanges, document: RawDocument, known: dict[str, ExistingVersion]) -> None:
    current = history.replaced if document["_id"] in known else history.created
    if (earlier := current.get(document["_id"])) is not None:
        history.superseded.append(earlier)
    current[document["_id"]] = document
    history.versions.append(document)


def changed(document: RawDocument, at: datetime, **what: Any) -> RawDocument:
    """The next version of a stored record."""
    return {k: v for k, v in document.items() if k not in _OF_ONE_VERSION} | {
        "version": document["version"] + 1,
        "recorded_at": at,
        **{k: v for k, v in what.items() if v},
    }


def lateness(document: RawDocument) -> int | None:
    """Working days by which the change that made this version was late (Art. 11); None where that is undetermined."""
    return None if document.get("late_undetermined") else document.get("late_working_days") or 0


# What says how a version came about, and is not carried to the next one.
_OF_ONE_VERSION = frozenset(
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
