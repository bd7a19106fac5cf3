"""Prepares a batch before its transaction: validates its records and works out all that it writes.

This is done while the batches before it are committed, so that the transaction waits for the store alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from chengxin.values.canonical_json import digest
from chengxin.values.clock import as_stored, shanghai_date
from chengxin.values.document import RawDocument
from services.ingest.context import IngestContext
from services.ingest.domain.quality import tally
from services.ingest.domain.record_versioning import BatchChanges, ExistingVersion, ValidatedRecord, decide
from services.ingest.domain.submission import Batch, Counts, DeliveredRecord, OutcomeKind
from services.ingest.store import originals
from services.ingest.store.ingest_store import Encoded, batch_id, encoded, reject_id
from services.ingest.store.rejects import sealed_reject
from services.ingest.usecases.submission_session import SubmissionSession


@dataclass(frozen=True)
class BatchWrites:
    """What a batch writes, given the versions on record."""

    history: BatchChanges
    # The documents of `history.created`.
    created: Sequence[Encoded] = field(repr=False)
    counts: RawDocument
    figures: RawDocument
    row: RawDocument
    rejects: Sequence[RawDocument] = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """A batch after validation, ready to be committed."""

    number: int
    records: Sequence[DeliveredRecord] = field(repr=False)
    digest: str
    # Bytes of the batch as delivered.
    size: int
    checked: Sequence[ValidatedRecord] = field(repr=False)
    originals: Sequence[RawDocument] = field(default=(), repr=False)
    # What it writes if none of its records is on record; None when one probably is.
    writes: BatchWrites | None = None


def prepare(ctx: IngestContext, delivery: SubmissionSession, batch: Batch) -> Prepared:
    """Validates a batch and works out what it writes. Raises BATCH_TOO_LARGE, RECORD_TOO_LARGE, INPUT_INVALID."""
    batch.checked()
    content = batch.encoded()
    prepared = Prepared(batch.number, batch.records, digest(content), len(content), ())
    # A batch that is committed is recognised by its digest.
    if batch.number <= delivery.committed:
        return prepared
    validator = ctx.directory.validator(delivery.entry)
    today = ctx.clock.today()
    checked = [ctx.recorder.check(validator, delivery.provider, record, today) for record in batch.records]
    name = batch_id(delivery.key, batch.number)
    # Of a file the file itself is kept.
    kept = () if delivery.file else tuple(originals.pieces(name, content, ctx.ring))
    prepared = replace(prepared, checked=checked, originals=kept)
    if delivery.met_known.is_set():
        return prepared
    return replace(prepared, writes=writes_of(ctx, delivery, prepared, {}))


def writes_of(
    ctx: IngestContext, delivery: SubmissionSession, batch: Prepared, known: dict[str, ExistingVersion]
) -> BatchWrites:
    """What a batch writes when `known` is on record."""
    now = as_stored(ctx.clock.now())
    name = batch_id(delivery.key, batch.number)
    history = decide(batch.checked, known, {"batch": name}, now)
    outcomes = history.outcomes
    counts = Counts.of(became.outcome for became in outcomes).to_dict()
    row = {
        "_id": name,
        "submission": delivery.key,
        "number": batch.number,
        "digest": batch.digest,
        "first_row": outcomes[0].row,
        "last_row": outcomes[-1].row,
        "records": [became.record_id for became in outcomes],
        "others": {
            str(n): [became.outcome.value, became.version]
            for n, became in enumerate(outcomes)
            if became.outcome is not OutcomeKind.ACCEPTED
        },
        "counts": counts,
    }
    rejects = [
        {
            "_id": reject_id(name, n),
            "submission": delivery.key,
            "row": became.row,
            "sealed": sealed_reject(ctx.ring, batch.records[n], became),
        }
        for n, became in enumerate(outcomes)
        if became.outcome is OutcomeKind.REJECTED
    ]
    figures = tally(delivery.entry, batch.checked, outcomes, shanghai_date(now)).to_dict()
    return BatchWrites(history, encoded(history.created.values()), counts, figures, row, rejects)
