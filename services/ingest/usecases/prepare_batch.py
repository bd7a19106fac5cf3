"""A batch before its transaction: its records validated, and all that it writes worked out.

It is done while those before are committed, so the transaction itself waits for nothing but the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from chengxin.values.canonical_json import digest
from chengxin.values.clock import as_stored, shanghai_date
from services.ingest.context import Ingest
from services.ingest.domain.quality import tally
from services.ingest.domain.record_versioning import Checked, History, Known, decide
from services.ingest.domain.submission import Batch, Counts, Delivered, Outcome
from services.ingest.store import originals
from services.ingest.store.rejects import sealed_reject
from services.ingest.store.submissions import Encoded, Plain, batch_id, encoded, reject_id
from services.ingest.usecases.submission_session import Delivery


@dataclass(frozen=True)
class Writes:
    """What a batch writes of its records, given what was on record."""

    history: History
    # The documents of `history.created`.
    created: Sequence[Encoded] = field(repr=False)
    counts: Plain
    figures: Plain
    row: Plain
    rejects: Sequence[Plain] = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """A batch after validation, ready to be committed."""

    number: int
    records: Sequence[Delivered] = field(repr=False)
    digest: str
    # Bytes of the batch as delivered.
    size: int
    checked: Sequence[Checked] = field(repr=False)
    originals: Sequence[Plain] = field(default=(), repr=False)
    # What it writes if none of its records are on record; None when that is not expected.
    writes: Writes | None = None


def prepare(ingest: Ingest, delivery: Delivery, batch: Batch) -> Prepared:
    """Validates a batch and works out what it writes. Raises BATCH_TOO_LARGE, RECORD_TOO_LARGE, INPUT_INVALID."""
    batch.checked()
    content = batch.encoded()
    prepared = Prepared(batch.number, batch.records, digest(content), len(content), ())
    # What is committed already is only recognised, by its digest.
    if batch.number <= delivery.committed:
        return prepared
    validator = ingest.directory.validator(delivery.entry)
    checked = [ingest.recorder.check(validator, delivery.provider, record) for record in batch.records]
    name = batch_id(delivery.key, batch.number)
    # A file is kept itself.
    kept = () if delivery.file else tuple(originals.pieces(name, content, ingest.ring))
    prepared = replace(prepared, checked=checked, originals=kept)
    if delivery.met_known.is_set():
        return prepared
    return replace(prepared, writes=writes_of(ingest, delivery, prepared, {}))


def writes_of(ingest: Ingest, delivery: Delivery, batch: Prepared, known: dict[str, Known]) -> Writes:
    """What a batch writes when this is on record."""
    now = as_stored(ingest.clock.now())
    name = batch_id(delivery.key, batch.number)
    history = decide(batch.checked, known, {"batch": name}, now)
    outcomes = history.outcomes
    counts = Counts.of(became.outcome for became in outcomes).to_json()
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
            if became.outcome is not Outcome.ACCEPTED
        },
        "counts": counts,
    }
    rejects = [
        {
            "_id": reject_id(name, n),
            "submission": delivery.key,
            "row": became.row,
            "sealed": sealed_reject(ingest.ring, batch.records[n], became),
        }
        for n, became in enumerate(outcomes)
        if became.outcome is Outcome.REJECTED
    ]
    figures = tally(delivery.entry, batch.checked, outcomes, shanghai_date(now)).plain()
    return Writes(history, encoded(history.created.values()), counts, figures, row, rejects)
