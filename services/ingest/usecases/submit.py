"""Delivering records (Art. 9, 10, 12): a stream of batches, or a small delivery in one call."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from chengxin.auth.executor import command
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError, Problem
from services.ingest.context import IngestContext
from services.ingest.domain.submission import (
    DELIVERY_BROKEN_OFF,
    DELIVERY_END_MISSING,
    NOT_A_PROVIDER,
    Batch,
    DeliveredRecord,
    Header,
    Receipt,
    RecordOutcome,
)
from services.ingest.usecases.batch_pipeline import BatchCommitter
from services.ingest.usecases.commit_batch import DELIVERED, close, commit
from services.ingest.usecases.prepare_batch import prepare
from services.ingest.usecases.submission_session import SubmissionSession, open_delivery


@dataclass(frozen=True)
class Sender:
    """The other end of a stream: whether it is still there, and whether it has said that all batches were sent."""

    connected: Callable[[], bool]
    ended: Callable[[], bool]


# Whoever has all batches in hand.
PRESENT: Final = Sender(lambda: True, lambda: True)


def provides(ctx: IngestContext, caller: Principal, header: Header, *_: Any, **__: Any) -> Problem | None:
    """the entry names the caller's organisation as a provider"""
    entry = ctx.directory.in_force(header.entry_code, ctx.clock.today().isoformat())
    if entry is None or entry.provider(caller.org) is not None:
        return None
    return NOT_A_PROVIDER(org=caller.org or "-", entry=entry.code)


@command(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), when=(provides,))
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
    Raises DELIVERY_BROKEN_OFF when the sender is gone or records are missing, DELIVERY_OVER_COUNT when more come than
    were told, DELIVERY_END_MISSING when nobody said where the delivery ends, and whatever the submission does not take.
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


@command(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), when=(provides,))
def submit_batch(
    ctx: IngestContext, caller: Principal, header: Header, records: list[DeliveredRecord]
) -> tuple[Receipt, list[RecordOutcome]]:
    """Takes a whole small delivery in one transaction, with its receipt and what became of each record.

    Raises INPUT_INVALID when the header tells another count, and whatever the submission does not take.
    """
    if header.record_count not in (0, len(records)):
        told = f"本次共 {len(records)} 条 / {len(records)} records are sent"
        raise INPUT_INVALID(fields=[FieldError("record_count", "count", told)])
    delivery = open_delivery(ctx, caller, header)
    prepared = prepare(ctx, delivery, Batch(1, records))
    outcomes, receipt = commit(ctx, caller, delivery, [prepared], close=True)
    return receipt or close(ctx, caller, delivery), outcomes


def _progress(ctx: IngestContext, delivery: SubmissionSession) -> tuple[int, int]:
    """How many batches and records are committed."""
    found = ctx.store.submission(delivery.key)
    if found is None:
        return 0, 0
    return found["batches_committed"], found["counts"]["total"]
