"""Takes delivered records (Art. 9, 10, 12): a stream of batches, or a small delivery in one call."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from services.ingest.context import IngestContext
from services.ingest.domain.submission import (
    DELIVERY_BROKEN_OFF,
    DELIVERY_END_MISSING,
    Batch,
    DeliveredRecord,
    Header,
    Receipt,
    RecordOutcome,
)
from services.ingest.usecases.batch_pipeline import BatchCommitter
from services.ingest.usecases.commit_batch import DELIVERED, close, commit
from services.ingest.usecases.permissions import provides
from services.ingest.usecases.prepare_batch import prepare
from services.ingest.usecases.submission_session import SubmissionSession, open_delivery


@dataclass(frozen=True)
class Sender:
    """The sender of a stream: whether it is still connected, and whether it has said that all batches were sent."""

    connected: Callable[[], bool]
    ended: Callable[[], bool]


# The sender of a delivery whose batches are all here.
PRESENT: Final = Sender(lambda: True, lambda: True)


@command(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), may=provides)
def submit(
    ctx: IngestContext,
    caller: Principal,
    header: Header,
    batches: Iterable[Batch],
    sender: Sender = PRESENT,
) -> Receipt:
    """Takes a delivery batch by batch and ends with its receipt; what is committed already is recognised.

    While batches are committed the next ones are validated, as many as a transaction takes, and no more are read: the
    sender waits for the store.
    Raises DELIVERY_BROKEN_OFF when the sender is gone or records are missing, DELIVERY_OVER_COUNT when more records
    come than the header states, DELIVERY_END_MISSING when neither the header nor the sender states where the delivery
    ends, and what `open_delivery` and `prepare` raise.
    """
    return deliver(ctx, caller, open_delivery(ctx, caller, header), batches, sender)


def deliver(
    ctx: IngestContext,
    caller: Principal,
    delivery: SubmissionSession,
    batches: Iterable[Batch],
    sender: Sender = PRESENT,
) -> Receipt:
    """Takes the batches of a delivery that is open, and ends it with its receipt. Raises what `submit` does."""
    header = delivery.header
    with BatchCommitter(partial(commit, ctx, caller, delivery)) as committer:
        for batch in batches:
            committer.add(prepare(ctx, delivery, batch))
    if not sender.connected():
        committed, records = _progress(ctx, delivery)
        raise DELIVERY_BROKEN_OFF(committed=committed, records=records)
    if not header.record_count and not sender.ended():
        raise DELIVERY_END_MISSING(committed=_progress(ctx, delivery)[0])
    return close(ctx, caller, delivery)


@command(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), may=provides)
def submit_batch(
    ctx: IngestContext, caller: Principal, header: Header, records: list[DeliveredRecord]
) -> tuple[Receipt, list[RecordOutcome]]:
    """Takes a whole small delivery in one transaction, with its receipt and what became of each record.

    Raises INPUT_INVALID when the header states another count, and what `open_delivery` and `prepare` raise.
    """
    if header.record_count not in (0, len(records)):
        told = f"本次共 {len(records)} 条 / {len(records)} records are sent"
        raise INPUT_INVALID(fields=[FieldError("record_count", "count", told)])
    delivery = open_delivery(ctx, caller, header)
    prepared = prepare(ctx, delivery, Batch(1, records))
    outcomes, receipt = commit(ctx, caller, delivery, [prepared], close=True)
    return receipt or close(ctx, caller, delivery), outcomes


def _progress(ctx: IngestContext, delivery: SubmissionSession) -> tuple[int, int]:
    """The numbers of batches and records that are committed."""
    found = ctx.store.submission(delivery.key)
    if found is None:
        return 0, 0
    return found["batches_committed"], found["counts"]["total"]
