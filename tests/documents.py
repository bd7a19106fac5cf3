"""What stores hold fits the mongoengine documents that declare it, whichever way it was written."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mongoengine.errors import FieldDoesNotExist, ValidationError

from chengxin.store.documents import DocumentClass, collection_name, stored_form
from chengxin.values.document import RawDocument
from gateway.store import accounts, administration
from services.audit.store import log
from services.catalog.store import catalog
from services.disclosure.store import documents as disclosure
from services.ingest.store import agreements, submissions
from services.objection.store import documents as objection

DECLARED: dict[str, Sequence[DocumentClass]] = {
    "audit": log.ALL,
    "catalog": catalog.ALL,
    "disclosure": disclosure.ALL,
    "gateway": accounts.ALL,
    "ingest": submissions.ALL,
    "objection": objection.ALL,
}
# Those that their repositories read and write through the documents: what is read and written again is the same.
REWRITTEN: frozenset[DocumentClass] = frozenset(
    (
        *catalog.ALL,
        *(accounts.ClientRow, accounts.OfficerRow, accounts.CitizenRow, accounts.SigningKeyRow),
        *administration.ALL,
        *agreements.ALL,
        disclosure.ConsentRow,
        *(objection.EntryNamesRow, objection.RulesRow, objection.CalendarRow, objection.RecountRow),
    )
)
# Of the kernel's store, the same in every service; `chengxin.store` and `chengxin.feeds` alone write them.
KERNEL = {"outbox", "counters", "positions", "idempotency", "transaction_sessions", "quarantine", "leases"}


def documents(service: str) -> dict[str, DocumentClass]:
    """The documents of a service by the name of their collection."""
    return {collection_name(document): document for document in DECLARED[service]}


def misfits(service: str, database: Any, most: int) -> Iterator[str]:
    """What does not fit, of `most` documents of each collection: the name, and why."""
    declared = documents(service)
    for name in database.list_collection_names():
        # Those of a generation of what is derived have its number in their names.
        base = re.sub(r"\.[0-9]+$", "", name)
        if base in KERNEL or name.startswith("system."):
            continue
        if base not in declared:
            yield f"{name}: no document declares it"
            continue
        for row in database[name].find().limit(most):
            try:
                declared[base]._from_son(row).validate(clean=False)
                if declared[base] in REWRITTEN and _rewritten(declared[base], row) != row:
                    yield f"{name}: {row['_id']} is not written again as it is read"
            except (FieldDoesNotExist, ValidationError, TypeError, ValueError) as e:
                yield f"{name}: {type(e).__name__}: {str(e)[:300]}"
                break


def must_fit(service: str, database: Any, most: int = 20) -> None:
    """Fails when something in a store does not fit its document."""
    found = list(misfits(service, database, most))
    assert not found, "\n".join(found)


def _rewritten(document: DocumentClass, row: RawDocument) -> RawDocument:
    return stored_form(document._from_son(row))
