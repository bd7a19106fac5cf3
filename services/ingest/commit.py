"""One batch is one transaction: records, history, rejects, original, progress, feed and audit event commit together."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pymongo.errors import BulkWriteError, DuplicateKeyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from chengxin.canonical import digest
from chengxin.clock import as_stored, shanghai_date
from chengxin.delivery import Signed, content_sha256
from chengxin.mongo import Unit
from chengxin.principal import Principal
from services.ingest import originals
from services.ingest.entry import Entry, Organisation
from services.ingest.model import (
    BATCH_CONFLICT,
    BATCH_OUT_OF_ORDER,
    DELIVERY_BROKEN_OFF,
    NOT_A_PROVIDER,
    SUBMISSION_CLOSED,
    SUBMISSION_CONFLICT,
    SUBMISSION_EMPTY,
    Batch,
    Became,
    Counts,
    Delivered,
    Header,
    Outcome,
    Receipt,
    owned,
)
from services.ingest.quality_model import tally
from services.ingest.receipts import kept, receipt_of
from services.ingest.record import Checked, History, decide
from services.ingest.room import Ingest
from services.ingest.signing import must_agree, word_on
from services.ingest.store import Plain, batch_id, reject_id
from services.ingest.validation import Violation

DELIVERED: Final = "submission.delivered"
OPENED: Final = "submission.opened"
CLOSED: Final = "submission.closed"

_REJECT: Final = "reject"
# What the store answers to a second document under an id.
_DUPLICATE: Final = 11000
# A batch that met another writer of the same records reads what is there now and is decided again.
_ATTEMPTS: Final = 5
_encoder: Final = msgspec.json.Encoder()


class _Overtaken(Exception):
    """The submission does not stand where this batch follows."""


class _Met(Exception):
    """Another writer wrote one of the records meanwhile."""


class RejectContent(msgspec.Struct):
    """What a reject keeps sealed: the items as delivered, and what is wrong."""

    items: dict[str, str]
    violations: list[Violation]


@dataclass(frozen=True)
class FileForm:
    """What is known of a delivered file that we keep: its columns in order, as (label, item code), and its kind."""

    columns: Sequence[tuple[str, str]]
    kind: str


@dataclass(frozen=True)
class Delivery:
    """A submission as its provider delivers it."""

    key: str
    header: Header
    entry: Entry
    provider: Organisation
    # How far it was when it was opened, and its receipt if it was closed.
    committed: int = 0
    receipt: Receipt | None = None
    file: FileForm | None = None
    # The provider's signed word on it.
    signed: Signed | None = None
    # Set once one of its records was on record before.
    met_known: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    @property
    def about(self) -> dict[str, str]:
        """What audit events name it by."""
        return {"submission_id": self.header.submission_id}


@dataclass(frozen=True)
class Prepared:
    """A batch after validation, ready to be committed."""

    number: int
    records: Sequence[Delivered]
    encoded: bytes
    digest: str
    checked: Sequence[Checked] = field(repr=False)


def open_delivery(ingest: Ingest, caller: Principal, header: Header, file: FileForm | None = None) -> Delivery:
    """A new delivery, or the one that was begun under this id. Raises what is wrong with its header."""
    header.checked()
    key = owned(caller.org, header.submission_id)
    found = ingest.patiently(lambda: ingest.store.submission(key))
    if found is None:
        today = ingest.clock.today().isoformat()
        entry = ingest.directory.to_deliver(header.entry_code, header.entry_version, today)
    else:
        _must_be_same(found, header)
        entry = ingest.directory.version(found["entry_code"], found["entry_version"])
    provider = entry.provider(caller.org)
    if provider is None:
        raise NOT_A_PROVIDER(org=caller.org or "-", entry=entry.code)
    receipt = receipt_of(found) if found else None
    signed = None
    if receipt is None:
        agreement = ingest.patiently(lambda: ingest.store.providers.agreement(caller.org))
        signed = word_on(header, caller, agreement, file is not None)
    committed = found["batches_committed"] if found else 0
    return Delivery(key, header, entry, provider, committed, receipt, file, signed)


def begin(ingest: Ingest, caller: Principal, delivery: Delivery) -> None:
    """Makes a delivery known before its first batch is committed; nothing when it is known already."""

    def work(unit: Unit) -> None:
        if ingest.store.submission(delivery.key, unit.session) is None:
            ingest.store.open_submission(_submission(delivery, ingest), unit.session)
            event = ingest.audit.event(OPENED, caller, entries=[delivery.entry.code], details=delivery.about)
            unit.record(event.encode())

    try:
        ingest.patiently(lambda: ingest.store.transact(work))
    except DuplicateKeyError:
        return


def prepare(ingest: Ingest, delivery: Delivery, batch: Batch) -> Prepared:
    """Validates a batch. Raises BATCH_TOO_LARGE, INPUT_INVALID."""
    batch.checked()
    encoded = batch.encoded()
    checked: list[Checked] = []
    # What is committed already is only recognised, by its digest.
    if batch.number > delivery.committed:
        validator = ingest.directory.validator(delivery.entry)
        checked = [ingest.recorder.check(validator, delivery.provider, record) for record in batch.records]
    return Prepared(batch.number, batch.records, encoded, digest(encoded), checked)


def commit(
    ingest: Ingest, caller: Principal, delivery: Delivery, batch: Prepared, close: bool = False
) -> tuple[list[Became], Receipt | None]:
    """Commits a batch exactly once, and with `close` the submission with it; recognises one that is committed.

    Raises BATCH_CONFLICT, BATCH_OUT_OF_ORDER, SUBMISSION_CLOSED, SUBMISSION_CONFLICT.
    """
    if batch.number <= delivery.committed:
        return ingest.patiently(lambda: _recognised(ingest, delivery, batch)), None

    def work(unit: Unit) -> tuple[list[Became], Receipt | None]:
        outcomes = _write(ingest, caller, delivery, batch, unit)
        return outcomes, _close(ingest, caller, delivery, unit) if close else None

    def attempt() -> tuple[list[Became], Receipt | None]:
        # When the store went away while a commit was on its way, this finds the batch, and it is recognised.
        try:
            return ingest.store.transact(work)
        except _Overtaken:
            return _recognised(ingest, delivery, batch), None
        except (DuplicateKeyError, BulkWriteError) as e:
            if not _is_duplicate(e):
                raise
            delivery.met_known.set()
            raise _Met from e

    again = Retrying(retry=retry_if_exception_type(_Met), stop=stop_after_attempt(_ATTEMPTS), reraise=True)
    return again(lambda: ingest.patiently(attempt))


def close(ingest: Ingest, caller: Principal, delivery: Delivery) -> Receipt:
    """Ends a submission with its receipt; the same one when it is closed already. Raises SUBMISSION_EMPTY."""
    return ingest.patiently(lambda: ingest.store.transact(lambda unit: _close(ingest, caller, delivery, unit)))


def opened_reject(ingest: Ingest, row: Mapping[str, Any]) -> RejectContent:
    """The content of a stored reject."""
    return msgspec.json.decode(ingest.ring.decrypt_bytes(bytes(row["sealed"]), _REJECT), type=RejectContent)


def _write(ingest: Ingest, caller: Principal, delivery: Delivery, batch: Prepared, unit: Unit) -> list[Became]:
    store, session, now = ingest.store, unit.session, as_stored(ingest.clock.now())
    name = batch_id(delivery.key, batch.number)
    ids = [one.document["_id"] for one in batch.checked if one.document]
    # Most deliveries are of new records, which inserting them shows by itself (a tenth faster): only one that has met
    # a record that was known looks first.
    known = store.known(ids, session) if ids and delivery.met_known.is_set() else {}
    history = decide(batch.checked, known, {"batch": name}, now)
    counts = Counts.of(became.outcome for became in history.outcomes).to_json()
    if batch.number == 1 and store.submission(delivery.key, session) is None:
        store.open_submission(_submission(delivery, ingest) | {"batches_committed": 1, "counts": counts}, session)
    elif not store.advance(delivery.key, batch.number, counts, session):
        raise _Overtaken
    store.write(history, session)
    row = _batch_row(delivery, batch, history) | {"counts": counts, "committed_at": now}
    kept_bytes = [] if delivery.file else [*originals.pieces(name, batch.encoded, ingest.ring)]
    store.keep_batch(row, _rejects(ingest, delivery, batch, history, name), kept_bytes, session)
    figures = tally(delivery.entry, batch.checked, history.outcomes, shanghai_date(now)).plain()
    about = {"provider": delivery.provider.uscc, "entry": delivery.entry.code, "region": caller.region}
    unit.publish("batch", batch=name, **about, figures=figures)
    details = {**delivery.about, "batch": batch.number, "counts": counts, "digest": batch.digest}
    unit.record(ingest.audit.event(DELIVERED, caller, entries=[delivery.entry.code], details=details).encode())
    unit.committed.append(lambda: ingest.recent.keep(name, history.versions, len(batch.encoded)))
    return history.outcomes


def _is_duplicate(error: DuplicateKeyError | BulkWriteError) -> bool:
    if isinstance(error, DuplicateKeyError):
        return True
    return any(wrong["code"] == _DUPLICATE for wrong in (error.details or {}).get("writeErrors", ()))


def _submission(delivery: Delivery, ingest: Ingest) -> Plain:
    header = delivery.header
    document: Plain = {
        "_id": delivery.key,
        "provider": delivery.provider.uscc,
        "submission_id": header.submission_id,
        "entry_code": delivery.entry.code,
        "entry_version": delivery.entry.version,
        "batches_committed": 0,
        "counts": Counts().to_json(),
        "record_count": header.record_count,
        "file_name": header.file_name,
        "file_sha256": header.file_sha256,
        "created_at": ingest.clock.now(),
    }
    if delivery.file:
        columns = [list(column) for column in delivery.file.columns]
        document |= {"file_kept": True, "file_kind": delivery.file.kind, "columns": columns}
    return document


def _batch_row(delivery: Delivery, batch: Prepared, history: History) -> Plain:
    outcomes = history.outcomes
    return {
        "_id": batch_id(delivery.key, batch.number),
        "submission": delivery.key,
        "number": batch.number,
        "digest": batch.digest,
        "first_row": outcomes[0].row,
        "last_row": outcomes[-1].row,
        "records": [became.record_id for became in outcomes],
        "others": {
            str(n): [became.outcome.value, became.version]
            for n, became in enumerate(outcomes)
            if became.outcome is not Outcome.ACCEPTED
        },
    }


def _rejects(ingest: Ingest, delivery: Delivery, batch: Prepared, history: History, name: str) -> list[Plain]:
    return [
        {
            "_id": reject_id(name, n),
            "submission": delivery.key,
            "row": became.row,
            "sealed": ingest.ring.encrypt_bytes(
                _encoder.encode(RejectContent(dict(batch.records[n].items), list(became.violations))), _REJECT
            ),
        }
        for n, became in enumerate(history.outcomes)
        if became.outcome is Outcome.REJECTED
    ]


def _close(ingest: Ingest, caller: Principal, delivery: Delivery, unit: Unit) -> Receipt:
    submission = ingest.store.submission(delivery.key, unit.session)
    if submission is None or not submission["batches_committed"]:
        raise SUBMISSION_EMPTY()
    if (receipt := receipt_of(submission)) is not None:
        return receipt
    batches = submission["batches_committed"]
    expected = delivery.header.record_count or submission.get("record_count") or 0
    if expected not in (0, submission["counts"]["total"]):
        raise DELIVERY_BROKEN_OFF(committed=batches)
    digests = ingest.store.digests(delivery.key, batches, unit.session)
    signature: Plain = {}
    if (signed := delivery.signed) is not None:
        must_agree(signed, content_sha256=content_sha256(digests), record_count=submission["counts"]["total"])
        signature = {"jws": delivery.header.signature, "kid": signed.kid, "client_id": caller.client_id}
    receipt = ingest.signer.sign(submission, digests, ingest.clock.now(), signature)
    closing = {"receipt": kept(receipt)} | ({"signature": signature} if signature else {})
    ingest.store.close_submission(delivery.key, batches, closing, unit.session)
    details = {**delivery.about, "counts": dict(receipt.counts), "content_sha256": receipt.content_sha256}
    unit.record(ingest.audit.event(CLOSED, caller, entries=[delivery.entry.code], details=details).encode())
    return receipt


def _recognised(ingest: Ingest, delivery: Delivery, batch: Prepared) -> list[Became]:
    """What became of a batch that is committed. Raises why the submission does not take it."""
    row = ingest.store.batch(delivery.key, batch.number)
    if row is not None:
        if row["digest"] != batch.digest:
            raise BATCH_CONFLICT(number=batch.number)
        return _outcomes(ingest, row, batch.records)
    submission = ingest.store.submission(delivery.key)
    if submission is None:
        raise BATCH_OUT_OF_ORDER(expected=1, actual=batch.number)
    _must_be_same(submission, delivery.header)
    if submission.get("receipt"):
        raise SUBMISSION_CLOSED(submission_id=delivery.header.submission_id)
    raise BATCH_OUT_OF_ORDER(expected=submission["batches_committed"] + 1, actual=batch.number)


def _outcomes(ingest: Ingest, row: Plain, records: Sequence[Delivered]) -> list[Became]:
    others: dict[str, list[Any]] = row["others"]
    rejected = [int(n) for n, (outcome, _) in others.items() if outcome == Outcome.REJECTED]
    rows = ingest.store.rejects_at(row["_id"], rejected)
    rejects = {n: opened_reject(ingest, reject) for n, reject in rows.items()}
    found = []
    for n, (record, record_id) in enumerate(zip(records, row["records"], strict=True)):
        outcome, version = others.get(str(n), (Outcome.ACCEPTED, 1))
        violations = rejects[n].violations if n in rejects else ()
        found.append(Became(record.row, Outcome(outcome), record_id, version, violations))
    return found


def _must_be_same(submission: Mapping[str, Any], header: Header) -> None:
    """Raises SUBMISSION_CONFLICT when an id is used for something else than it was begun for."""
    # What was not told, now or then, differs from nothing.
    same: Callable[[str, Any], bool] = lambda name, given: not given or submission.get(name) in (None, "", 0, given)  # noqa: E731
    if submission["entry_code"] != header.entry_code or not (
        same("entry_version", header.entry_version)
        and same("file_sha256", header.file_sha256)
        and same("record_count", header.record_count)
    ):
        raise SUBMISSION_CONFLICT(
            submission_id=header.submission_id,
            entry=submission["entry_code"],
            version=submission["entry_version"],
        )
