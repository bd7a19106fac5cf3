"""Delivering records (Art. 9, 10, 12): a stream of batches, or a small delivery in one call."""

import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from chengxin.errors import Problem
from chengxin.policy import rule
from chengxin.principal import Principal, Role
from services.ingest.commit import DELIVERED, Delivery, FileForm, close, commit, open_delivery, prepare
from services.ingest.model import DELIVERY_BROKEN_OFF, NOT_A_PROVIDER, Batch, Became, Delivered, Header, Receipt
from services.ingest.room import Ingest


def provides(ingest: Ingest, caller: Principal, header: Header, *_: Any, **__: Any) -> Problem | None:
    """the entry names the caller's organisation as a provider"""
    entry = ingest.directory.in_force(header.entry_code, ingest.clock.today().isoformat())
    if entry is None or entry.provider(caller.org) is not None:
        return None
    return NOT_A_PROVIDER(org=caller.org or "-", entry=entry.code)


@rule(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), when=(provides,))
def submit(
    ingest: Ingest,
    caller: Principal,
    header: Header,
    batches: Iterable[Batch],
    connected: Callable[[], bool] = lambda: True,
    file: FileForm | None = None,
) -> Receipt:
    """Takes a delivery batch by batch and ends with its receipt; what is committed already is recognised.

    While one batch is committed the next one is validated, and no more are read: the sender waits for the store.
    Raises DELIVERY_BROKEN_OFF when the sender is gone, and whatever the submission does not take.
    """
    delivery = open_delivery(ingest, caller, header, file)
    with ThreadPoolExecutor(1, thread_name_prefix="commit") as committer:
        waiting: Future[Any] | None = None
        for batch in batches:
            prepared = prepare(ingest, delivery, batch)
            if waiting is not None:
                waiting.result()
            scope = contextvars.copy_context()
            waiting = committer.submit(scope.run, commit, ingest, caller, delivery, prepared)
        if waiting is not None:
            waiting.result()
    if not connected():
        raise DELIVERY_BROKEN_OFF(committed=_committed(ingest, delivery))
    return close(ingest, caller, delivery)


@rule(DELIVERED, roles={Role.PROVIDER}, articles=("9", "10", "12"), when=(provides,))
def submit_batch(
    ingest: Ingest, caller: Principal, header: Header, records: list[Delivered]
) -> tuple[Receipt, list[Became]]:
    """Takes a whole small delivery in one transaction, with its receipt and what became of each record."""
    delivery = open_delivery(ingest, caller, header)
    prepared = prepare(ingest, delivery, Batch(1, records))
    outcomes, receipt = commit(ingest, caller, delivery, prepared, close=True)
    return receipt or close(ingest, caller, delivery), outcomes


def _committed(ingest: Ingest, delivery: Delivery) -> int:
    found = ingest.store.submission(delivery.key)
    return int(found["batches_committed"]) if found else 0
