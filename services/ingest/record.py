"""A valid delivery becomes a record: its identity, its subject, its sealed items, and its place in history. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from chengxin.crypto import KeyRing
from chengxin.ids import SubjectKey
from chengxin.subjects import subject_kind
from services.ingest.entry import Entry, Organisation
from services.ingest.model import Became, Delivered, Outcome
from services.ingest.validation import Validator, Violation
from services.ingest.wording import both

Document = dict[str, Any]

_sorted: Final = msgspec.json.Encoder(order="sorted")


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


class Recorder:
    """Makes the documents of records: pseudonyms by the subject key, personal identifiers sealed by the key ring."""

    def __init__(self, keys: SubjectKey, ring: KeyRing) -> None:
        self._keys = keys
        self._ring = ring

    def check(self, validator: Validator, provider: Organisation, delivered: Delivered) -> Checked:
        """Validates one record and prepares its document, without version and time."""
        items, violations = validator.check(delivered.items)
        if violations:
            return Checked(delivered.row, None, violations)
        return Checked(delivered.row, self.document(validator.entry, provider, items, delivered.items))

    def document(
        self, entry: Entry, provider: Organisation, items: dict[str, str], delivered: Mapping[str, str]
    ) -> Document:
        """The document of valid, standardised items, and in `raw` of those that were delivered in another form."""
        document = {
            "_id": self.record_id(entry, provider.uscc, items),
            "entry_code": entry.code,
            "entry_version": entry.version,
            "provider": provider.uscc,
            "provider_name": provider.name,
            "subject": self._subject(entry, items),
            "items": self._sealed(entry, items),
            "tag": self._tag(entry, items),
        }
        # The same objects, mostly: no text is compared.
        if items != delivered:
            raw = {code: value for code, value in delivered.items() if code in items and items[code] != value}
            if raw:
                document["raw"] = self._sealed(entry, raw)
        return document

    def record_id(self, entry: Entry, provider: str, items: Mapping[str, str]) -> str:
        """The id of the record that these items identify."""
        return self._keys.record_id(entry.code, provider, tuple(items.get(code, "") for code in entry.natural_key))

    def _subject(self, entry: Entry, items: dict[str, str]) -> Document:
        code = next(code for code in entry.subject_id_items if code in items)
        identifier = items[code]
        scheme = entry.by_code[code].identifier or f"item:{code}"
        return {
            "ref": self._keys.subject_ref(scheme, identifier),
            "kind": subject_kind(scheme, identifier, entry.subject_kinds),
            "name": items.get(entry.subject_name_item, ""),
            "scheme": scheme,
            "uscc": identifier if scheme == "uscc" else "",
        }

    def _sealed(self, entry: Entry, items: dict[str, str]) -> dict[str, str]:
        sealed = [code for code in entry.sealed if code in items]
        if not sealed:
            return items
        return items | {code: self._ring.encrypt(items[code], code) for code in sealed}

    def _tag(self, entry: Entry, items: dict[str, str]) -> str:
        return self._keys.content_tag(entry.code, _sorted.encode(items))

    def opened(self, entry: Entry, document: Document, part: str = "items") -> dict[str, str]:
        """The items of a stored record in plain, or its `raw` values. Raises `DecryptionError`."""
        items = dict(document.get(part) or {})
        return items | {code: self._ring.decrypt(items[code], code) for code in entry.sealed if code in items}


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
