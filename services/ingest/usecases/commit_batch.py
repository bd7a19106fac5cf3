"""Commits a batch whole, in one transaction: records, history, rejects, original, progress, feed and audit event.

Batches that are ready together share a transaction, because much of a commit's time is the same for one and for two.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pymongo.errors import BulkWriteError, DuplicateKeyError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from chengxin.auth.principal import Principal
from chengxin.store.database import UnitOfWork
from chengxin.values.acts import Act
from chengxin.values.clock import as_stored
from chengxin.values.document import RawDocument
from chengxin.values.provider_statement import content_sha256
from services.ingest.context import IngestContext
from services.ingest.domain.provider_signature import must_agree
from services.ingest.domain.receipt import receipt_of, receipt_to_dict
from services.ingest.domain.record_versioning import ExistingVersion
from services.ingest.domain.submission import (
    BATCH_CONFLICT,
    BATCH_OUT_OF_ORDER,
    DELIVERY_BROKEN_OFF,
    DELIVERY_OVER_COUNT,
    SUBMISSION_CLOSED,
    SUBMISSION_EMPTY,
    DeliveredRecord,
    OutcomeKind,
    Receipt,
    RecordOutcome,
)
from services.ingest.store.rejects import opened_reject
from services.ingest.usecases.prepare_batch import BatchWrites, Prepared, writes_of
from services.ingest.usecases.submission_session import (
    SubmissionSession,
    authorise_delivery,
    must_be_same,
    submission_row,
)

DELIVERED: Final = Act.SUBMISSION_DELIVERED
CLOSED: Final = Act.SUBMISSION_CLOSED

# What the store answers to a second document under an id.
_DUPLICATE: Final = 11000
# When another writer has written records of a batch, the batch is decided again from what is on record now.
_ATTEMPTS: Final = 5


class _Overtaken(Exception):
    """The next batch of the submission is another one than this."""


class _Met(Exception):
    """Another writer wrote one of the records meanwhile."""


def commit(
    ctx: IngestContext,
    caller: Principal,
    delivery: SubmissionSession,
    batches: Sequence[Prepared],
    close: bool = False,
) -> tuple[list[RecordOutcome], Receipt | None]:
    """Commits batches exactly once, and recognises one that is committed. `close` ends the submission with them.

    Returns the outcomes of their records, in order. Raises BATCH_CONFLICT, BATCH_OUT_OF_ORDER, DELIVERY_OVER_COUNT,
    SUBMISSION_CLOSED, SUBMISSION_CONFLICT; the batches before the refused one are committed then.
    """

    def work(unit: UnitOfWork) -> tuple[list[RecordOutcome], Receipt | None]:
        authorise_delivery(delivery)
        outcomes = [became for batch in batches for became in _write(ctx, caller, delivery, batch, unit)]
        digests = [batch.digest for batch in batches]
        return outcomes, _close(ctx, caller, delivery, unit, digests) if close else None

    def attempt() -> tuple[list[RecordOutcome], Receipt | None]:
        try:
            return ctx.store.transact(work)
        except (DuplicateKeyError, BulkWriteError) as e:
            if not _is_duplicate(e):
                raise
            delivery.met_known.set()
            raise _Met from e

    again = Retrying(retry=retry_if_exception_type(_Met), stop=stop_after_attempt(_ATTEMPTS), reraise=True)
    try:
        return again(lambda: ctx.persistently(attempt))
    except _Overtaken:
        # It may have been committed by the attempt before, during which the store went away.
        if len(batches) == 1:
            return ctx.persistently(lambda: _recognised(ctx, delivery, batches[0])), None
    return [became for batch in batches for became in commit(ctx, caller, delivery, [batch])[0]], None


def close(ctx: IngestContext, caller: Principal, delivery: SubmissionSession) -> Receipt:
    """Ends a submission with its receipt; the same one when it is closed already. Raises SUBMISSION_EMPTY."""

    def attempt() -> Receipt:
        # They are read before the transaction: other writers would wait too long while very many are read.
        submission = ctx.store.submission(delivery.key)
        digests = ctx.store.digests(delivery.key, submission["batches_committed"]) if submission else []

        def work(unit: UnitOfWork) -> Receipt:
            authorise_delivery(delivery)
            return _close(ctx, caller, delivery, unit, digests)

        return ctx.store.transact(work)

    return ctx.persistently(attempt)


def _write(
    ctx: IngestContext, caller: Principal, delivery: SubmissionSession, batch: Prepared, unit: UnitOfWork
) -> list[RecordOutcome]:
    if batch.number <= delivery.committed:
        raise _Overtaken
    store, session = ctx.store, unit.session
    writes = _writes(ctx, delivery, batch, unit)
    history, counts, name = writes.history, writes.counts, writes.row["_id"]
    if batch.number == 1 and store.submission(delivery.key, session) is None:
        _must_fit(delivery, batch, 0)
        store.open_submission(submission_row(ctx, delivery) | {"batches_committed": 1, "counts": counts}, session)
    elif not store.advance(delivery.key, batch.number, counts, delivery.record_count, session):
        raise _Overtaken
    store.write(history, writes.created, session)
    row = writes.row | {"committed_at": as_stored(ctx.clock.now())}
    store.keep_batch(row, writes.rejects, batch.originals, session)
    about = {"provider": delivery.provider.uscc, "entry": delivery.entry.code, "region": caller.region}
    unit.publish("batch", batch=name, **about, figures=writes.figures)
    details = {**delivery.about, "batch": batch.number, "counts": counts, "digest": batch.digest}
    unit.record(ctx.audit.event(DELIVERED, caller, entries=[delivery.entry.code], details=details).encode())
    unit.committed.append(lambda: ctx.recent.keep(name, history.versions, batch.size))
    return history.outcomes


def _writes(ctx: IngestContext, delivery: SubmissionSession, batch: Prepared, unit: UnitOfWork) -> BatchWrites:
    # Most deliveries have new records only, and inserting them shows that (a tenth faster). After the first record that
    # was known the delivery looks first.
    known: dict[str, ExistingVersion] = {}
    if earlier_ids := [earlier_id for one in batch.checked for earlier_id in one.earlier_ids]:
        earlier = ctx.store.known(earlier_ids, unit.session)
        batch = replace(batch, checked=[one.as_known(earlier) for one in batch.checked])
        known |= earlier
    if delivery.met_known.is_set():
        ids = [one.document["_id"] for one in batch.checked if one.document]
        known |= ctx.store.known(ids, unit.session)
    if known or batch.writes is None:
        return writes_of(ctx, delivery, batch, known)
    return batch.writes


def _is_duplicate(error: DuplicateKeyError | BulkWriteError) -> bool:
    if isinstance(error, DuplicateKeyError):
        return True
    return any(wrong["code"] == _DUPLICATE for wrong in (error.details or {}).get("writeErrors", ()))


def _close(
    ctx: IngestContext, caller: Principal, delivery: SubmissionSession, unit: UnitOfWork, digests: list[str]
) -> Receipt:
    """Closes a submission; `digests` are those of its batches, read before the transaction."""
    submission = ctx.store.submission(delivery.key, unit.session)
    if submission is None or not submission["batches_committed"]:
        raise SUBMISSION_EMPTY()
    if (receipt := receipt_of(submission)) is not None:
        unit.without_event("the submission is closed already")
        return receipt
    batches = submission["batches_committed"]
    records = submission["counts"]["total"]
    if delivery.record_count not in (0, records):
        raise DELIVERY_BROKEN_OFF(committed=batches, records=records)
    if len(digests) != batches:
        # A batch was committed in between.
        digests = ctx.store.digests(delivery.key, batches, unit.session)
    signature: RawDocument = {}
    if (signed := delivery.signed) is not None:
        must_agree(signed, content_sha256=content_sha256(digests), record_count=records)
        signature = {"jws": delivery.header.signature, "kid": signed.kid, "client_id": caller.client_id}
    receipt = ctx.signer.sign(submission, digests, ctx.clock.now(), signature)
    closing = {"receipt": receipt_to_dict(receipt), "record_count": delivery.record_count} | (
        {"signature": signature} if signature else {}
    )
    ctx.store.close_submission(delivery.key, batches, closing, unit.session)
    details = {**delivery.about, "counts": dict(receipt.counts), "content_sha256": receipt.content_sha256}
    unit.record(ctx.audit.event(CLOSED, caller, entries=[delivery.entry.code], details=details).encode())
    return receipt


def _recognised(ctx: IngestContext, delivery: SubmissionSession, batch: Prepared) -> list[RecordOutcome]:
    """The outcomes of a batch that is committed. Raises the reason for which the submission does not take it."""
    row = ctx.store.batch(delivery.key, batch.number)
    if row is not None:
        if row["digest"] != batch.digest:
            raise BATCH_CONFLICT(number=batch.number)
        return _outcomes(ctx, row, batch.records)
    submission = ctx.store.submission(delivery.key)
    if submission is None:
        raise BATCH_OUT_OF_ORDER(expected=1, actual=batch.number)
    must_be_same(submission, delivery.header)
    if submission.get("receipt"):
        raise SUBMISSION_CLOSED(submission_id=delivery.header.submission_id)
    expected = submission["batches_committed"] + 1
    if batch.number == expected:
        _must_fit(delivery, batch, submission["counts"]["total"])
    raise BATCH_OUT_OF_ORDER(expected=expected, actual=batch.number)


def _must_fit(delivery: SubmissionSession, batch: Prepared, committed: int) -> None:
    """Raises DELIVERY_OVER_COUNT when a batch goes over the announced count of records."""
    told, reached = delivery.record_count, committed + len(batch.records)
    if 0 < told < reached:
        raise DELIVERY_OVER_COUNT(told=told, number=batch.number, reached=reached)


def _outcomes(ctx: IngestContext, row: RawDocument, records: Sequence[DeliveredRecord]) -> list[RecordOutcome]:
    others: dict[str, list[Any]] = row["others"]
    rejected = [int(n) for n, (outcome, _) in others.items() if outcome == OutcomeKind.REJECTED]
    rows = ctx.store.rejects_at(row["_id"], rejected)
    rejects = {n: opened_reject(ctx.ring, reject) for n, reject in rows.items()}
    found = []
    for n, (record, record_id) in enumerate(zip(records, row["records"], strict=True)):
        outcome, version = others.get(str(n), (OutcomeKind.ACCEPTED, 1))
        violations = rejects[n].violations if n in rejects else ()
        found.append(RecordOutcome(record.row, OutcomeKind(outcome), record_id, version, violations))
    return found
