"""What stores hold fits the mongoengine documents that declare it, whichever way it was written."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import mongoengine
from mongoengine.errors import FieldDoesNotExist, ValidationError

MODULES = {
    "audit": ("services.audit.store.log",),
    "catalog": ("services.catalog.store.catalog",),
    "disclosure": ("services.disclosure.store.documents",),
    "gateway": ("gateway.store.accounts", "gateway.store.administration"),
    "ingest": ("services.ingest.store.documents", "services.ingest.store.agreements", "services.ingest.store.quality"),
    "objection": ("services.objection.store.documents",),
}
# Of the kernel's store, the same in every service; `chengxin.store` and `chengxin.feeds` alone write them.
KERNEL = {"outbox", "counters", "positions", "idempotency", "transaction_sessions", "quarantine", "leases"}


@cache
def documents(service: str) -> dict[str, type[mongoengine.Document]]:
    """The documents of a service by the name of their collection."""
    return {
        value._get_collection_name(): value
        for name in MODULES[service]
        for value in vars(import_module(name)).values()
        if isinstance(value, type)
        and issubclass(value, mongoengine.Document)
        and value.__module__ == name
        and not value._meta.get("abstract")
    }


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
            except (FieldDoesNotExist, ValidationError, TypeError, ValueError) as e:
                yield f"{name}: {type(e).__name__}: {str(e)[:300]}"
                break


def must_fit(service: str, database: Any, most: int = 20) -> None:
    """Fails when something in a store does not fit its document."""
    found = list(misfits(service, database, most))
    assert not found, "\n".join(found)
