"""What becomes of delivered records, given what is on record: first versions, later ones, unchanged, rejected. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ingest.domain.submission import Became, Outcome
from services.ingest.domain.validator import Violation
from services.ingest.domain.violations import both

Document = dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """A delivered record after validation: the document it would become, or why it does not."""

    row: int
    document: Document | None
    violations: Sequence[Violation] = ()


@dataclass(frozen=True)
class Known:
    """What is on record under an id."""

    version: int
    tag: str
    revoked: bool = False


@dataclass
class History:
    """What a batch writes: outcomes in order of delivery, and the documents of new and superseded versions."""

    outcomes: list[Became] = field(default_factory=list)
    # First versions, current versions of records known before, versions that this same batch supersedes.
    created: dict[str, Document] = field(default_factory=dict)
    replaced: dict[str, Document] = field(default_factory=dict)
    superseded: list[Document] = field(default_factory=list)
    # All of these, in order of delivery.
    versions: list[Document] = field(default_factory=list)


def decide(checked: Sequence[Checked], known: dict[str, Known], mark: Mapping[str, Any], at: datetime) -> History:
    """What becomes of a batch, in order of delivery, given what is on record. `mark` goes into every new version."""
    history = History()
    state = dict(known)
    for one in checked:
        if one.document is None:
            history.outcomes.append(Became(one.row, Outcome.REJECTED, violations=one.violations))
            continue
        record_id = one.document["_id"]
        before = state.get(record_id)
        if before is not None and before.revoked:
            history.outcomes.append(Became(one.row, Outcome.REJECTED, violations=(_REVOKED,)))
        elif before is not None and before.tag == one.document["tag"]:
            history.outcomes.append(Became(one.row, Outcome.UNCHANGED, record_id, before.version))
        else:
            version = before.version + 1 if before else 1
            document = one.document | {"version": version, "row": one.row, "recorded_at": at, **mark}
            if before:
                document["reason"] = RESUBMISSION
            _write(history, document, known)
            state[record_id] = Known(version, document["tag"])
            outcome = Outcome.AMENDED if before else Outcome.ACCEPTED
            history.outcomes.append(Became(one.row, outcome, record_id, version))
    return history


RESUBMISSION = "resubmission"
_REVOKED = Violation("", "record.revoked", *both("record.revoked"))


def _write(history: History, document: Document, known: dict[str, Known]) -> None:
    current = history.replaced if document["_id"] in known else history.created
    if (earlier := current.get(document["_id"])) is not None:
        history.superseded.append(earlier)
    current[document["_id"]] = document
    history.versions.append(document)


def changed(document: Document, at: datetime, **what: Any) -> Document:
    """The next version of a stored record."""
    return {k: v for k, v in document.items() if k not in _OF_ONE_VERSION} | {
        "version": document["version"] + 1,
        "recorded_at": at,
        **{k: v for k, v in what.items() if v},
    }


def lateness(document: Document) -> int | None:
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
