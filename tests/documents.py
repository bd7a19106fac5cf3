"""What stores hold fits the mongoengine documents that declare it, whichever way it was written."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bson
import pymongo.monitoring
from mongoengine.errors import FieldDoesNotExist, ValidationError

from chengxin.feeds.quarantine_rows import QuarantineRow
from chengxin.proposals.documents import ProposalRow
from chengxin.store import kernel_documents
from chengxin.store.documents import DocumentClass, collection_name
from gateway.store import accounts, administration
from services.audit.store import log
from services.catalog.store import catalog
from services.disclosure.store import documents as disclosure
from services.ingest.store import documents as ingest
from services.objection.store import documents as objection

DECLARED: dict[str, Sequence[DocumentClass]] = {
    "audit": log.ALL,
    "catalog": catalog.ALL,
    "disclosure": disclosure.ALL,
    "gateway": accounts.ALL,
    "ingest": ingest.ALL,
    "objection": objection.ALL,
}
# Those that their repositories read and write through the documents: what is read and written again is the same.
REWRITTEN: frozenset[DocumentClass] = frozenset(
    (
        ProposalRow,
        *catalog.ALL,
        *(accounts.ClientRow, accounts.OfficerRow, accounts.CitizenRow, accounts.SigningKeyRow),
        *administration.ALL,
        *(ingest.ProviderAgreement, ingest.ColumnMapping),
        disclosure.ConsentRow,
        *(objection.EntryNamesRow, objection.RulesRow, objection.CalendarRow, objection.RecountRow),
    )
)
# Of the kernel's store, the same in every service; `chengxin.store` and `chengxin.feeds` alone write them.
KERNEL = (*kernel_documents.ALL, QuarantineRow)


class WriteListener(pymongo.monitoring.CommandListener):
    """Which collections this process has written to since their documents were last looked at, and which since their
    database was made or emptied; and which databases have got other collections or indexes."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, set[str]] = defaultdict(set)
        self.written: defaultdict[str, set[str]] = defaultdict(set)
        self.reshaped: set[str] = set()

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("insert", "update", "findAndModify"):
            self.seen[event.database_name].add(event.command[event.command_name])
            self.written[event.database_name].add(event.command[event.command_name])
        elif event.command_name in ("create", "createIndexes", "drop", "dropIndexes", "dropDatabase", "collMod"):
            self.reshaped.add(event.database_name)

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None:
        """Nothing is to be done."""

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None:
        """Nothing is to be done."""


WRITES = WriteListener()
pymongo.monitoring.register(WRITES)


# What was looked at: entries of the catalog are the same in every test.
_FITTING: set[tuple[DocumentClass, bytes]] = set()


def documents(service: str) -> dict[str, DocumentClass]:
    """The documents of a service by the name of their collection."""
    return {collection_name(document): document for document in (*DECLARED[service], *KERNEL)}


def misfits(service: str, database: Any, names: Iterable[str], most: int) -> Iterator[str]:
    """What does not fit, of `most` documents of each of these collections: the name, and why."""
    declared = documents(service)
    for name in names:
        # Those of a generation of what is derived have its number in their names.
        base = re.sub(r"\.[0-9]+$", "", name)
        if name.startswith("system."):
            continue
        if base not in declared:
            yield f"{name}: no document declares it"
            continue
        for row in database[name].find().limit(most):
            looked_at = declared[base], bson.encode(row, codec_options=database.codec_options)
            if looked_at in _FITTING:
                continue
            try:
                document = declared[base]._from_son(row)
                document.validate(clean=False)
                if declared[base] in REWRITTEN and document.to_mongo() != row:
                    yield f"{name}: {row['_id']} is not written again as it is read"
                    continue
            except (FieldDoesNotExist, ValidationError, TypeError, ValueError) as e:
                yield f"{name}: {type(e).__name__}: {str(e)[:300]}"
                break
            _FITTING.add(looked_at)


def must_fit(service: str, database: Any) -> None:
    """Fails when something that this process has written to a store does not fit its document: the first 20 documents of
    each collection that it has written to."""
    found = list(misfits(service, database, WRITES.seen.pop(database.name, ()), 20))
    assert not found, "\n".join(found)


def forget_writes(database: Any) -> None:
    """What was written until now was looked at elsewhere."""
    WRITES.seen.pop(database.name, None)
